"""What shall be measured, from its first refusal to the calibration on record: by a command and by a page alike."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.calibrating.bench import Bench
from appliance.calibrating.pixel_size import RulerOnStage
from appliance.calibrating.steps import Known, Routine
from appliance.calibrating.whole import Author, Extent, Found
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.output_file import write_text
from appliance.servicing.lender import Lender
from appliance.servicing.routines import WHOLE, findings
from appliance.version import version
from calibration.errors import CalibrationRefused
from calibration.record import CalibrationRecord, digest_of
from calibration.record_json import to_json
from calibration.ruler import refuse_pitch
from calibration.setup import Setup

if TYPE_CHECKING:
    from appliance.config import Config

NOT_YET = "Counts use these once they stand in the settings, and not before."
"""Of what a routine found for the settings."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One routine, or all of them. name: of `NAMES`.  by: for whom it goes on record; None where nothing does."""

    config: Config
    name: str
    ruler: RulerOnStage = field(default_factory=RulerOnStage)
    extent: Extent = field(default_factory=Extent)
    by: str | None = None
    note: str = ""

    def refuse_before(self) -> None:
        """Refuse, before anything is measured, what would be refused when it is put on record."""
        refuse_pitch(self.ruler.pitch_um, self.ruler.pitch_uncertainty_um)
        if self.by is None:
            return
        if not self.by.strip():
            raise ApplianceRefused("A calibration says who made it. Give a name: --by NAME.")
        digest_of({"said": [self.by, self.note, self.ruler.serial, self.ruler.certificate]})

    def check(self, setup: Setup) -> None:
        """Refuse, before anything moves, where nothing can lend what is not measured.

        Raises CalibrationRefused: what gives no pixel size needs a calibration in force that has not expired.
        """
        if (lender := self._lender) is not None:
            lender.check(setup)

    def found(self, bench: Bench, known: Known, run: Callable[[Routine[Found]], Found]) -> Found:
        """Measure. known: where to begin.  run: carries the routine out; raises as it does.

        What goes on record is held against the pixel size in force.
        """
        last = self._last(bench.setup)
        begun = known if last is None else known.with_pixel(last.um_per_px)
        return run(findings(self.name, begun, self.ruler, self.extent))

    def record(self, bench: Bench, found: Found) -> CalibrationRecord:
        """Return the calibration that what was found makes, with all else of the one in force.

        Of what is in force now: somebody may have put another there in the meantime. Raises CalibrationRefused where
        they contradict each other.
        """
        days = self.config.calibration.valid_days
        author = Author(
            self.by or "", datetime.now(UTC), f"hemadiff {version()}", bench.firmware, days, self.note
        )
        return found.record(bench.setup, author, self._last(bench.setup))

    @property
    def _lender(self) -> Lender | None:
        return None if self.by is None or self.name == WHOLE else Lender(self.config, self.name)

    def _last(self, setup: Setup) -> CalibrationRecord | None:
        lender = self._lender
        return None if lender is None else lender.last(setup)


def put_on_record(config: Config, record: CalibrationRecord, ask: Callable[..., Any]) -> None:
    """Put a calibration on record. ask: of whoever has the store, as `service_desk.desk` gives it.

    Where that is refused or fails, it is kept in a file, and the sentence says where and how to go on.
    """
    try:
        ask("add_calibration", record=to_json(record))
    except (ApplianceRefused, ApplianceError, CalibrationRefused) as error:
        raise kept(config, record, error) from error


def kept(config: Config, record: CalibrationRecord, error: Exception) -> ApplianceRefused | ApplianceError:
    """Write a calibration beside the store, or wherever a file can be written, and return what to say of it.

    error: why it is not on record.
    """
    folders = [config.store.path.parent, Path.cwd(), Path.home(), Path(tempfile.gettempdir())]
    for folder in folders:
        path = folder / f"{record.id}.json"
        try:
            write_text(to_json(record), str(path))
        except ApplianceRefused as refusal:
            last = refusal
        else:
            said = f"{error} What was measured is kept in {path}: hemadiff calibrate import {path}."
            return (ApplianceError if isinstance(error, ApplianceError) else ApplianceRefused)(said)
    return last
