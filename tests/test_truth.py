"""A simulated run on record is compared with its own slide, made anew from its plan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders_smear import smear
from builders_store import SCALE, at, counted_run, plan

from appliance.errors import ApplianceRefused
from appliance.frame import Frame, Point
from appliance.simulator import truth as truth_module
from appliance.simulator.instrument import mixture_of
from appliance.simulator.mixture import LEFT_SHIFTED_BLOOD, MARROW_CHOI_10
from appliance.simulator.mount import Mount
from appliance.simulator.slide import TrueCell
from appliance.simulator.truth import truth_of_run
from appliance.store import Store
from appliance.tally import Tally
from models.cells import Cell, Detection, Opinion
from models.panel import Specimen, load_panel

SEAT = Mount(x_um=6_100.0, y_um=4_900.0)
LEFT_UM, TOP_UM = 3_600.0, 1_200.0
WIDTH_PX, HEIGHT_PX, UM_PER_PX = 6000, 4000, 0.1


@pytest.fixture(autouse=True)
def small_slide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth_module, "slide_on_its_mount", lambda *_: (smear(), SEAT))


def whole_cells() -> list[TrueCell]:
    """The countable cells of the field whose window lies in it for certain."""
    inside = smear().truth(LEFT_UM + 12, TOP_UM + 12, WIDTH_PX * UM_PER_PX - 24, HEIGHT_PX * UM_PER_PX - 24)
    return [cell for cell in inside if cell.countable]


def as_found(cell: TrueCell) -> Cell:
    probabilities = np.array([1.0], dtype=np.float32)
    opinion = Opinion(cell.label, 1.0, probabilities, cell.label, 1.0, probabilities, 1)
    x_um, y_um = cell.x_um + SEAT.x_um, cell.y_um + SEAT.y_um
    patch = np.zeros((4, 4, 3), dtype=np.uint8)
    return Cell(Detection(100.0, 100.0, cell.radius_um, 1.0), x_um, y_um, patch, opinion)


def simulated_run(path: Path, cells: Sequence[TrueCell], slide: str = smear().digest, **changes: Any) -> str:
    """A store with a simulated run of one field, in which these cells were found."""
    ordered = plan(camera="simulated:1", um_per_px=None, **changes)
    found = [as_found(cell) for cell in cells]
    pixels = np.broadcast_to(np.uint8(0), (HEIGHT_PX, WIDTH_PX, 3))
    corner = Point(LEFT_UM + SEAT.x_um, TOP_UM + SEAT.y_um)
    with Store(path) as store:
        store.create_run(
            "0123456789ab", ordered, SCALE, "CPU", "weights", True, 40, at(0), digest="fields",
            camera=f"simulated microscope, {slide}", outputs=("lymphocyte",),
        )  # fmt: skip
        tally = Tally(ordered.rules()).adding(cell.label for cell in cells)
        store.commit_field(
            "0123456789ab", Frame(0, "field 1", pixels, corner, 1, 1, None, SCALE.id), found, tally, at(1)
        )
    return "0123456789ab"


def test_a_run_that_found_every_cell_where_it_lies_was_perfect(tmp_path: Path) -> None:
    compared = truth_of_run(tmp_path / "s", simulated_run(tmp_path / "s", whole_cells()))

    assert compared.true_cells >= 20
    assert (compared.system_accuracy, compared.detection_precision, compared.counted_twice) == (1, 1, 0)


def test_a_run_that_missed_every_other_cell_is_half_as_good(tmp_path: Path) -> None:
    cells = whole_cells()
    compared = truth_of_run(tmp_path / "s", simulated_run(tmp_path / "s", cells[::2]))

    assert compared.detection_recall == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("merged", [False, True])
def test_a_count_in_the_slides_own_proportions_is_covered_row_by_row(tmp_path: Path, merged: bool) -> None:
    cells = [
        TrueCell(label, 0.0, 0.0, 5.0, False)
        for label, n in LEFT_SHIFTED_BLOOD.items()
        for _ in range(int(n))
    ]
    run = simulated_run(tmp_path / "s", cells, merge_band_and_segmented=merged)

    assert truth_of_run(tmp_path / "s", run).intervals_covering == 1


def test_nobody_knows_the_truth_of_a_run_that_was_not_simulated(tmp_path: Path) -> None:
    with pytest.raises(ApplianceRefused, match="not simulated"):
        truth_of_run(tmp_path / "s", counted_run(tmp_path / "s"))


def test_a_run_whose_slide_would_be_drawn_otherwise_now_is_not_compared(tmp_path: Path) -> None:
    run = simulated_run(tmp_path / "s", whole_cells(), slide="simulated smear 1 of an earlier version")

    with pytest.raises(ApplianceRefused, match="cannot be drawn again"):
        truth_of_run(tmp_path / "s", run)


def test_a_marrow_smear_holds_cells_of_the_panel_that_is_counted() -> None:
    assert mixture_of(Specimen.MARROW, panel="marrow-choi-10").shares == MARROW_CHOI_10
    assert set(mixture_of(Specimen.MARROW).shares) <= set(load_panel("smear-13").names)
