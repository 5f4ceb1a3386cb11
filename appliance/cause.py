"""Why a run stands still or has ended, in kinds: what to do about it depends on the kind, not on the sentence."""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """The kind of what paused or ended a run. Each is on record; what it is called is never changed."""

    ENOUGH = "enough cells"
    MOST = "most cells"
    OUT_OF_FIELDS = "out of fields"
    OUT_OF_CELLS = "out of cells"
    ALL_SKIPPED = "every field skipped"
    NO_FIELDS = "no fields"
    STOPPED = "stopped by a person"
    PAUSED = "paused by a person"
    POWER_CUT = "power cut"
    SHUT_DOWN = "shut down"
    OVERTAKEN = "another count began"
    RED_CELLS_DIFFER = "red cells differ"
    WRONG_SCALE = "wrong scale"
    NO_SLIDE = "nothing to count"
    NO_FOCUS = "no focus"
    SLIDE_MOVED = "slide moved"
    DARK = "dark"
    TOO_BRIGHT = "too bright"
    NO_PICTURE = "no fresh picture"
    CAMERA = "camera"
    STAGE = "stage"
    POSITION_LOST = "position lost"
    BLOCKED = "stage blocked"
    STORE = "store"
    ANALYSIS_FAILED = "analysis failed"
    ANALYSIS_SILENT = "analysis silent"
    WEIGHTS = "weights refused"
    SETTINGS = "settings"
    UNREADABLE = "unreadable"
    UNEXPECTED = "unexpected"


_NAMED = {str(cause): cause for cause in Cause}


def cause_named(text: str) -> Cause | None:
    """Return the cause of that name; None for one of another version, and for a run that has none."""
    return _NAMED.get(text)
