"""A routine that a page asked for, from what is known to a calibration on record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from appliance.calibrating.bench import Bench
from appliance.calibrating.pixel_size import RulerOnStage
from appliance.calibrating.steps import Routine
from appliance.calibrating.whole import Author, Found
from appliance.channel_client import InstrumentClient
from appliance.errors import ApplianceRefused
from appliance.servicing.lender import Lender
from appliance.servicing.routines import WHOLE, findings
from appliance.servicing.session import Verdict, from_here
from appliance.version import version
from calibration.record import CalibrationRecord
from calibration.record_json import to_json
from firmware_bridge.point import Point

if TYPE_CHECKING:
    from appliance.config import Config

PITCH_UM = (0.1, 10_000.0)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for. by: a login name.  here: whether to begin where the stage stands."""

    name: str
    by: str
    ruler: RulerOnStage
    note: str
    here: bool


def measure(
    config: Config, asked: Asked, bench: Bench, here: Point, run: Callable[[Routine[Found]], Found]
) -> Verdict:
    """Carry a routine out and put what it found on record; it is in force only once a person says so.

    Raises what the routine refused with, and CalibrationRefused where nothing can lend it what it does not measure.
    """
    known = from_here(bench.known, here) if asked.here else bench.known
    lender = None if asked.name == WHOLE else Lender(config, asked.name)
    last: CalibrationRecord | None = None
    if lender is not None:
        lender.check(bench.setup)
        last = lender.last(bench.setup)
    found = run(
        findings(asked.name, known if last is None else known.with_pixel(last.um_per_px), asked.ruler)
    )
    author = Author(
        asked.by,
        datetime.now(UTC),
        f"hemadiff {version()}",
        bench.firmware,
        config.calibration.valid_days,
        asked.note,
    )
    # Of what is in force now: somebody may have put another there in the meantime.
    record = found.record(bench.setup, author, None if lender is None else lender.last(bench.setup))
    InstrumentClient(config.socket_path).ask("add_calibration", record=to_json(record))
    said = tuple(sentence for each in found.findings.values() for sentence in each.said)
    return Verdict(asked.name, True, said, found.settings, record.id)


def ruler_of(said: Mapping[str, Any]) -> RulerOnStage:
    """Return the ruler that a form describes. Raises ApplianceRefused for one that there cannot be."""
    pitch, uncertainty = said.get("pitch_um", 10.0), said.get("pitch_uncertainty_um", 0.0)
    numbers = [
        each for each in (pitch, uncertainty) if isinstance(each, int | float) and not isinstance(each, bool)
    ]
    if len(numbers) < 2 or not (PITCH_UM[0] <= pitch <= PITCH_UM[1] and 0 <= uncertainty < pitch):
        raise ApplianceRefused(
            f"A ruler's lines are {PITCH_UM[0]:g} to {PITCH_UM[1]:g} µm apart, known to less than that. Correct them."
        )
    texts = {name: str(said.get(name, ""))[:200] for name in ("serial", "certificate")}
    return RulerOnStage(
        float(pitch), said.get("grid") is True, **texts, pitch_uncertainty_um=float(uncertainty)
    )
