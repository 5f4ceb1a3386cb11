"""A simulated smear: always the same, known to the last cell, and the same from near and from afar."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import pytest
from builders_smear import HEIGHT_UM, WIDTH_UM, fresh_smear, marrow_smear, smear
from scipy.spatial import cKDTree

from appliance.errors import ApplianceRefused
from appliance.simulator import smear as smear_module
from appliance.simulator.mixture import LEFT_SHIFTED_BLOOD, MARROW_CHOI_10, blood
from appliance.simulator.slide import NOT_COUNTED, Slide, TrueCell
from appliance.simulator.smear import Smear
from appliance.simulator.sprites import put
from models.panel import load_panel

THICK, MONOLAYER, FEATHER, GLASS = (900.0, 1500.0), (3600.0, 1500.0), (5150.0, 1500.0), (100.0, 1500.0)


def look(slide: Slide, place: tuple[float, float], um_per_px: float = 0.2, px: int = 400) -> np.ndarray:
    return slide.light(*place, px, px, um_per_px)


def everything(slide: Slide) -> list[TrueCell]:
    return slide.truth(0, 0, slide.width_um, slide.height_um)


def cells(slide: Slide) -> list[TrueCell]:
    return [cell for cell in everything(slide) if cell.label not in NOT_COUNTED]


# The same slide, always


def test_a_seed_gives_the_same_light_in_whatever_order_one_looks() -> None:
    one, other = fresh_smear(), fresh_smear()
    first, second = look(one, MONOLAYER), look(one, THICK)

    assert np.array_equal(look(other, THICK), second)
    assert np.array_equal(look(other, MONOLAYER), first)


def test_another_seed_gives_another_slide() -> None:
    other = fresh_smear(seed=2)

    assert other.digest != smear().digest
    assert not np.array_equal(look(other, MONOLAYER), look(smear(), MONOLAYER))


def test_another_mixture_has_another_digest() -> None:
    assert (
        fresh_smear(mixture=blood(clots=0)).digest
        != fresh_smear(mixture=blood(clots=0, dust_per_mm2=3)).digest
    )


def test_views_agree_where_they_overlap() -> None:
    here = look(smear(), MONOLAYER)
    beside = look(smear(), (MONOLAYER[0] + 40.0, MONOLAYER[1] + 20.0))

    np.testing.assert_allclose(here[100:, 200:], beside[:-100, :-200], rtol=1e-5)


def test_a_whole_pixel_is_a_whole_pixel_however_it_is_reckoned() -> None:
    um_per_px = 0.086
    column = next(k for k in range(35_000, 50_000) if math.floor(k * um_per_px / um_per_px) < k)
    before, there = (
        smear().light(k * um_per_px, 20_000 * um_per_px, 60, 60, um_per_px) for k in (column - 1, column)
    )

    assert np.array_equal(there[:, :-1], before[:, 1:])


def test_half_a_pixel_further_lies_between_two_pixels() -> None:
    whole = look(smear(), MONOLAYER)
    half = look(smear(), (MONOLAYER[0] + 0.1, MONOLAYER[1]))

    np.testing.assert_allclose(half[:, :-1], (whole[:, :-1] + whole[:, 1:]) / 2, atol=1e-4)


def test_what_it_keeps_in_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("TILES_KEPT", 20), ("STAMPS_KEPT", 30), ("VIEWS_KEPT", 2)):
        monkeypatch.setattr(smear_module, name, most)
    slide = fresh_smear()
    for k in range(8):
        slide.light(300 + 600.0 * k, 400 + 150.0 * k, 24, 250, 1.0)

    assert len(slide._tiles) <= smear_module.TILES_KEPT
    assert len(slide._stamps) <= smear_module.STAMPS_KEPT
    assert len(slide._views) <= smear_module.VIEWS_KEPT


def test_threads_that_look_at_once_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most, film, slide = [0], [0], Smear.film, fresh_smear()

    def watched(*arguments: Any) -> np.ndarray:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        threading.Event().wait(0.05)  # long enough for another thread to come in
        inside[0] -= 1
        return film(*arguments)

    monkeypatch.setattr(Smear, "film", watched)
    with ThreadPoolExecutor(3) as threads:
        seen = list(threads.map(lambda k: look(slide, (MONOLAYER[0] + k, MONOLAYER[1]), px=20), range(3)))

    assert len(seen) == 3
    assert most == [1]


# Light


def test_light_is_a_share_of_the_lamps() -> None:
    light = look(smear(), MONOLAYER)

    assert light.dtype == np.float32
    assert light.shape == (400, 400, 3)
    assert light.min() >= 0
    assert light.max() <= 1


def test_what_overlaps_multiplies() -> None:
    canvas, stamp = np.ones((9, 9, 3), np.float32), np.full((3, 3, 3), 0.6, np.float32)
    put(canvas, stamp, 4.5, 4.5)
    put(canvas, stamp, 4.5, 4.5)

    assert canvas[4, 4, 0] == pytest.approx(0.36)


def test_the_smear_thins_out_from_its_thick_end_to_empty_glass() -> None:
    along = [
        float(smear().light(x, 300.0, 240, 1200, 2.0).mean())
        for x in (THICK[0], 2000.0, MONOLAYER[0], 5100.0)
    ]

    assert along == sorted(along)
    assert look(smear(), GLASS).min() > 0.98


def test_beside_the_slide_there_is_light() -> None:
    assert smear().light(-300.0, -300.0, 50, 50, 0.5).min() > 0.99


@pytest.mark.parametrize(
    "place", [THICK, MONOLAYER, FEATHER, GLASS], ids=["thick", "monolayer", "feather", "glass"]
)
@pytest.mark.parametrize("um_per_px", [2.0, 4.0])
def test_the_overview_agrees_with_the_near_view_in_density_and_colour(
    place: tuple[float, float], um_per_px: float
) -> None:
    span_um = 320.0
    near = look(smear(), place, 0.4, round(span_um / 0.4)).mean(axis=(0, 1))
    far = look(smear(), place, um_per_px, round(span_um / um_per_px)).mean(axis=(0, 1))

    np.testing.assert_allclose(far, near, atol=0.025)


def test_the_overview_shows_nucleated_cells_where_they_are() -> None:
    slide = marrow_smear()
    light = slide.light(0, 0, int(WIDTH_UM / 3), int(HEIGHT_UM / 3), 3.0)[..., 0]
    inside = [
        c
        for c in cells(slide)
        if c.countable and 50 < c.x_um < WIDTH_UM - 50 and 50 < c.y_um < HEIGHT_UM - 50
    ]

    at = np.mean([light[int(c.y_um / 3), int(c.x_um / 3)] for c in inside])

    assert at < light.mean() - 0.2


def test_red_cells_are_the_ruler_they_should_be() -> None:
    light = smear().light(*MONOLAYER, 1388, 1040, 0.1)
    count, _, stats, _ = cv2.connectedComponentsWithStats((light[..., 1] < 0.88).astype(np.uint8))
    sides = stats[1:count, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]] * 0.1
    filled = stats[1:count, cv2.CC_STAT_AREA] * 0.01 / (np.prod(sides, axis=1) * math.pi / 4)
    alone = np.sqrt(np.prod(sides, axis=1))[
        (filled > 0.7) & (sides.max(axis=1) < 9) & (sides.min(axis=1) > 5.5)
    ]

    assert len(alone) > 8
    assert 7.0 < np.median(alone) < 7.8


# Truth


def test_the_truth_lies_in_the_rectangle_that_was_asked_for() -> None:
    found = smear().truth(3000, 1000, 500, 300)

    assert found
    assert all(3000 <= cell.x_um < 3500 and 1000 <= cell.y_um < 1300 for cell in found)


def test_the_truth_of_two_halves_is_that_of_the_whole() -> None:
    whole = smear().truth(3000, 1000, 500, 300)
    halves = smear().truth(3000, 1000, 250, 300) + smear().truth(3250, 1000, 250, 300)

    assert sorted(halves, key=repr) == sorted(whole, key=repr)


def test_where_the_truth_says_a_cell_is_the_slide_is_dark() -> None:
    slide = smear()
    inside = [c for c in cells(slide) if c.countable][:25]
    light = [slide.light(c.x_um - 1.5, c.y_um - 1.5, 30, 30, 0.1).mean() for c in inside]

    assert max(light) < 0.85


@pytest.mark.parametrize("made", [smear, marrow_smear], ids=["blood", "marrow"])
def test_what_looks_like_a_nucleus_is_a_cell_of_the_truth_and_every_cell_has_one(
    made: Callable[[], Smear],
) -> None:
    slide, left, top, side_um, um_per_px = made(), 3300.0, 1300.0, 250.0, 0.25
    light = look(slide, (left, top), um_per_px, round(side_um / um_per_px))[..., 1]
    dark = cv2.morphologyEx((light < 0.4).astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    parts, _, stats, middles = cv2.connectedComponentsWithStats(dark)
    large = stats[1:parts, cv2.CC_STAT_AREA] * um_per_px**2 > 6  # smaller: where red cells overlap
    x, y = ((middles[1:parts] + 0.5) * um_per_px + (left, top))[large].T
    known = slide.truth(left, top, side_um, side_um)
    away = np.hypot(x[:, None] - [cell.x_um for cell in known], y[:, None] - [cell.y_um for cell in known])
    inside = away < [cell.radius_um for cell in known]

    def whole(x_um: float, y_um: float) -> bool:
        return left + 12 < x_um < left + side_um - 12 and top + 12 < y_um < top + side_um - 12

    nuclei = [k for k, at in enumerate(zip(x.tolist(), y.tolist(), strict=True)) if whole(*at)]
    wanted = [k for k, cell in enumerate(known) if cell.countable and whole(cell.x_um, cell.y_um)]
    assert len(wanted) > 8
    assert inside[nuclei].any(axis=1).all()
    assert inside[:, wanted].any(axis=0).all()


def test_labels_come_in_the_proportions_that_the_caller_sets() -> None:
    shares = {"lymphocyte": 3.0, "segmented_neutrophil": 1.0}
    found = Counter(c.label for c in cells(fresh_smear(mixture=blood(shares=shares, bubbles=0, clots=0))))

    assert set(found) == set(shares)
    assert found["lymphocyte"] / found.total() == pytest.approx(0.75, abs=0.03)


def test_cells_lie_as_dense_as_the_caller_wishes() -> None:
    slide = fresh_smear(mixture=blood(white_per_mm2=200.0, clustered=0.0, smudged=0.0, bubbles=0, clots=0))
    found = [c for c in cells(slide) if 3200 < c.x_um < 4600 and 700 < c.y_um < 2300]

    assert len(found) / (1.4 * 1.6) == pytest.approx(200, rel=0.2)


def test_cells_that_stand_alone_keep_apart_and_clusters_touch() -> None:
    alone = fresh_smear(mixture=blood(clustered=0.0, bubbles=0, clots=0))
    clustered = fresh_smear(mixture=blood(clustered=0.5, bubbles=0, clots=0))

    assert nearest(alone).min() > 17.0
    assert np.mean(nearest(clustered) < 17.0) > 0.3


def nearest(slide: Slide) -> np.ndarray:
    at = np.array([(c.x_um, c.y_um) for c in cells(slide)])
    return np.asarray(cKDTree(at).query(at, k=2)[0][:, 1])


def test_nobody_counts_at_the_edge_in_the_thick_zone_or_in_the_feathered_end() -> None:
    slide = smear()
    countable = [c for c in cells(slide) if c.countable]
    x = np.array([c.x_um for c in countable])
    y = np.array([c.y_um for c in countable])

    assert len(countable) > 100
    assert not any(c.at_edge for c in countable)
    assert x.min() > 0.3 * WIDTH_UM
    assert x.max() < 0.9 * WIDTH_UM
    assert slide.zones.at(slide.zones.edge_um, x, y).min() >= 150.0


def test_no_cell_lies_in_a_bubble() -> None:
    slide = fresh_smear(mixture=blood(bubbles=3, clots=0))
    hole = slide.zones.holes[0]

    inside = slide.truth(hole.x_um - 40, hole.y_um - 40, 80, 80)
    light = slide.light(hole.x_um - 20, hole.y_um - 20, 80, 80, 0.5)

    assert not [c for c in inside if c.label != "artefact"]
    assert np.median(light) > 0.9


def test_platelets_smudge_cells_and_dirt_are_known_and_not_countable() -> None:
    found = Counter(c.label for c in everything(smear()) if not c.countable)

    assert all(found[label] for label in NOT_COUNTED)
    assert not any(c.countable for c in everything(smear()) if c.label in NOT_COUNTED)


def test_marrow_cells_lie_dense_in_trails_behind_particles() -> None:
    slide = marrow_smear()
    share = slide.zones.white
    found = np.array([(c.x_um, c.y_um) for c in cells(slide)])

    assert share.max() > 10 * np.median(share[share > 0])
    assert np.mean(slide.zones.at(share, found[:, 0], found[:, 1])) > 1.7 * share[share > 0].mean()


def test_a_particle_is_too_thick_to_see_through() -> None:
    slide = marrow_smear()
    patch = slide.patches[0]
    middle = patch.density.shape[0]

    light = slide.light(patch.left_um, patch.top_um, middle, middle, 2.0)

    assert np.percentile(light[middle // 4 : -middle // 4, middle // 4 : -middle // 4, 1], 25) < 0.3


# What can be asked for


def test_every_cell_of_both_panels_can_be_asked_for() -> None:
    for panel in ("smear-13", "marrow-choi-10"):
        names = {label.name for label in load_panel(panel).labels} - {"artefact", "platelet"}
        assert blood(shares=dict.fromkeys(names, 1.0)).shares


def test_the_usual_mixtures_hold_labels_of_their_panels() -> None:
    assert set(LEFT_SHIFTED_BLOOD) <= set(load_panel("smear-13").names)
    assert set(MARROW_CHOI_10) == set(load_panel("marrow-choi-10").names)


def test_a_label_that_nobody_can_draw_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ApplianceRefused, match="lymphocyte"):
        blood(shares={"lymphocite": 1.0})


@pytest.mark.parametrize("shares", [{}, {"lymphocyte": 0.0}, {"lymphocyte": -1.0, "monocyte": 2.0}])
def test_shares_that_are_none_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ApplianceRefused, match="shares"):
        blood(shares=shares)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ApplianceRefused, match="seed"):
        fresh_smear(seed=-1)
