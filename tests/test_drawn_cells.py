"""Drawn cells look as published: size, nucleus to cytoplasm, colour, lobes."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest

from appliance.simulator.grain import Grain
from appliance.simulator.looks import LOOKS
from appliance.simulator.sprites import Sprite
from appliance.simulator.white_cells import DrawnCells

SEEN = 5


@cache
def cells() -> DrawnCells:
    return DrawnCells(1, Grain(np.random.default_rng(0)))


def sprites(label: str) -> list[Sprite]:
    return [cells().sprite(label, variant) for variant in range(SEEN)]


def nucleus(sprite: Sprite) -> np.ndarray:
    return np.asarray(sprite.light[..., 1] < 0.33)


def ratio(label: str) -> float:
    """The share of the cell that is nucleus."""
    return float(np.mean([nucleus(s).sum() / (s.light[..., 1] < 0.95).sum() for s in sprites(label)]))


def cytoplasm(label: str) -> np.ndarray:
    """The light that passes the cytoplasm, its median: red, green, blue."""
    light = np.concatenate([s.light[~nucleus(s) & (s.light[..., 1] < 0.93)] for s in sprites(label)])
    return np.asarray(np.median(light, axis=0))


@pytest.mark.parametrize("label", sorted(LOOKS))
def test_a_label_is_drawn_in_its_published_size(label: str) -> None:
    for variant, sprite in enumerate(sprites(label)):
        looks = LOOKS[label]
        low, high = looks[variant % len(looks)].diameter_um
        assert low <= 2 * sprite.radius_um <= high
        assert sprite.light.shape[0] * 0.1 > 2 * sprite.radius_um
        assert sprite.light[0].min() > 0.99


def test_the_same_seed_draws_the_same_cell() -> None:
    other = DrawnCells(1, Grain(np.random.default_rng(0)))

    assert np.array_equal(other.sprite("monocyte", 3).light, cells().sprite("monocyte", 3).light)


def test_the_nucleus_shrinks_as_a_granulocyte_ripens() -> None:
    ratios = [ratio(label) for label in ("myeloblast", "metamyelocyte", "band_neutrophil")]

    assert ratios == sorted(ratios, reverse=True)
    assert ratios[0] > 0.55


def test_the_nucleus_shrinks_and_the_blue_fades_as_an_erythroblast_ripens() -> None:
    stages = ("basophilic_normoblast", "polychromatic_normoblast", "orthochromatic_normoblast")
    red = [float(cytoplasm(label)[0]) for label in stages]
    ratios = [ratio(label) for label in stages]

    assert ratios == sorted(ratios, reverse=True)
    assert red == sorted(red)


def test_an_eosinophil_is_orange_where_a_neutrophil_is_pale() -> None:
    eosinophil, neutrophil = cytoplasm("eosinophil"), cytoplasm("segmented_neutrophil")

    assert eosinophil[0] > 1.2 * eosinophil[1]
    assert neutrophil[1] > 1.2 * eosinophil[1]


def test_a_lymphocyte_is_mostly_nucleus() -> None:
    assert ratio("lymphocyte") > 0.6


def test_a_segmented_nucleus_is_less_round_than_a_lymphocytes() -> None:
    def solidity(label: str) -> float:
        shares = []
        for sprite in sprites(label):
            mask = cv2.morphologyEx(
                nucleus(sprite).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)
            )
            points = np.argwhere(mask)[:, ::-1].astype(np.int32)
            shares.append(mask.sum() / cv2.contourArea(cv2.convexHull(points)))
        return float(np.mean(shares))

    assert solidity("segmented_neutrophil") < solidity("lymphocyte") - 0.1


def test_a_stamp_keeps_back_as_much_light_at_every_scale() -> None:
    sprite = cells().sprite("lymphocyte", 0)
    kept = [float((1 - sprite.stamp(scale)).sum()) * scale**2 for scale in (0.1, 0.25, 1.0, 4.0)]

    np.testing.assert_allclose(kept, kept[0], rtol=0.05)


def test_turning_and_mirroring_keep_a_cell_in_its_middle() -> None:
    sprite = cells().sprite("segmented_neutrophil", 1)
    stamp = sprite.stamp(0.1, turn_deg=37.0, flipped=True)
    y, x = np.indices(stamp.shape[:2])
    body = stamp[..., 1] < 0.9

    assert abs(x[body].mean() - (stamp.shape[1] - 1) / 2) < 4
    assert abs(y[body].mean() - (stamp.shape[0] - 1) / 2) < 4
