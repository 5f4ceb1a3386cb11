"""One field of a drawn marrow, seen by the networks that count and compared with what lies on it."""

from __future__ import annotations

import numpy as np
from builders_smear import marrow_smear

from appliance.frame import Frame, Point
from appliance.network_analyser import load_analyser
from appliance.simulator.comparison import Comparison, CountedField, FoundCell, compare
from calibration import Scale
from models.panel import Specimen, load_panel

WIDTH_PX, HEIGHT_PX, UM_PER_PX = 1388, 1040, 0.1
WIDTH_UM, HEIGHT_UM = WIDTH_PX * UM_PER_PX, HEIGHT_PX * UM_PER_PX


def crowded_field() -> CountedField:
    """The field of a small marrow with most cells that a person would count."""
    slide = marrow_smear()
    places = [(x, y) for x in range(1000, 5000, 250) for y in range(500, 2400, 200)]

    def countable(place: tuple[int, int]) -> int:
        return sum(cell.countable for cell in slide.truth(*place, WIDTH_UM, HEIGHT_UM))

    x_um, y_um = max(places, key=countable)
    return CountedField(float(x_um), float(y_um), WIDTH_UM, HEIGHT_UM)


def counted(field: CountedField) -> Comparison:
    slide, scale = marrow_smear(), Scale.stated(UM_PER_PX, "test")
    light = slide.light(field.x_um, field.y_um, WIDTH_PX, HEIGHT_PX, UM_PER_PX)
    frame = Frame(
        index=0, name="field", pixels=np.clip(light * 240, 0, 255).astype(np.uint8),
        position=Point(field.x_um, field.y_um), exposure_start_ns=0, exposure_us=10_000, gain=1.0,
        calibration_id=scale.id,
    )  # fmt: skip
    labels = {label.name for label in load_panel("smear-13").labels if label.counted}
    cells = load_analyser("network", "smear-13", Specimen.MARROW).analyse(frame, scale)
    found = [
        FoundCell(cell.x_um, cell.y_um, cell.opinion.label, cell.opinion.label in labels)
        for cell in cells
        if cell.opinion is not None
    ]
    truth = slide.truth(field.x_um, field.y_um, WIDTH_UM, HEIGHT_UM)
    return compare([field], found, truth, 19.2, {}, {})


def test_a_crowded_field_is_counted_whole_and_once() -> None:
    result = counted(crowded_field())

    assert result.true_cells >= 10
    assert result.detection_recall >= 0.9
    assert result.counted_twice == 0
    assert result.system_accuracy >= 0.7
