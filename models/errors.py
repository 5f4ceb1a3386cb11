"""What can go wrong between pixels and a label."""


class ModelRefused(ValueError):
    """The input cannot be used: a panel, an image, a scale or a set of weights. Says what to do."""


class EngineRefused(ModelRefused):
    """The engine asked for is absent, or may not count on this box. Nothing else is run in its place."""


class AnalysisError(RuntimeError):
    """The answer for a field or a cell is not known. It is never an empty list.

    reason: its kind in a few words, the same for every such field.
    """

    def __init__(self, sentence: str, reason: str = "analysis failed") -> None:
        super().__init__(sentence)
        self.reason = reason


class GpuFailed(AnalysisError):
    """The GPU itself failed, not the analysis of one field: the next field would fail too. Names CUDA's error."""
