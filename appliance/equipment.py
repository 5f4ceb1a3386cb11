"""What a run needs to go on, and how it is got: a source of fields and an analyser that fit each other and the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from appliance.calibrations import Calibrations
from appliance.config_engine import EngineSettings
from appliance.correction import corrected
from appliance.expected_frames import FrameSize
from appliance.field_source import FieldSource
from appliance.frame import Analyser
from appliance.plan import Plan
from appliance.store import Store
from calibration import Scale
from calibration.record import CalibrationRecord, is_record_id

LoadAnalyser = Callable[[str, str, str], Analyser]
"""Loads and warms the analyser of a detector, a panel and a specimen."""

OpenSource = Callable[[Plan], FieldSource]


@dataclass(frozen=True)
class Equipment:
    """What a run needs to go on: where its fields come from, and who finds the cells in them."""

    source: FieldSource
    analyser: Analyser


def network_analysers(
    engine: EngineSettings, frames: Callable[[], FrameSize | None] = lambda: None
) -> LoadAnalyser:
    """Return what loads the bundled networks on the engine of the settings.

    frames: says what the settings' camera gives, for an engine that is made ready for it.
    """

    def load(detector: str, panel: str, specimen: str) -> Analyser:
        # It takes long enough to leave it until they are needed.
        from appliance.network_analyser import load_analyser

        return load_analyser(detector, panel, specimen, engine, frames)

    return load


def load_network_analyser(detector: str, panel: str, specimen: str) -> Analyser:
    """Load the bundled networks on the processor."""
    from appliance.network_analyser import load_analyser

    return load_analyser(detector, panel, specimen)


class Equipper:
    """Opens sources of fields, and loads each analyser once."""

    def __init__(self, load_analyser: LoadAnalyser, open_source: OpenSource) -> None:
        self._load_analyser = load_analyser
        self._open_source = open_source
        self._analysers: dict[tuple[str, str, str], Analyser] = {}

    @property
    def latest(self) -> Analyser | None:
        """The analyser that was loaded last; None before the first."""
        return next(reversed(self._analysers.values()), None)

    def analyser(self, plan: Plan) -> Analyser:
        """Return the analyser of a plan. Raises ModelRefused where there is none."""
        which = plan.detector, plan.panel, plan.specimen
        if which not in self._analysers:
            self._analysers[which] = self._load_analyser(*which)
        return self._analysers[which]

    def equip(self, plan: Plan, store: Store) -> Equipment:
        """Open the source of fields and load the analyser. Raises where they do not fit the plan or each other.

        store: has the calibrations that were measured.
        """
        analyser = self.analyser(plan)
        source = self._open_source(plan)
        with closing_on_error(source):
            analyser.check(source.scale)
            analyser = corrected(analyser, measured(source.scale, store))
        return Equipment(source, analyser)


@contextmanager
def closing_on_error(source: FieldSource) -> Iterator[None]:
    """Close a source of fields that comes to no run."""
    try:
        yield
    except BaseException:
        source.close()
        raise


def measured(scale: Scale, store: Store) -> CalibrationRecord | None:
    """Return the calibration on record that a scale is of; None for one that somebody states."""
    return Calibrations(store).get(scale.id).record if is_record_id(scale.id) else None
