"""What a person must know of the next results, or why there are to be none: an expired calibration, quality control.

The laboratory decides by `[calibration] expired` and `[qc] unmet` whether results are marked (`warn`) or counts are
refused (`block`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from appliance.calibrated_settings import marks_of_settings
from appliance.camera_source import MICROSCOPE, SimulatedSource, parse_camera
from appliance.equipment import measured
from appliance.errors import ApplianceRefused
from appliance.qc_history import QcHistory
from calibration import CalibrationRefused, Scale
from calibration.qc import qc_mark

if TYPE_CHECKING:
    from appliance.config import Config
    from appliance.plan import Plan
    from appliance.store import Store

Judge = Callable[["Store", "Plan", Scale], tuple[str, ...]]
"""Gives the marks of a run that is about to begin or go on; raises ApplianceRefused or CalibrationRefused."""

FOR_QC = "Counted for quality control: no result of a patient."


def marks_of(
    config: Config, store: Store, plan: Plan, scale: Scale, now: datetime | None = None
) -> tuple[str, ...]:
    """Return the sentences that a result must carry.

    scale: under which it is counted.  now: UTC; None asks the clock.
    Quality control is asked of a microscope, and of a simulated one that has errors: images have none, and a perfect
    one needs none. A count for quality control is
    never held up by a failed or overdue one.
    Raises CalibrationRefused or ApplianceRefused where the laboratory wants no result instead.
    """
    now = now or datetime.now(UTC)
    return (
        *_of_qc(config, store, plan, scale, now),
        *marks_of_expiry(config, scale, now),
        *marks_of_settings(config, plan, measured(scale, store)),
    )


def mark_of_qc(config: Config, store: Store, now: datetime | None = None) -> str | None:
    """Return what the next result of the configured plan would say of the quality control; None for nothing."""
    if not is_qc_asked(config):
        return None
    from appliance.configured_plan import plan_from_config
    from appliance.counting_scale import planned_scale

    try:
        scale = planned_scale(plan_from_config(config), config).id
    except (ApplianceRefused, CalibrationRefused):  # whoever starts a count is told
        scale = None
    return qc_mark(QcHistory(store).last(), now or datetime.now(UTC), config.qc.every_h, scale)


def is_qc_asked(config: Config) -> bool:
    """Whether quality control is asked of the configured plan; where there is none, it is as for a microscope."""
    from appliance.configured_plan import plan_from_config

    try:
        return _has_errors(config, plan_from_config(config))
    except (ApplianceRefused, CalibrationRefused):
        return True


def nothing_to_mark(store: Store, plan: Plan, scale: Scale) -> tuple[str, ...]:
    """Mark nothing: an instrument without settings."""
    return ()


def marks_of_expiry(config: Config, scale: Scale, now: datetime | None = None) -> tuple[str, ...]:
    """Return what results under an expired calibration must carry; nothing under a valid one. As `marks_of`."""
    now = now or datetime.now(UTC)
    if scale.expires is None or now < scale.expires:
        return ()
    said = f"The calibration {scale.id} expired on {scale.expires:%Y-%m-%d}."
    if config.calibration.expired == "block":
        raise CalibrationRefused(f"{said} Calibrate anew; [calibration] expired blocks counts until then.")
    return (f"{said} Calibrate anew.",)


def _of_qc(config: Config, store: Store, plan: Plan, scale: Scale, now: datetime) -> tuple[str, ...]:
    if plan.qc:
        return (FOR_QC,)
    if not _has_errors(config, plan):
        return ()
    mark = qc_mark(QcHistory(store).last(), now, config.qc.every_h, scale.id)
    if mark is None:
        return ()
    if config.qc.unmet == "block":
        raise ApplianceRefused(
            f"{mark} [qc] unmet blocks counts until then; for the control itself: count --qc."
        )
    return (mark,)


def _has_errors(config: Config, plan: Plan) -> bool:
    """Whether a microscope takes the pictures, be it a simulated one as long as it is not perfect."""
    if plan.camera == MICROSCOPE:
        return True
    return bool(config.simulator.instrument) and isinstance(parse_camera(plan.camera), SimulatedSource)
