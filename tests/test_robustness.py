"""What an answer must not depend on: orientation, a small shift, the laboratory's colours, the laboratory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders_networks import brightness_network, write_cascade

from models.cascade import Cascade, load_cascades
from models.errors import ModelRefused
from models.evaluation import judge
from models.laboratories import SHARED, across, refuse_missing
from models.robustness import recoloured_crops, robustness

DARK, LIGHT = 60, 200


def crop(level: int, label: str, source: str) -> tuple[np.ndarray, str, str]:
    return np.full((106, 106, 3), level, np.uint8), label, source


def one_brighter_corner(label: str, source: str) -> tuple[np.ndarray, str, str]:
    image, _, _ = crop(DARK, label, source)
    image[80:, 80:] = 255
    return image, label, source


def cascades(folder: Path, outputs: dict[str, tuple[float, float]]) -> dict[str, Cascade]:
    brightness_network(folder, "cells", outputs)
    write_cascade(folder)
    return load_cascades("smear-13", folder)


def test_a_network_that_sees_brightness_alone_answers_alike_however_a_cell_lies(tmp_path: Path) -> None:
    network = cascades(tmp_path, {"monocyte": (40.0, -20.0), "basophil": (-40.0, 20.0)})
    crops = [crop(DARK, "basophil", "pbc"), crop(LIGHT, "monocyte", "mll")]
    result = robustness(network, crops, judge(network, crops))
    assert result.label_unchanged == result.cells_unchanged == 1
    assert result.accuracy == 1


def test_an_answer_that_a_shift_changes_is_counted_look_by_look_and_cell_by_cell(tmp_path: Path) -> None:
    crops = [one_brighter_corner("basophil", "pbc"), crop(LIGHT, "monocyte", "mll")]
    levels = [c[0][5:101, 5:101, 0].mean() / 255 for c in crops]
    network = cascades(
        tmp_path, {"monocyte": (4000.0, -4000 * levels[0] - 8), "basophil": (-4000.0, 4000 * levels[0] + 8)}
    )
    result = robustness(network, crops, judge(network, crops))
    assert result.cells_unchanged == 0.5
    assert 0.5 < result.label_unchanged < 1


def test_recoloured_crops_have_the_other_sources_mean_and_spread() -> None:
    random = np.random.default_rng(1)
    crops = [(random.integers(20, 90, (106, 106, 3), dtype=np.uint8), "monocyte", "pbc") for _ in range(3)]
    crops += [(random.integers(100, 250, (106, 106, 3), dtype=np.uint8), "monocyte", "mll") for _ in range(3)]
    new = list(recoloured_crops(crops))
    assert [(label, source) for _, label, source in new] == [("monocyte", "pbc")] * 3 + [
        ("monocyte", "mll")
    ] * 3
    blood, marrow = (
        np.stack([image for image, _, _ in new[:3]]),
        np.stack([image for image, _, _ in crops[3:]]),
    )
    assert blood.mean() == pytest.approx(marrow.mean(), abs=2)
    assert blood.std() == pytest.approx(marrow.std(), abs=2)


def test_a_network_that_goes_by_colour_loses_by_recolouring(tmp_path: Path) -> None:
    network = cascades(tmp_path, {"monocyte": (40.0, -20.0), "basophil": (-40.0, 20.0)})
    random = np.random.default_rng(1)
    crops = [(random.integers(20, 90, (106, 106, 3), dtype=np.uint8), "basophil", "pbc")]
    crops += [(random.integers(160, 250, (106, 106, 3), dtype=np.uint8), "monocyte", "mll")]
    assert robustness(network, crops, judge(network, crops)).recolouring_cost == 1


def test_across_laboratories_only_the_shared_labels_of_the_unseen_one_are_judged(tmp_path: Path) -> None:
    outputs = dict.fromkeys(SHARED, (0.0, -9.0)) | {"blast": (60.0, -28.0)}
    outputs |= {"monocyte": (40.0, -20.0), "lymphocyte": (-40.0, 20.0)}
    network = cascades(tmp_path, outputs)
    crops = [crop(LIGHT, "monocyte", "mll"), crop(DARK, "lymphocyte", "mll")]
    crops += [crop(DARK, "monocyte", "pbc"), crop(DARK, "blast", "mll")]
    result = across(network, crops, "mll")
    assert result.cells == 2
    assert result.recall["monocyte"] == result.recall["lymphocyte"] == 1
    assert result.macro_recall == 1  # of the labels that are there
    assert result.macro_recall_of_all == 0.5  # a blast, it says, where it may


def test_networks_that_are_not_there_are_named_with_the_command_that_makes_them(tmp_path: Path) -> None:
    with pytest.raises(
        ModelRefused,
        match=r"no cells-without-mll\.onnx in .*hemadiff-train cells --without mll --epochs 4 --refine 0 ",
    ):
        refuse_missing(tmp_path)
