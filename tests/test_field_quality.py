"""Whether a field is worth counting, and why not."""

from __future__ import annotations

import csv

import cv2
import numpy as np
import pytest
from builders_focus import defocused
from builders_slides import field, field_at_the_edge, field_with_a_bubble, thick_field

from appliance.cover import Kind, find_cover
from appliance.field_quality import FieldVerdict, judge_field


def verdict(picture: np.ndarray) -> FieldVerdict:
    return judge_field(picture, 0.2).verdict


@pytest.mark.parametrize("share", [0.2, 0.35, 0.5])
def test_cells_side_by_side_and_in_focus_are_worth_counting(share):
    quality = judge_field(field(share), 0.2)
    assert quality.countable, quality.detail


def test_bare_glass_is_empty():
    assert verdict(np.full((520, 694, 3), 235, np.uint8)) is FieldVerdict.EMPTY


def test_a_soft_field_is_out_of_focus_and_says_how_wide_its_edges_are():
    quality = judge_field(defocused(field(), 1.5), 0.2)
    assert quality.verdict is FieldVerdict.OUT_OF_FOCUS
    assert "µm wide" in quality.detail


def test_a_field_so_soft_that_no_edge_is_left_is_out_of_focus_and_not_empty():
    assert verdict(defocused(field(), 5)) is FieldVerdict.OUT_OF_FOCUS


def test_cells_over_cells_are_too_thick():
    assert verdict(thick_field()) is FieldVerdict.TOO_THICK


def test_a_field_half_of_which_is_bare_lies_at_the_edge_of_the_smear():
    assert verdict(field_at_the_edge()) is FieldVerdict.EDGE


def test_a_black_rim_is_a_bubble():
    assert verdict(field_with_a_bubble()) is FieldVerdict.BUBBLE


@pytest.mark.parametrize("light", [0.5, 0.7, 1.0])
def test_the_lamps_level_changes_no_verdict(light):
    for picture, expected in (
        (field(), FieldVerdict.GOOD),
        (thick_field(), FieldVerdict.TOO_THICK),
        (field_at_the_edge(), FieldVerdict.EDGE),
    ):
        assert verdict((picture * light).astype(np.uint8)) is expected


def test_a_lamp_that_is_darker_in_the_corners_covers_nothing():
    v, u = np.mgrid[-1:1:520j, -1:1:694j]
    fall = (1 - 0.1 * (u * u + v * v))[..., None]
    even, shaded = judge_field(field(), 0.2), judge_field((field() * fall).astype(np.uint8), 0.2)
    assert shaded.countable
    assert shaded.covered == pytest.approx(even.covered, abs=0.06)


@pytest.mark.parametrize("um_per_px", [0.1, 0.4])
def test_a_finer_or_coarser_camera_sees_the_same(um_per_px):
    factor = 0.2 / um_per_px
    seen = cv2.resize(field(), None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA if factor < 1 else 1)
    cover, other = find_cover(field(), 0.2), find_cover(seen, um_per_px)
    assert other.covered == pytest.approx(cover.covered, abs=0.05)
    assert other.layers == pytest.approx(cover.layers, abs=0.08)


def test_nuclei_are_told_from_stacks_of_red_cells():
    nuclei, stacks = find_cover(field(), 0.2), find_cover(thick_field(), 0.2)
    assert nuclei.share(Kind.NUCLEUS) > 0.01
    assert stacks.share(Kind.STACK) > stacks.share(Kind.NUCLEUS)


def test_every_reason_is_a_sentence():
    for picture in (field(), thick_field(), field_at_the_edge(), field_with_a_bubble()):
        detail = judge_field(picture, 0.2).detail
        assert detail[0].isupper()
        assert detail.endswith(".")


def test_where_empty_glass_is_known_a_field_covered_all_over_is_not_empty():
    covered = np.full((520, 694, 3), (150, 110, 130), np.uint8)
    assert judge_field(covered, 0.2, white=(235, 235, 235)).verdict is not FieldVerdict.EMPTY


def test_a_frame_too_small_to_judge_is_refused():
    with pytest.raises(ValueError, match="too small"):
        judge_field(np.full((40, 40, 3), 200, np.uint8), 0.1)


def test_published_fields_of_blood_are_nearly_all_worth_counting(real_images):
    with (real_images / "fields" / "fields.csv").open(newline="") as file:
        rows = sorted((row["path"], row["source"]) for row in csv.DictReader(file))
    judged = []
    for path, source in rows[::25]:
        picture = cv2.cvtColor(cv2.imread(str(real_images / path)), cv2.COLOR_BGR2RGB)
        judged.append(judge_field(picture, {"bccd": 0.076, "raabin": 0.058}[source]).countable)
    assert np.mean(judged) >= 0.9
