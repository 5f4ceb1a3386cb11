"""When focus is refined."""

from __future__ import annotations

import pytest

from appliance.focus_watch import FocusWatch, Seen


def after(*fields: tuple[float, float], watch: FocusWatch | None = None) -> FocusWatch:
    watch = watch or FocusWatch(every=10)
    for covered, contrast in fields:
        watch = watch.after(Seen(covered, contrast))
    return watch


USUAL = ((0.5, 1.0), (0.45, 0.9), (0.55, 1.1), (0.5, 1.0), (0.52, 1.05))


def test_fields_as_sharp_as_ever_need_no_refinement():
    assert after(*USUAL).due is None


def test_after_ten_fields_a_refinement_is_due():
    assert after(*USUAL, *USUAL[:4]).due is None
    assert "10 fields" in str(after(*USUAL, *USUAL).due)


def test_a_field_much_softer_than_others_like_it_is_due_at_once():
    assert "50 %" in str(after(*USUAL, (0.5, 0.5)).due)


def test_a_field_with_fewer_cells_is_not_taken_for_a_soft_one():
    assert after(*USUAL, (0.1, 0.3)).due is None


def test_before_anything_is_usual_nothing_sags():
    assert after(*USUAL[:3], (0.5, 0.2)).due is None


def test_one_odd_field_does_not_change_what_is_usual():
    assert after(*USUAL, (0.5, 9.0)).usual == pytest.approx(1.0)


def test_a_refinement_starts_the_count_again():
    watch = after(*USUAL, *USUAL).refined()
    assert watch.due is None
    assert after(*USUAL, watch=watch).due is None


def test_the_refined_picture_stands_in_for_the_soft_one():
    watch = after(*USUAL, (0.5, 0.4)).refined(Seen(0.5, 0.98))
    assert watch.seen[-1] == Seen(0.5, 0.98)
    assert watch.due is None


def test_a_refinement_that_does_not_help_is_not_asked_for_again_at_the_same_field():
    assert after(*USUAL, (0.5, 0.4)).refined(Seen(0.5, 0.4)).due is None


def test_a_watch_forgets_what_is_long_past():
    assert len(after(*[(0.5, 1.0)] * 100).seen) == 24
