"""Calibrations of the last two years of a microscope that was never built."""

from __future__ import annotations

from datetime import datetime, timedelta

from appliance.calibrations import Calibrations
from appliance.store import Store
from calibration.measured import Measured
from calibration.record import CalibrationRecord, Residuals, Ruler
from calibration.setup import Setup

SETUP = Setup("100x oil", "camera 1", 1, (2028, 1520))
RULER = Ruler("stage micrometer", 10.0, "SM-114", "2026-118", 0.002)
PIXEL_SIZES_UM = (0.10642, 0.10649, 0.10645, 0.10651)
MONTHS_APART = 6


def put_calibrations(store: Store, now: datetime) -> None:
    """Put one on record for every half year, the last of them in force."""
    held = Calibrations(store)
    for number, size in enumerate(PIXEL_SIZES_UM):
        ago = timedelta(days=30.4 * MONTHS_APART * (len(PIXEL_SIZES_UM) - 1 - number) + 20)
        record = _record(size, now - ago)
        held.add(record, now - ago)
        held.use(record.id, "erik", now - ago, held.to_confirm(record))


def _record(um_per_px: float, made: datetime) -> CalibrationRecord:
    return CalibrationRecord(
        setup=SETUP,
        made=made,
        by="erik",
        values={
            "um_per_px": Measured(um_per_px, 0.00004, "µm/px"),
            "backlash_x_um": Measured(9.2, 0.04, "µm"),
            "backlash_y_um": Measured(11.4, 0.03, "µm"),
            "backlash_z_um": Measured(1.4, 0.01, "µm"),
        },
        software="0.1.0",
        firmware="Grbl 1.1h",
        expires=made + timedelta(days=365),
        ruler=RULER,
        residuals={"ruler_lines": Residuals((0, 10, 20, 30), "µm", (0.01, -0.02, 0.01, 0.0), "µm")},
    )
