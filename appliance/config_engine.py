"""The settings of what runs the networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from appliance.config_section import Section, WholePath
from models.engines.names import EngineName, EnginePrecision

CACHE = "engines"  # beside the store


class EngineSection(Section):
    """What runs the networks. name: auto takes the best that was verified on this box.

    precision: of TensorRT's plans.  cache: where plans and verifications are kept; unset puts it beside the store.
    """

    name: EngineName = EngineName.AUTO
    precision: EnginePrecision = EnginePrecision.FP16
    cache: WholePath | None = None


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """The same, settled. cache: a folder that need not exist yet."""

    name: EngineName
    precision: EnginePrecision
    cache: Path


def settled(section: EngineSection, store: Path) -> EngineSettings:
    """Return the settings of an engine. store: the path of the store."""
    return EngineSettings(section.name, section.precision, section.cache or store.parent / CACHE)
