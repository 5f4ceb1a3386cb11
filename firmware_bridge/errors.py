"""What can go wrong between the instrument and its stage, and what is then known about the position."""

from __future__ import annotations


class StageRefused(ValueError):
    """Outside the soft limits, or a wrong configuration. Nothing was sent to the stage."""


class BridgeError(RuntimeError):
    """A failure of the stage or of the line to it."""


class Recoverable(BridgeError):
    """Nothing moved: the position is what it was, and the order may be given again."""


class Stopped(Recoverable):
    """The move was stopped before its end. The position is known, and the order may be given again."""


class PositionLost(BridgeError):
    """Where the stage is, is not known. It has to be homed before the next move."""


class PortSilent(BridgeError):
    """The port is there, and nothing answered in time."""


class PortGarbled(BridgeError):
    """Something answered that is no answer of this protocol: noise, a wrong speed, another device."""


class PortVanished(BridgeError):
    """The port is gone: unplugged, switched off, or closed by the other side."""
