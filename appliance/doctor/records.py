"""What is looked at of the records: database and backups, the calibration in force, quality control."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.audit import AuditTrail
from appliance.backup import backups, check, made_at
from appliance.calibrations import Calibrations
from appliance.configured_plan import plan_from_config
from appliance.counting_scale import NOT_CALIBRATED, planned_scale
from appliance.doctor.finding import AGAIN, Finding, failed, passed, warning
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.marks import is_qc_asked
from appliance.qc_history import QcHistory
from appliance.store import Store
from appliance.store_place import is_there
from appliance.wording import number_of
from calibration import CalibrationRefused
from calibration.qc import qc_mark
from calibration.record import is_record_id

if TYPE_CHECKING:
    from appliance.config import Config

BACKUPS = Path("/var/backups/hemadiff")
NO_BACKUP_FOR = timedelta(days=2)
SOON = timedelta(days=30)
FROM_A_BACKUP = "Restore a backup: hemadiff restore FILE."


def database(config: Config) -> Finding:
    """Whether the store is whole, of this version, and its audit trail unbroken."""
    path = config.store.path
    try:
        if not is_there(path):
            return passed("database", f"There is none yet at {path}; the first count makes it.")
        runs = check(path, thorough=False)
        with Store.read_only(path) as store:
            trail = AuditTrail(store).verify()
    except ApplianceRefused as refused:
        return failed("database", str(refused), AGAIN)
    except ApplianceError as error:
        return failed("database", str(error), FROM_A_BACKUP)
    if trail.broken is not None:
        return failed("database", str(trail), FROM_A_BACKUP)
    return passed("database", f"{path} is whole: {number_of(runs, 'count')}, audit trail of {trail.entries}.")


def backup(config: Config, folder: Path = BACKUPS, now: datetime | None = None) -> Finding:
    """Whether there is a backup that is not old. folder: where the timer puts them.  now: UTC; None asks the clock."""
    now = now or datetime.now(UTC)
    if not is_there(config.store.path):
        return passed("backup", "There is nothing to back up yet.")
    made = backups(folder)
    do = "Start the timer (sudo systemctl enable --now hemadiff-backup.timer), or run hemadiff backup FOLDER."
    if not made:
        return warning("backup", f"There is none in {folder} that this user can see.", do)
    newest = made_at(made[0])
    said = f"The newest is of {newest:%Y-%m-%d %H:%M} UTC, in {folder}."
    return warning("backup", said, do) if now - newest > NO_BACKUP_FOR else passed("backup", said)


def calibration(config: Config, now: datetime | None = None) -> Finding:
    """Whether the next count has a scale, and for how long. now: UTC; None asks the clock."""
    now = now or datetime.now(UTC)
    try:
        scale = planned_scale(plan_from_config(config), config)
        if scale.id == NOT_CALIBRATED:
            return failed(
                "calibration",
                "None is in force for this objective and camera.",
                "Calibrate (hemadiff calibrate), or put one in force (hemadiff calibrate use).",
            )
        if not is_record_id(scale.id):
            return passed("calibration", f"{scale.source or scale.id}.")
        with Store.read_only(config.store.path) as store:
            expires = Calibrations(store).get(scale.id).record.expires
    except (ApplianceError, ApplianceRefused, CalibrationRefused) as refused:
        return failed("calibration", str(refused), AGAIN)
    if expires is None:
        return passed("calibration", f"{scale.id} is in force.")
    said = f"{scale.id} is in force until {expires:%Y-%m-%d}."
    do = "Calibrate anew: hemadiff calibrate."
    if now >= expires:
        return failed("calibration", f"{scale.id} expired on {expires:%Y-%m-%d}.", do)
    return warning("calibration", said, do) if expires - now < SOON else passed("calibration", said)


def quality_control(config: Config, now: datetime | None = None) -> Finding:
    """Whether the daily control passed and is not overdue. now: UTC; None asks the clock."""
    now = now or datetime.now(UTC)
    try:
        plan = plan_from_config(config)
        if not is_qc_asked(config):
            return passed("quality control", "Not asked for: images and a perfect simulated slide need none.")
        if not is_there(config.store.path):
            mark = qc_mark(None, now, config.qc.every_h)
        else:
            with Store.read_only(config.store.path) as store:
                last = QcHistory(store).last()
            mark = qc_mark(last, now, config.qc.every_h, planned_scale(plan, config).id)
    except (ApplianceError, ApplianceRefused, CalibrationRefused) as refused:
        return failed("quality control", str(refused), AGAIN)
    if mark is None:
        return passed("quality control", "The last one passed and holds.")
    do = "Count the control slide and record it: hemadiff count --qc, hemadiff qc record."
    blocks = config.qc.unmet == "block"
    return failed("quality control", mark, do) if blocks else warning("quality control", mark, do)
