"""The networks find and name the same cells in a field that the front end made as in the frame itself."""

from __future__ import annotations

import numpy as np
import pytest
from builders_gpu import Pixels, field_of, flat_field_of_size, front_end, optics
from builders_smear import photograph
from standin_pycuda import EngineOnStandIn, StandInDriver

from calibration.flat_field import FlatField
from models.cascade import Cascade, load_cascade
from models.detector import NetworkDetector

UM_PER_PX = 0.1


def four_cells() -> Pixels:
    cells = [photograph(nucleus_um=n, cell_um=c) for n, c in ((3.5, 6.0), (4.5, 6.5), (2.5, 5.0), (3.0, 7.0))]
    return np.vstack([np.hstack(cells[:2]), np.hstack(cells[2:])])


@pytest.fixture(scope="module")
def on_cpu() -> tuple[NetworkDetector, Cascade]:
    return NetworkDetector(), load_cascade("smear-13", "blood").looking_always()


@pytest.fixture(scope="module")
def on_gpu() -> tuple[NetworkDetector, Cascade]:
    cascade = load_cascade("smear-13", "blood", open_engine=EngineOnStandIn)
    return NetworkDetector(open_engine=EngineOnStandIn), cascade.looking_always()


@pytest.mark.parametrize("flat_field", [None, flat_field_of_size(720, 720, 2.0)], ids=["plain", "corrected"])
def test_every_cell_is_found_named_and_kept_alike(
    on_cpu: tuple[NetworkDetector, Cascade],
    on_gpu: tuple[NetworkDetector, Cascade],
    flat_field: FlatField | None,
) -> None:
    frame = four_cells()
    even = frame if flat_field is None else flat_field.apply(frame)
    expected = on_cpu[0].detect(even, UM_PER_PX)
    field = field_of(front_end(StandInDriver(), optics(720, 720, UM_PER_PX), flat_field), frame)
    found = on_gpu[0].detect_in(field.batch, field.shrunk)
    assert len(found) >= 4
    assert found == expected

    across, down = field.picture.width / 720, field.picture.height / 720
    answers = on_gpu[1].examine_in(field.picture, [(d.x * across, d.y * down) for d in found])
    theirs = on_cpu[1].examine(even, UM_PER_PX, [(d.x, d.y) for d in found])
    assert [answer is None for answer in answers] == [answer is None for answer in theirs]
    for (patch, opinion), (same_patch, same_opinion) in zip(
        filter(None, answers), filter(None, theirs), strict=True
    ):
        assert np.array_equal(patch, same_patch)
        assert opinion.label == same_opinion.label
        assert np.array_equal(opinion.probabilities, same_opinion.probabilities)
