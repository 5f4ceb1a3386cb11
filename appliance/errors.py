"""What can go wrong in the instrument."""


class ApplianceRefused(ValueError):
    """Bad usage or input: a file, a key, a folder, a state. One sentence with what to do. Exit status 2."""


class ApplianceError(RuntimeError):
    """A failure of the instrument itself. Exit status 1."""
