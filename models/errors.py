"""What can go wrong between pixels and a label."""


class ModelRefused(ValueError):
    """The input cannot be used: a panel, an image, a scale or a set of weights. Says what to do."""


class AnalysisError(RuntimeError):
    """The answer for a field or a cell is not known. It is never an empty list."""
