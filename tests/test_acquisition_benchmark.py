"""The acquisition benchmark says where a count's time goes, and compares like with like."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from appliance.field_source import SlideSurvey
from appliance.frame import Frame, Point, SkippedField
from appliance.plan import Plan
from appliance.simulator.instrument import mixture_of
from appliance.simulator.rehearsal import Rehearsed
from benchmarks import acquisition
from benchmarks.acquisition import Turn
from benchmarks.diary import Act, FieldTaken, Look, Move, Step, split, way
from benchmarks.options import Options
from benchmarks.row import Row
from benchmarks.timed_analysis import DETECTION, Silent, Spent, TimedAnalyser, TimedDetector
from benchmarks.timed_count import Counted, count
from benchmarks.timed_instrument import TimedFields, TimedMicroscope
from calibration import Scale
from models import Cell, Detection, Opinion
from models.errors import ModelRefused
from models.panel import Specimen

EVEN = np.full(2, 0.5, dtype=np.float32)
SCALE = Scale.stated(0.1, "test")
HERE, NEXT = Point(0.0, 0.0, 2000.0), Point(140.0, 0.0, 2000.0)


def higher(place: Point) -> Point:
    return Point(place.x_um, place.y_um, place.z_um + 1.0)


class GreyFields:
    """So many grey fields, the second of them empty."""

    name, simulated, planned, digest, survey, scale = "grey", True, None, "grey", None, SCALE

    def __init__(self, fields: int = 1000) -> None:
        self._fields = fields
        self.closed = False

    def prepare(self, survey: SlideSurvey | None) -> Iterator[str]:
        yield "Homing the stage."
        yield "Looking the slide over: picture 1 of 1."
        yield "Focusing at place 1 of 2."
        yield "A place was left out."

    def fields(self, first: int = 0) -> Iterator[Frame | SkippedField]:
        grey = np.full((64, 64, 3), 128, dtype=np.uint8)
        for n in range(first, self._fields):
            if n == 1:
                yield SkippedField(n, f"field {n}", "empty", "Nothing lies here.")
            else:
                yield Frame(n, f"field {n}", grey, Point(140.0 * n, 0.0), n, None, None, SCALE.id)

    def halt(self) -> None:
        """Nothing is under way."""

    def close(self) -> None:
        self.closed = True


class ThreeCells:
    """An analyser that finds three lymphocytes in every field."""

    engine, weights, outputs = "none", "none", ("lymphocyte", "monocyte")

    def check(self, scale: Scale) -> None:
        """Any scale will do."""

    def analyse(self, frame: Frame, scale: Scale) -> list[Cell]:
        opinion = Opinion("lymphocyte", 0.9, EVEN, "lymphocyte", 0.9, EVEN, 1)
        patch = np.zeros((96, 96, 3), dtype=np.uint8)
        return [Cell(Detection(32.0, 32.0, 5.0, 0.9), 3.0, 3.0, patch, opinion)] * 3


def counted(cells: int = 500, fields: int = 50, seconds: float = 20.0) -> Counted:
    return Counted(cells, fields, prepared_s=30.0, counted_s=seconds, cpu_s=10.0)


def a_turn(seconds: float, waiting: float = 0.0) -> Turn:
    places = tuple(Point(140.0 * n, 0.0) for n in range(3))
    steps = dict.fromkeys(Step, 1.0) | {Step.WAITING: waiting}
    return Turn(counted(seconds=seconds), {"homing": 5.0}, steps, {"analysis": 8.0}, places)


def figures(*turns: tuple[Turn, Turn]) -> dict[str, Row]:
    return {row.what: row for row in acquisition.rows(turns, "here") if isinstance(row, Row)}


def test_the_way_to_a_field_is_moving_and_settling_and_its_picture_exposing_and_reading_out() -> None:
    acts: list[Act] = [Move(NEXT, 10.0, 10.2), Look(10.2, 10.23, 10.25)]

    spent = split(FieldTaken(10.0, 10.3, 10.3), acts, settle_s=0.12)

    assert spent[Step.MOVING] == pytest.approx(0.08)
    assert spent[Step.SETTLING] == pytest.approx(0.12)
    assert spent[Step.EXPOSING] == pytest.approx(0.03)
    assert spent[Step.READING_OUT] == pytest.approx(0.02)
    assert spent[Step.JUDGING] == pytest.approx(0.05)


def test_what_follows_a_move_of_the_height_alone_is_refinement_of_focus() -> None:
    acts: list[Act] = [
        Move(NEXT, 10.0, 10.2),
        Look(10.2, 10.25, 10.25),
        Move(higher(NEXT), 10.3, 10.4),
        Look(10.4, 10.5, 10.5),
        Move(NEXT, 10.6, 10.7),
    ]

    spent = split(FieldTaken(10.0, 10.7, 10.7), acts, settle_s=0.12)

    assert spent[Step.REFINING] == pytest.approx(0.4)
    assert spent[Step.JUDGING] == pytest.approx(0.05)


def test_going_back_to_a_known_place_is_a_proof_and_no_travel() -> None:
    acts: list[Act] = [
        Move(NEXT, 10.0, 10.2),
        Move(HERE, 10.2, 10.5),
        Look(10.5, 10.6, 10.6),
        Move(NEXT, 10.6, 11.0),
    ]
    field = FieldTaken(10.0, 11.0, 11.0)

    assert split(field, acts, settle_s=0.12)[Step.PROVING] == pytest.approx(0.8)
    assert way([field], acts) == [NEXT]


def test_every_second_of_a_field_is_told_once_and_no_other_fields() -> None:
    acts: list[Act] = [
        Move(HERE, 9.0, 9.5),
        Move(NEXT, 10.0, 10.2),
        Look(10.2, 10.23, 10.25),
        Move(HERE, 11.0, 11.5),
    ]

    spent = split(FieldTaken(10.0, 10.3, 10.9), acts, settle_s=0.12)

    assert sum(spent.values()) == pytest.approx(0.9)
    assert spent[Step.WAITING] == pytest.approx(0.6)


def test_a_count_ends_in_the_field_that_is_enough_and_closes_its_source(tmp_path: Path) -> None:
    source = GreyFields()

    found = count(source, ThreeCells(), Plan(camera="simulated"), tmp_path / "store.sqlite", enough=7)

    assert (found.cells, found.fields) == (9, 4)
    assert source.closed


def test_a_count_without_analysis_takes_as_many_fields(tmp_path: Path) -> None:
    source = TimedFields(GreyFields(), most=5)

    found = count(source, Silent(ThreeCells()), Plan(camera="simulated"), tmp_path / "store.sqlite")

    assert (found.cells, found.fields) == (0, 5)
    assert len(source.taken) == 5


def test_a_slide_that_runs_out_of_fields_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="broke off at 6 cells"):
        count(GreyFields(3), ThreeCells(), Plan(camera="simulated"), tmp_path / "store.sqlite", enough=100)


def test_making_ready_is_told_by_step() -> None:
    source = TimedFields(GreyFields())
    list(source.prepare(None))

    assert list(source.prepared) == ["homing", "looking over", "focusing"]


def test_the_time_of_a_part_is_noted_even_where_it_fails() -> None:
    class Broken:
        name = "broken"

        def detect(self, pixels: object, um_per_px: float) -> list[Detection]:
            raise RuntimeError

    spent = Spent()
    with pytest.raises(RuntimeError):
        TimedDetector(Broken(), spent).detect(np.zeros((1, 1, 3), dtype=np.uint8), 0.1)

    assert list(spent) == [DETECTION]


def test_a_timed_analyser_says_what_the_analyser_says() -> None:
    analyser = TimedAnalyser(ThreeCells(), Spent())
    (frame,) = islice(GreyFields().fields(), 1)
    assert isinstance(frame, Frame)

    assert len(analyser.analyse(frame, SCALE)) == 3
    assert analyser.outputs == ThreeCells.outputs


def test_the_ratio_is_that_of_the_same_fields_with_and_without_analysis() -> None:
    found = figures((a_turn(21.0), a_turn(20.0)), (a_turn(33.0), a_turn(30.0)), (a_turn(26.0), a_turn(20.0)))

    assert found["count of 500 cells"].ratio == pytest.approx(1.1)
    assert found["count of 500 cells"].ours == pytest.approx(26.0)


def test_waiting_is_a_share_of_the_count_and_preparation_counts_where_it_says_so() -> None:
    found = figures((a_turn(20.0, waiting=2.0), a_turn(20.0)))

    assert found["the stage waits for analysis"].ours == pytest.approx(10.0)
    assert found["per 100 cells"].ours == pytest.approx(4.0)
    assert found["per 100 cells, with preparation"].ours == pytest.approx(10.0)
    assert found["travel"].ratio == pytest.approx(1.0)


def test_the_figures_can_be_written_down() -> None:
    rows = acquisition.rows([(a_turn(20.0), a_turn(20.0))], "here")

    assert json.dumps([row.what for row in rows])
    assert {row.item for row in rows} == {"f"}


def test_what_was_rehearsed_is_not_drawn_while_it_is_measured(tmp_path: Path) -> None:
    kept: list[Rehearsed] = []
    for rate in (50.0, 20.0):
        instrument = acquisition._rehearsed(mixture_of(Specimen.BLOOD), tmp_path, kept, rate)
        microscope = instrument.microscope
        assert isinstance(microscope, TimedMicroscope)
        with contextlib.closing(microscope):
            microscope.home()
            microscope.make_ready()
            microscope.go_to(Point(16_000.0, 10_000.0, 2_000.0))
            microscope.look()
        assert [type(act) for act in microscope.acts] == [Move, Look]

    rehearsed, measured = kept
    assert rehearsed.drawn > 0
    assert (measured.drawn, measured.found) == (0, rehearsed.drawn + rehearsed.found)


def test_cells_are_drawn_where_there_are_no_real_ones_and_a_stated_folder_without_any_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEMADIFF_DATA", str(tmp_path))

    assert acquisition.real_cells(Options()) is None
    with pytest.raises(ModelRefused, match="holds no cells"):
        acquisition.real_cells(Options(data=str(tmp_path)))
