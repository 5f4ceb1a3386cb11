"""What TensorRT says while it works, kept for the one sentence of a refusal."""

from __future__ import annotations

import logging

import tensorrt as trt

log = logging.getLogger(__name__)

LONGEST = 400  # characters: the log has the rest


class Said(trt.ILogger):
    """TensorRT's logger: its errors are kept, and everything but its chatter goes into the log."""

    def __init__(self) -> None:
        trt.ILogger.__init__(self)
        self._errors: list[str] = []

    def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
        """Take a message; TensorRT calls it, from any of its threads."""
        text = " ".join(msg.split())
        if severity in (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR):
            self._errors.append(text)
            log.error("TensorRT: %s", text)
        elif severity == trt.ILogger.Severity.WARNING:
            log.warning("TensorRT: %s", text)

    def because(self, error: Exception | None = None) -> str:
        """Return why something failed, without a full stop: what was said since it was last asked, or the error."""
        said, self._errors = self._errors, []
        if not said:
            said = [" ".join(str(error).split()) if error is not None else "TensorRT does not say why"]
        return "; ".join(dict.fromkeys(each.rstrip(" .") for each in said))[:LONGEST]
