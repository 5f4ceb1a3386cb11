"""Where a network looks, and how it describes a cell, on networks and patches where that is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders_networks import brightness_network
from builders_report import BLUE, GREEN, RED, colour_network, spot

from models.attention import FeatureNetwork
from models.card import BUNDLED, read_card
from models.crops import cells_of_split
from models.engines.onnx_engine import OnnxEngine
from models.errors import ModelRefused
from models.resample import window

WEIGHTS = {"red": (8.0, 0.0, -8.0), "green": (0.0, 8.0, 0.0)}


def network(folder: Path) -> FeatureNetwork:
    colour_network(folder, "cells", WEIGHTS)
    return FeatureNetwork(read_card("cells", folder))


def test_a_cell_is_described_by_what_the_linear_layer_sees(tmp_path: Path) -> None:
    found = network(tmp_path)
    patches = np.stack([spot(RED), spot(GREEN, 20, 70), spot(BLUE)])
    features = found.features(patches)
    assert features.shape == (3, found.width) == (3, 3)
    assert features.argmax(axis=1).tolist() == [0, 1, 2]
    scores = OnnxEngine(tmp_path / "cells.onnx").run(patches)
    np.testing.assert_allclose(features @ np.array(list(WEIGHTS.values())).T, scores, rtol=1e-5)


def test_more_cells_than_a_batch_and_none_at_all_are_described(tmp_path: Path) -> None:
    found = network(tmp_path)
    assert found.features(np.stack([spot()] * 70)).shape == (70, 3)
    assert found.features(np.empty((0, 96, 96, 3), np.uint8)).shape == (0, 3)


def test_what_speaks_for_a_label_is_lit_and_what_speaks_against_it_is_not(tmp_path: Path) -> None:
    found = network(tmp_path)
    red, green, none = found.attention(
        np.stack([spot(RED, 24, 72), spot(GREEN, 24, 72), spot(BLUE)]), ["red", "green", "red"]
    )
    for lit in (red, green):
        row, column = np.unravel_index(lit.argmax(), lit.shape)
        assert row in (4, 5)
        assert column in (0, 1)
    assert not none.any()


def test_the_light_lies_on_the_cell_and_not_beside_it(tmp_path: Path) -> None:
    lit = network(tmp_path).attention(spot()[None], ["red"])[0]
    np.testing.assert_allclose(lit, lit[::-1], atol=1e-5)
    np.testing.assert_allclose(lit, lit.T, atol=1e-5)


def test_a_turned_cell_is_lit_in_the_same_places(tmp_path: Path) -> None:
    found = network(tmp_path)
    upright = found.attention(spot(RED, 20, 60)[None], ["red"])[0]
    turned = found.attention(np.rot90(spot(RED, 20, 60))[None], ["red"])[0]
    np.testing.assert_allclose(np.rot90(upright), turned, atol=1e-5)


def test_a_network_that_ends_otherwise_is_refused_in_a_sentence(tmp_path: Path) -> None:
    brightness_network(tmp_path, "cells", {"red": (1.0, 0.0)})
    with pytest.raises(ModelRefused, match=r"cells\.onnx does not end in an average over the picture"):
        FeatureNetwork(read_card("cells", tmp_path))


def test_the_bundled_network_with_the_finest_map_looks_at_the_cell_in_the_middle(real_images: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed: pip install 'hemadiff[report]'")
    found = FeatureNetwork(read_card("cells-residual", BUNDLED))
    crops = [crop for crop, _ in zip(cells_of_split(real_images, "val"), range(400), strict=False)][::16]
    patches = np.stack([window(image, 53, 53, 96) for image, _, _ in crops])
    lit = found.attention(patches, [label for _, label, _ in crops]).mean(axis=0)
    assert found.features(patches).shape == (len(crops), found.width)
    assert found.squares == 6
    assert lit[1:5, 1:5].mean() > 2 * np.concatenate([lit[0], lit[-1], lit[1:5, 0], lit[1:5, -1]]).mean()
