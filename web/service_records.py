"""What the service pages show of the records: calibrations with their history, quality control, backups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from appliance.backup import backups, made_at
from appliance.calibrations import Calibrations, Held
from appliance.doctor.records import BACKUPS
from appliance.errors import ApplianceRefused
from appliance.marks import is_qc_asked, mark_of_qc
from appliance.qc_history import QcHistory
from appliance.servicing.pixel_size_chart import pixel_size_chart
from appliance.store import Store
from appliance.store_place import is_there
from calibration.record import CalibrationRecord

if TYPE_CHECKING:
    from appliance.config import Config


@dataclass(frozen=True, slots=True)
class OfSetup:
    """The calibrations of one setup, the newest first. used: the one in force; None where none is."""

    title: str
    held: Sequence[Held]
    used: CalibrationRecord | None
    expired: bool

    @property
    def chart(self) -> Markup:
        """Their pixel sizes."""
        return Markup(pixel_size_chart(self.held))


@dataclass(frozen=True, slots=True)
class Quality:
    """The daily control. mark: what the next results will say; None while it passed and holds, or is not asked."""

    controls: int
    mark: str | None
    asked: bool


@dataclass(frozen=True, slots=True)
class BackupFile:
    """A backup on this machine's disk. size: bytes."""

    path: Path
    at: datetime
    size: int


def calibrations(store: Store, now: datetime) -> list[OfSetup]:
    """Return the setups that have calibrations, that of the newest first."""
    by_setup: dict[str, list[Held]] = {}
    for held in Calibrations(store).all():
        by_setup.setdefault(str(held.record.setup), []).append(held)
    return [_of_setup(title, held, now) for title, held in by_setup.items()]


def quality(config: Config, store: Store, now: datetime) -> Quality:
    """Return how the daily control stands."""
    return Quality(len(QcHistory(store).all()), mark_of_qc(config, store, now), is_qc_asked(config))


def kept_backups(folder: Path = BACKUPS) -> list[BackupFile]:
    """Return the backups in the timer's folder, the newest first; none where this user may not look."""
    found = []
    for path in backups(folder):
        try:
            found.append(BackupFile(path, made_at(path), path.stat().st_size))
        except OSError:
            continue
    return found


def opened(config: Config) -> Store | None:
    """Open the store to read it; None where there is none yet, or it cannot be read."""
    if not is_there(config.store.path):
        return None
    try:
        return Store.read_only(config.store.path)
    except ApplianceRefused:
        return None


def _of_setup(title: str, held: list[Held], now: datetime) -> OfSetup:
    used = next((each.record for each in held if each.in_force), None)
    return OfSetup(title, held, used, used is not None and used.expired(now or datetime.now(UTC)))
