"""Figures of an evaluation as they are written and shown. One that nothing was measured for is nan."""

from __future__ import annotations

import math
from typing import Any


def without_nan(value: Any) -> Any:
    """Return a value, lists and tables within it included, with None in place of nan: JSON has no nan."""
    if isinstance(value, dict):
        return {key: without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def shown(value: float, digits: int) -> str:
    """Return a figure for a table, a dash where there is none."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"
