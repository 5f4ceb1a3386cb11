"""Calibrations of a microscope that was never built."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from calibration.measured import Measured
from calibration.record import CalibrationRecord, Evidence, Residuals, Ruler
from calibration.setup import Setup

MADE = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
EXPIRES = datetime(2027, 3, 1, 9, 30, tzinfo=UTC)
SETUP = Setup("100x oil", "camera 1", 1, (256, 192))
RULER = Ruler("stage micrometer", 10.0, "SM-0417", "PTB 2025-118")


def picture(seed: int = 0, height: int = 40, width: int = 60) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def values(um_per_px: float = 0.2, **others: Measured) -> dict[str, Measured]:
    return {"um_per_px": Measured(um_per_px, 0.0002, "µm/px"), **others}


def record(um_per_px: float = 0.2, **changes: Any) -> CalibrationRecord:
    """A calibration with everything in it."""
    given: dict[str, Any] = {
        "setup": SETUP,
        "made": MADE,
        "by": "R. Hooke",
        "values": values(um_per_px, backlash_x_um=Measured(6.1, 0.2, "µm")),
        "software": "0.1.0",
        "firmware": "Grbl 1.1h",
        "expires": EXPIRES,
        "ruler": RULER,
        "residuals": {"ruler_lines": Residuals((0, 10, 20), "µm", (0.01, -0.02, 0.01), "µm")},
        "evidence": (Evidence.of("ruler", "The ruler, with the lines that were found.", picture()),),
        "parts": {"gain_map": b"\x00\x01\x02"},
        "note": "After the new lamp.",
    }
    return CalibrationRecord(**{**given, **changes})
