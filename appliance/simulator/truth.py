"""The truth of a run on record: its slide is made anew from its plan, and the count compared with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from appliance.camera_source import SimulatedSource, parse_camera
from appliance.errors import ApplianceRefused
from appliance.plan import Plan
from appliance.simulator.comparison import Comparison, CountedField, FoundCell, compare
from appliance.simulator.instrument import mixture_of, slide_on_its_mount
from appliance.simulator.mixture import Mixture
from appliance.store import Store
from models.card import read_card
from models.panel import UNIDENTIFIED


def truth_of_run(store: Path, run_id: str) -> Comparison:
    """Compare a simulated run with its slide. Raises ApplianceRefused for a run of another camera."""
    with Store.read_only(store) as opened:
        record = opened.run(run_id)
        source = parse_camera(record.plan.camera)
        if not isinstance(source, SimulatedSource):
            raise ApplianceRefused(f"The run {record.id} was not simulated: nobody knows its truth.")
        tally = opened.tally(record.id)
        places, cells = opened.places(record.id), opened.cells(record.id)
    mixture = _mixture(record.plan)
    slide, mount = slide_on_its_mount(source.seed, mixture)
    um_per_px = record.scale.um_per_px
    fields = []
    truth = []
    for x_um, y_um, width, height in places:
        left, top = x_um - mount.x_um, y_um - mount.y_um
        fields.append(CountedField(left, top, width * um_per_px, height * um_per_px))
        truth += slide.truth(left, top, width * um_per_px, height * um_per_px)
    counted = {label.name for label in tally.rules.counted}
    found = [
        FoundCell(cell.x_um - mount.x_um, cell.y_um - mount.y_um, cell.label, cell.label in counted)
        for cell in cells
        if cell.label is not None
    ]
    limits = {row.label: (row.low, row.high) for row in tally.rows if row.label != UNIDENTIFIED}
    return compare(fields, found, truth, _window_um(), limits, _percent(mixture, tuple(limits)))


def _mixture(plan: Plan) -> Mixture:
    return mixture_of(plan.specimen, None if plan.cells is None else Path(plan.cells))


def _percent(mixture: Mixture, labels: tuple[str, ...]) -> Mapping[str, float]:
    """The slide's own percentages of the labels of a differential."""
    whole = sum(mixture.shares.get(label, 0.0) for label in labels)
    return {label: 100 * mixture.shares.get(label, 0.0) / whole for label in labels}


def _window_um() -> float:
    card = read_card("cells")
    return card.setting("patch_px") * card.um_per_px
