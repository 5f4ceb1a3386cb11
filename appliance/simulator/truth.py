"""The truth of a run on record: its slide is made anew from its plan, and the count compared with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.camera_source import SimulatedSource, parse_camera
from appliance.errors import ApplianceRefused
from appliance.plan import Plan
from appliance.rules import Rules
from appliance.simulator.askew import STRAIGHT
from appliance.simulator.comparison import Comparison, CountedField, FoundCell, Named, compare, named
from appliance.simulator.imperfect import Imperfect
from appliance.simulator.instrument import SMEAR, mixture_of, slide_on_its_mount
from appliance.simulator.mixture import Mixture
from appliance.simulator.mount import Mount
from appliance.simulator.slide import TrueCell
from appliance.store import Store
from firmware_bridge.point import Point
from models.card import read_card


@dataclass(frozen=True, slots=True)
class Evidence:
    """A simulated run beside its slide. Places are the slide's, µm.

    truth: everything in the counted fields.  window_um: the side of a cell's window.
    limits: the 95 % limits (%) of each label of the differential.  true_percent: the slide's own.
    """

    fields: tuple[CountedField, ...]
    found: tuple[FoundCell, ...]
    truth: tuple[TrueCell, ...]
    window_um: float
    limits: Mapping[str, tuple[float, float]]
    true_percent: Mapping[str, float]

    def comparison(self) -> Comparison:
        """Return what the count was worth."""
        return compare(self.fields, self.found, self.truth, self.window_um, self.limits, self.true_percent)

    def named(self) -> list[Named]:
        """Return what became of every true cell."""
        return named(self.fields, self.found, self.truth, self.window_um)


def truth_of_run(
    store: Path, run_id: str, slide_name: str = SMEAR, imperfect: Imperfect | None = None
) -> Comparison:
    """Compare a simulated run with its slide. Raises ApplianceRefused for a run of another camera."""
    return evidence_of_run(store, run_id, slide_name, imperfect).comparison()


def evidence_of_run(
    store: Path, run_id: str, slide_name: str = SMEAR, imperfect: Imperfect | None = None
) -> Evidence:
    """Make the slide of a run on record anew. imperfect: what is wrong with the instrument that counted it.

    Places are then along its pictures' axes, in which fields are rectangles.

    Raises ApplianceRefused for a run of another camera, and where another slide would be drawn now.
    """
    with Store.read_only(store) as opened:
        record = opened.run(run_id)
        source = parse_camera(record.plan.camera)
        if not isinstance(source, SimulatedSource):
            raise ApplianceRefused(f"The run {record.id} was not simulated: nobody knows its truth.")
        tally = opened.tally(record.id)
        places, cells = opened.places(record.id), opened.cells(record.id)
    mixture = _mixture(record.plan)
    seat = STRAIGHT if imperfect is None else imperfect.seat
    slide, mount = slide_on_its_mount(source.seed, mixture, slide_name, seat)
    if (slide.digest not in record.camera) if imperfect is None else record.camera != imperfect.name:
        raise ApplianceRefused(
            f"The slide of the run {record.id} cannot be drawn again: this version or its folder of cells draws "
            "another. Count it anew."
        )
    um_per_px = record.scale.um_per_px
    fields = []
    truth = []
    for x_um, y_um, width, height in places:
        left, top = _seen(x_um, y_um, mount, imperfect)
        fields.append(CountedField(left, top, width * um_per_px, height * um_per_px))
        truth += slide.truth(left, top, width * um_per_px, height * um_per_px)
    counted = {label.name for label in tally.rules.counted}
    found = [
        FoundCell(*_seen(cell.x_um, cell.y_um, mount, imperfect), cell.label, cell.label in counted)
        for cell in cells
        if cell.label is not None
    ]
    limits = {row.label: (row.low, row.high) for row in tally.rows}
    return Evidence(
        tuple(fields), tuple(found), tuple(truth), _window_um(), limits, _percent(mixture, tally.rules)
    )


def _seen(x_um: float, y_um: float, mount: Mount, imperfect: Imperfect | None) -> tuple[float, float]:
    """A place that the stage was told, on the slide along the picture's axes."""
    told = Point(x_um, y_um)
    return mount.slide_place(told if imperfect is None else imperfect.goes_to(told))


def _mixture(plan: Plan) -> Mixture:
    return mixture_of(plan.specimen, None if plan.cells is None else Path(plan.cells), plan.panel)


def _percent(mixture: Mixture, rules: Rules) -> Mapping[str, float]:
    """The slide's own percentages of the labels of a differential, and of a row that merges two."""
    whole = sum(mixture.shares.get(label.name, 0.0) for label in rules.counted)
    percent = {label.name: 100 * mixture.shares.get(label.name, 0.0) / whole for label in rules.counted}
    merged = rules.panel.merged
    if merged is not None:
        percent[merged.name] = sum(percent.get(member, 0.0) for member in merged.members)
    return percent


def _window_um() -> float:
    card = read_card("cells")
    return card.setting("patch_px") * card.um_per_px
