"""Real cells in a simulated smear: cut out alone, at the slide's scale, from images that no network learnt from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders_smear import CYTOPLASM, GROUND, NUCLEUS, cells_folder, fresh_smear, photograph

from appliance.errors import ApplianceRefused
from appliance.simulator.cutting import HALO_UM, CutOut, NotCut, bright_ground, cut_out
from appliance.simulator.mixture import Mixture, blood
from appliance.simulator.slide import TrueCell
from appliance.simulator.smear import Smear


def middle(cut: CutOut) -> np.ndarray:
    side = cut.light.shape[0]
    return np.asarray(cut.light[side // 2, side // 2])


def only(label: str, folder: Path) -> Mixture:
    return blood(shares={label: 1.0}, cells=folder, smudged=0.0, clustered=0.0, bubbles=0, clots=0)


def some_cells(slide: Smear) -> list[TrueCell]:
    return [c for c in slide.truth(3000, 800, 900, 900) if c.label not in ("platelet", "artefact")]


@pytest.mark.parametrize("um_per_px", [0.10, 0.086])
def test_a_cell_is_cut_out_in_its_own_size(um_per_px: float) -> None:
    cut = cut_out(photograph(cell_um=6.0, um_per_px=um_per_px), um_per_px)

    assert cut.radius_um == pytest.approx(6.0, rel=0.08)
    assert (cut.light[..., 1] < 0.4).sum() * 0.01 == pytest.approx(np.pi * 3.5**2, rel=0.08)


def test_it_passes_as_much_light_as_in_the_photograph() -> None:
    cut = cut_out(photograph(), 0.10)

    np.testing.assert_allclose(middle(cut), np.array(NUCLEUS) / GROUND, atol=0.02)
    np.testing.assert_allclose(
        cut.light[cut.light.shape[0] // 2, cut.light.shape[1] // 2 + 48],
        np.array(CYTOPLASM) / GROUND,
        atol=0.03,
    )


def test_beside_it_all_light_passes() -> None:
    cut = cut_out(photograph(), 0.10)
    side = cut.light.shape[0]
    y, x = np.indices((side, side)) - (side - 1) / 2

    assert cut.light[np.hypot(x, y) * 0.1 > 6.0 + HALO_UM + 0.8].min() > 0.97


def test_a_neighbour_is_not_shown() -> None:
    alone, beside = cut_out(photograph(), 0.10), cut_out(photograph(neighbour=True), 0.10)

    nuclear = [(cut.light[..., 1] < 0.4).sum() for cut in (alone, beside)]

    assert nuclear[1] == pytest.approx(nuclear[0], rel=0.05)
    assert beside.light[: beside.light.shape[0] // 2 - 75].min() > 0.9
    assert beside.radius_um == pytest.approx(alone.radius_um, rel=0.1)


def test_no_slice_of_a_red_cell_comes_with_it() -> None:
    light = cut_out(photograph(), 0.10).light
    y, x = np.indices(light.shape[:2]) - (light.shape[0] - 1) / 2
    around = (np.hypot(x, y) * 0.1 > 7.0) & (np.hypot(x, y) * 0.1 < 8.0)

    assert light[around].min() > 0.95


def test_a_cell_beside_the_middle_comes_out_centred() -> None:
    cut = cut_out(photograph(off_um=(1.5, -1.0)), 0.10)

    np.testing.assert_allclose(middle(cut), np.array(NUCLEUS) / GROUND, atol=0.03)


def test_a_picture_without_a_cell_in_its_middle_is_not_cut() -> None:
    with pytest.raises(NotCut, match="no nucleus"):
        cut_out(photograph(off_um=(9.0, 0.0)), 0.10)


def test_a_cell_that_leaves_its_picture_is_not_cut() -> None:
    with pytest.raises(NotCut, match="leaves"):
        cut_out(photograph(off_um=(0.0, 4.0), side=160, nucleus_um=5.0), 0.10)


def test_a_cell_that_touches_the_border_of_its_picture_is_not_cut() -> None:
    with pytest.raises(NotCut, match="leaves"):
        cut_out(photograph(side=116), 0.10)


def test_the_ground_is_the_colour_of_empty_glass() -> None:
    np.testing.assert_allclose(bright_ground(photograph()), GROUND, atol=2)


def test_the_truth_says_the_label_and_the_image(tmp_path: Path) -> None:
    folder = cells_folder(tmp_path, {("monocyte", "test", "a.png"): photograph()})

    found = some_cells(fresh_smear(mixture=only("monocyte", folder)))

    assert found
    assert {(c.label, c.source) for c in found} == {("monocyte", "cells/pbc/monocyte/a.png")}
    assert found[0].radius_um == pytest.approx(6.0, rel=0.08)


def test_a_blended_cell_is_seen_where_the_truth_says(tmp_path: Path) -> None:
    folder = cells_folder(tmp_path, {("monocyte", "test", "a.png"): photograph()})
    slide = fresh_smear(mixture=only("monocyte", folder))

    for cell in some_cells(slide)[:5]:
        light = slide.light(cell.x_um - 1, cell.y_um - 1, 20, 20, 0.1).mean(axis=(0, 1))
        np.testing.assert_allclose(light, np.array(NUCLEUS) / GROUND, atol=0.06)


def test_only_images_of_the_test_split_are_used(tmp_path: Path) -> None:
    folder = cells_folder(
        tmp_path,
        {
            ("monocyte", "train", "a.png"): photograph(),
            ("monocyte", "val", "b.png"): photograph(),
            ("monocyte", "test", "c.png"): photograph(),
        },
    )

    sources = {c.source for c in some_cells(fresh_smear(mixture=only("monocyte", folder)))}

    assert sources == {"cells/pbc/monocyte/c.png"}


def test_an_image_that_cannot_be_cut_hands_over_to_the_next(tmp_path: Path) -> None:
    folder = cells_folder(
        tmp_path,
        {
            ("monocyte", "test", "a.png"): photograph(off_um=(9.0, 0.0)),
            ("monocyte", "test", "b.png"): photograph(),
        },
    )

    sources = {c.source for c in some_cells(fresh_smear(mixture=only("monocyte", folder)))}

    assert sources == {"cells/pbc/monocyte/b.png"}


def test_a_label_without_images_is_refused(tmp_path: Path) -> None:
    folder = cells_folder(tmp_path, {("monocyte", "test", "a.png"): photograph()})

    with pytest.raises(ApplianceRefused, match="basophil"):
        fresh_smear(mixture=only("basophil", folder))


def test_a_folder_without_a_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ApplianceRefused, match=r"cells\.csv"):
        fresh_smear(mixture=only("monocyte", tmp_path))
