"""How every engine stands on this box, as `hemadiff engines list` shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from appliance.config_engine import EngineSettings
from appliance.engines import standings, subject_of, why_absent
from appliance.plans import missing_plans
from models.engines.box import Asked
from models.engines.choice import choose
from models.engines.names import BEST_FIRST, EngineName
from models.engines.profiles import FieldSize
from models.engines.verified import Verification, find
from models.errors import ModelRefused

NEEDS_NONE = "needs none"


@dataclass(frozen=True, slots=True)
class Row:
    """An engine on this box. precision: TensorRT's.

    absent: why it cannot run here, empty where it can.  unbuilt: what it lacks of what has to be made for it, empty
    where it lacks nothing.  unverified: why it may not count, empty where it may.  at, measured, said: of its
    verification, where one is on record.  chosen: whether it counts under the settings.
    """

    engine: EngineName
    precision: str | None
    absent: str
    unbuilt: str
    unverified: str
    at: datetime | None
    measured: Mapping[str, float]
    said: tuple[str, ...]
    chosen: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """Every engine, the best first. why: why the one that counts does, or why none may."""

    rows: tuple[Row, ...]
    why: str


def list_engines(
    settings: EngineSettings, panel: str, weights: str, asked: Asked, fields: Sequence[FieldSize]
) -> Listing:
    """Return how every engine stands. weights: their digest.  fields: how large the detector sees the camera's."""
    found = standings(settings, weights, asked)
    try:
        choice = choose(settings.name, found)
        chosen, why = choice.name, choice.why
    except ModelRefused as refused:
        chosen, why = None, str(refused)
    rows = []
    for name in BEST_FIRST:
        absent = why_absent(name, asked)
        record = _record(name, settings, weights, asked)
        rows.append(
            Row(
                engine=name,
                precision=str(settings.precision) if name is EngineName.TENSORRT else None,
                absent=absent,
                unbuilt="" if absent else _unbuilt(name, settings, panel, asked, fields),
                unverified=found[name].unverified,
                at=record.at if record else None,
                measured=record.measured if record else {},
                said=record.said if record else (),
                chosen=name is chosen,
            )
        )
    return Listing(tuple(rows), why)


def _record(name: EngineName, settings: EngineSettings, weights: str, asked: Asked) -> Verification | None:
    if name is EngineName.ONNX or asked.box is None:
        return None
    return find(subject_of(name, settings, weights, asked.box), settings.cache)


def _unbuilt(
    name: EngineName, settings: EngineSettings, panel: str, asked: Asked, fields: Sequence[FieldSize]
) -> str:
    if name is not EngineName.TENSORRT or asked.box is None:
        return ""
    try:
        missing = missing_plans(settings, panel, asked.box, fields)
    except ModelRefused as refused:
        return str(refused)
    return f"no plan of {', '.join(missing)}" if missing else ""
