"""What of each image a detector is told: where cells are, where none is, and what nobody knows."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from builders_data import small_data_set

pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'hemadiff[train]'")


from models.training.field_samples import SIDE_PX, cell_scenes, circle, field_scenes, mosaic, piece, sample


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_data_set(tmp_path_factory.mktemp("data"))


def test_in_a_single_cell_image_the_middle_is_known_and_no_radius(data: Path) -> None:
    scene = next(s for s in cell_scenes(data, "train", "pbc") if len(s.cells))
    assert scene.known[45, 45]
    assert math.isnan(scene.cells[0, 2])


def test_a_platelet_in_the_middle_teaches_that_there_is_no_white_cell(data: Path) -> None:
    platelets = [s for s in cell_scenes(data, "train", "pbc") if not len(s.cells)]
    assert platelets
    assert all(s.known[45, 45] for s in platelets)


def test_a_sample_marks_the_cell_where_it_is(data: Path) -> None:
    random = np.random.default_rng(0)
    for scene in field_scenes(data, "train"):
        for _ in range(20):
            learnt = sample(piece(scene, SIDE_PX, SIDE_PX, random))
            assert learnt.image.shape == (SIDE_PX, SIDE_PX, 3)
            for (row, column), (dx, dy) in zip(learnt.at, learnt.offset, strict=True):
                x, y = (column + 0.5 + dx) * 4, (row + 0.5 + dy) * 4
                if 1 <= x < SIDE_PX - 1 and 1 <= y < SIDE_PX - 1:
                    assert learnt.image[int(y), int(x)].max() < 200  # inside the dark disc
                assert learnt.heat[row, column] == 1


def test_a_mosaic_shows_cells_away_from_the_middle_of_its_tiles(data: Path) -> None:
    random = np.random.default_rng(0)
    wholes = [mosaic(cell_scenes(data, "train", "mll")[:4], random) for _ in range(20)]
    assert all(whole.image.shape == (SIDE_PX, SIDE_PX, 3) == (*whole.known.shape, 3) for whole in wholes)
    places = np.concatenate([whole.cells[:, :2] for whole in wholes])
    assert len(places) > 40
    assert places.std(axis=0).min() > 15
    for whole in wholes:
        assert all(whole.image[int(y), int(x)].max() < 200 for x, y, _ in whole.cells)


def test_where_nothing_is_stained_there_is_known_to_be_no_cell(data: Path) -> None:
    scene = next(s for s in cell_scenes(data, "train", "pbc") if len(s.cells))
    assert scene.known[5, 5]  # bare background
    assert not scene.known[45, 45 + 22]  # within 4 µm of the nucleus' border, and not its middle


def test_a_box_cut_by_the_border_is_completed_to_a_round_cell() -> None:
    from models.data import Box

    assert circle(Box("white", 0, 100, 50, 200), 640, 480) == (0.0, 150.0, 50.0)
    assert circle(Box("white", 100, 100, 200, 200), 640, 480) == (150.0, 150.0, 50.0)


def test_what_evaluation_takes_for_a_slip_of_the_annotator_is_not_trained_on(tmp_path: Path) -> None:
    folder = small_data_set(tmp_path)
    labels = folder / "fields" / "raabin" / "labels" / "train.txt"
    before = field_scenes(folder, "train")
    labels.write_text(labels.read_text() + "0 0.7 0.5 0.05 0.5\n")  # 32 px wide, 1.9 µm, and 240 high
    assert [len(s.cells) for s in field_scenes(folder, "train")] == [len(s.cells) for s in before]
    labels.write_text(labels.read_text() + "0 0.7 0.5 0.1 0.5\n")  # 64 px wide, 3.7 µm
    assert sum(len(s.cells) for s in field_scenes(folder, "train")) == 1 + sum(len(s.cells) for s in before)
