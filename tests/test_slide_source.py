"""Fields of a slide under a microscope: prepared once, visited in order, skipped for a reason, or given up plainly."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest
from builders_coloured_slide import ColourAnalyser, QuickRenderer
from builders_instrument import instrument, until
from builders_scope import (
    CORNER,
    COUNTING,
    SCALE,
    Bench,
    a_bench,
    dropped_by,
    prepared,
    scope_plan,
    taken,
)

from appliance.autofocus import Focus, FocusFailed
from appliance.cameras.freshness import NotFresh
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.field_quality import FieldQuality, FieldVerdict
from appliance.focus_watch import FocusWatch
from appliance.focusing import Focusing
from appliance.frame import Frame, Point, SkippedField
from appliance.simulator.camera_faults import CameraFault, Scheduled

WIDTH_UM, HEIGHT_UM = COUNTING.width_px * SCALE.um_per_px, COUNTING.height_px * SCALE.um_per_px


def test_what_is_done_before_the_first_field_is_told_step_by_step() -> None:
    with a_bench() as bench:
        bench.given = None
        source = bench.open()
        told = list(source.prepare(None))
        source.close()
    assert told == [
        "Homing the stage.",
        "Setting lamp and cameras.",
        "Looking the slide over: picture 1 of 2.",
        "Looking the slide over: picture 2 of 2.",
        "Focusing at place 1 of 2.",
        "Focusing at place 2 of 2.",
    ]


def test_a_frame_knows_the_place_of_its_corner_on_the_stage() -> None:
    with a_bench() as bench:
        (frame,) = taken(bench, 1)
        assert isinstance(frame, Frame)
        true = bench.really_at(frame.exposure_start_ns)
    corner = frame.position.x_um + WIDTH_UM / 2, frame.position.y_um + HEIGHT_UM / 2
    assert corner == pytest.approx((true.x_um, true.y_um), abs=0.5)
    assert (frame.index, frame.calibration_id) == (0, SCALE.id)


def test_fields_are_in_focus_wherever_the_slide_is_tilted_to() -> None:
    with a_bench(renderer=QuickRenderer(replace(CORNER, tilt_x=6.0))) as bench:
        frames = taken(bench, 8)
        assert [type(frame) for frame in frames] == [Frame] * 8


def test_a_resumed_run_visits_the_same_places_from_where_it_left_off() -> None:
    with a_bench() as bench:
        bench.given = None
        source = prepared(bench)
        survey, planned = source.survey, source.planned
        fields = source.fields()
        straight = [next(fields) for _ in range(4)]
        source.close()
        again = prepared(bench, survey)
        fields = again.fields(2)
        resumed = [next(fields), next(fields)]
        again.close()
    assert [field.name for field in resumed] == [field.name for field in straight[2:]]
    assert (again.planned, again.survey, again.digest) == (planned, survey, source.digest)


def test_bare_glass_is_skipped_with_its_reason_and_its_place() -> None:
    with a_bench(
        region=(-60.0, 400.0), named={"focus_places": 5}
    ) as bench:  # a quarter lies beside the smear
        fields = taken(bench, 8)
    skipped = [field for field in fields if isinstance(field, SkippedField)]
    assert len(skipped) == 2
    assert {field.reason for field in skipped} <= {"empty", "edge of the smear"}
    assert all(field.detail.endswith(".") and field.name in field.detail for field in skipped)
    assert all(field.place is not None and field.place.x_um < CORNER.x_um for field in skipped)


def test_on_a_tilted_slide_focus_is_looked_for_where_the_places_before_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    misses_um: list[float] = []
    refine = Focusing.refine

    def watched(self: Focusing, place: Point) -> Focus | FocusFailed:
        outcome = refine(self, place)
        assert isinstance(outcome, Focus)
        misses_um.append(abs(outcome.z_um - place.z_um))
        return outcome

    monkeypatch.setattr(Focusing, "refine", watched)
    tilted = QuickRenderer(replace(CORNER, tilt_x=6.0, tilt_y=3.0))
    with a_bench(
        renderer=tilted, region=(500.0, 400.0, 12 * 55.2 + 1, 4 * 42.4 + 1), named={"focus_places": 6}
    ) as bench:
        prepared(bench).close()

    assert max(misses_um[:2]) > 1.0
    assert max(misses_um[3:]) < 1.0


def test_focus_is_refined_when_it_is_due_and_not_otherwise() -> None:
    with a_bench() as bench:
        taken(bench, 4)
        looks = [bench.passed[f"field {n}", "look"] for n in (2, 3, 4)]
    assert looks[0] == looks[2] == 1
    assert looks[1] > 5


def test_a_slide_that_slips_out_of_focus_is_followed() -> None:
    with a_bench() as bench:
        renderer = QuickRenderer(CORNER)
        bench.renderer = renderer
        source = prepared(bench)
        fields = source.fields()
        before = next(fields)
        renderer.mount = dropped_by(-2.0)
        after = next(fields)
        source.close()
    assert isinstance(before, Frame)
    assert isinstance(after, Frame)
    assert after.position.z_um - before.position.z_um == pytest.approx(-2.0, abs=0.6)


def test_three_fields_without_focus_in_a_row_end_the_fields() -> None:
    with a_bench() as bench:
        renderer = QuickRenderer(CORNER)
        bench.renderer = renderer
        source = prepared(bench)
        fields = source.fields()
        assert isinstance(next(fields), Frame)
        renderer.mount = dropped_by(25.0)
        assert [next(fields).reason for _ in range(2)] == ["out of focus"] * 2  # type: ignore[union-attr]
        with pytest.raises(ApplianceError, match=r"3 fields in a row.*then resume"):
            next(fields)
        source.close()


def test_a_slide_that_is_no_longer_there_is_not_taken_for_many_empty_fields() -> None:
    with a_bench(region=(200.0, 200.0, 1_200.0, 300.0)) as bench:
        renderer = QuickRenderer(CORNER)
        bench.renderer = renderer
        source = prepared(bench)
        fields = source.fields()
        assert isinstance(next(fields), Frame)
        renderer.mount = replace(CORNER, x_um=CORNER.x_um + 5_000.0)
        assert {next(fields).reason for _ in range(19)} == {"empty"}  # type: ignore[union-attr]
        with pytest.raises(ApplianceError, match=r"20 fields in a row show no cells.*then resume\."):
            next(fields)
        source.close()


def test_a_field_that_is_too_thick_keeps_that_reason_where_refining_finds_no_focus(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    thick = FieldQuality(FieldVerdict.TOO_THICK, "It is too thick.", 0.9, 0.9, 0.2, 0.6)
    with a_bench(named={"watch": FocusWatch(every=1)}) as bench:
        renderer = QuickRenderer(CORNER)
        bench.renderer = renderer
        source = prepared(bench)
        renderer.mount = replace(CORNER, x_um=CORNER.x_um + 5_000.0)  # bare glass has no focus
        monkeypatch.setattr("appliance.slide_source.judge_field", lambda *_: thick)
        skipped = next(source.fields())
        source.close()
    assert isinstance(skipped, SkippedField)
    assert skipped.reason == "too thick"


def test_a_run_whose_fields_would_be_visited_in_another_order_does_not_go_on() -> None:
    with a_bench() as bench:
        source = prepared(bench)
        survey = source.survey
        source.close()
        assert survey is not None
        assert survey.tour
        bench.given = replace(survey, tour="of another version")
        source = bench.open()
        with pytest.raises(ApplianceRefused, match=r"another order\. Stop it"):
            list(source.prepare(None))
        source.close()


def test_a_lamp_that_strobes_is_lit_for_pictures_only() -> None:
    with Bench() as bench, contextlib.closing(bench.microscope(strobe=True, light=0.8)) as microscope:
        microscope.home()
        microscope.make_ready()
        assert bench.board.light_at() == 0.0
        exposure = microscope.look()
        assert bench.board.light_at(exposure.start_ns) == pytest.approx(0.8, abs=0.01)
        assert bench.board.light_at() == 0.0


def test_a_slide_without_focus_anywhere_is_not_counted() -> None:
    with a_bench(renderer=QuickRenderer(dropped_by(25.0))) as bench:
        source = bench.open()
        with pytest.raises(ApplianceError, match=r"Focus was found at none of 2 places.*then resume\."):
            list(source.prepare(None))
        source.close()


def test_a_dark_lamp_ends_the_fields_at_once() -> None:
    with a_bench() as bench:
        source = prepared(bench)
        fields = source.fields()
        next(fields)
        bench.cameras[-1].faults.add(Scheduled(CameraFault.DARK))
        with pytest.raises(ApplianceError, match=r"dark frame.*then resume\.") as caught:
            next(fields)
        source.close()
    assert not isinstance(caught.value, NotFresh)


def test_a_field_whose_picture_stays_torn_is_skipped_and_three_in_a_row_end_the_fields() -> None:
    with a_bench() as bench:
        source = prepared(bench)
        fields = source.fields()
        next(fields)
        bench.cameras[-1].faults.add(*[Scheduled(CameraFault.TORN)] * 9)
        skipped = next(fields)
        assert isinstance(skipped, SkippedField)
        assert skipped.reason == "torn"
        assert next(fields).reason == "torn"  # type: ignore[union-attr]
        with pytest.raises(ApplianceError, match=r"then resume\."):
            next(fields)
        source.close()


def test_the_stage_proves_where_it_is_once_and_then_goes_from_neighbour_to_neighbour() -> None:
    with a_bench() as bench:
        taken(bench, 2)
        went = [bench.passed[f"field {n}", "go"] for n in (1, 2)]
    assert went == [5, 1]


@pytest.mark.parametrize("step", [("focusing", "go", 3), ("looking", "look", 0)])
def test_a_run_that_is_stopped_while_it_is_prepared_stops_there(
    tmp_path: Path, step: tuple[str, str, int]
) -> None:
    with (
        Bench() as bench,
        instrument(tmp_path / "s.sqlite", ColourAnalyser(), open_source=bench.open) as made,
    ):
        bench.at[step] = lambda _: made.stop()
        made.start(scope_plan())
        assert until(made, lambda run: run["ended"])["state"] == "stopped"
        made.close()
        assert bench.steps[-1] == step, "nothing was begun after that"


def test_a_run_that_is_paused_takes_no_field_after_the_one_it_is_at(tmp_path: Path) -> None:
    with (
        a_bench() as bench,
        instrument(tmp_path / "s.sqlite", ColourAnalyser(), open_source=bench.open) as made,
    ):
        bench.at["field 2", "go", 0] = lambda _: made.pause()
        made.start(scope_plan())
        assert until(made, lambda run: run["state"] == "paused")["fields"]["counted"] <= 1
        made.close()
        assert bench.phase == "field 2"
