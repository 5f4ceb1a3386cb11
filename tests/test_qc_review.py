"""Going over a count for quality control: pictures that are kept, marks, and the control that is made of them."""

from __future__ import annotations

import io
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders_instrument import count_to_the_end, field, folder, instrument, plan, until
from builders_qc import HEIGHT, RUN, WIDTH, a_qc_run, found, gone_over, marked
from builders_store import NOON, at, counted_run, unreadable
from PIL import Image

from appliance.audit import AuditTrail
from appliance.config import Config
from appliance.configured_plan import plan_from_config
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.field_pictures import FieldPictures, picture_of
from appliance.qc_desk import mark_qc, record_qc
from appliance.qc_history import QcHistory
from appliance.qc_marks import Find, Kind, Mark, Review, ReviewedField, What
from appliance.qc_review import QcReviews
from appliance.run import State
from appliance.store import Store

LIMITS = {"cells": 5, "least_located_percent": 80.0, "most_false_percent": 20.0}
SAID: dict[str, Any] = {
    "by": "M. Malpighi", "slide": "QC 7", "located": None, "missed": None, "false_finds": None,
    "run": RUN, "note": "", "limits": LIMITS,
}  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    a_qc_run(tmp_path / "s.sqlite")
    return tmp_path / "s.sqlite"


def cells_of(store: Store, number: int) -> list[int]:
    return [find.cell for find in QcReviews(store).review(RUN).fields[number].finds]


# What a person says, and what it adds up to


def a_review(*gone: int) -> Review:
    finds = tuple(Find(cell, 200.0 + 100 * cell, 200.0, 30.0, What.CELL) for cell in (1, 2, 3))
    fields = (ReviewedField(0, 900, 900, 96.0, finds), ReviewedField(1, 900, 900, 96.0, ()))
    return Review("r", fields).marked(Mark(number, Kind.GONE_OVER) for number in gone)


def test_only_fields_that_were_gone_over_count() -> None:
    review = a_review().marked([Mark(0, Kind.MISSED, x=500, y=500), Mark(0, Kind.FALSE, cell=2)])
    assert (review.located, review.missed, review.false_finds) == (0, 0, 0)
    review = review.marked([Mark(0, Kind.GONE_OVER)])
    assert (review.located, review.missed, review.false_finds) == (2, 1, 1)


def test_whatever_was_marked_can_be_taken_back() -> None:
    review = a_review(0).marked([Mark(0, Kind.MISSED, x=500, y=500), Mark(0, Kind.FALSE, cell=2)])
    back = review.marked(
        [
            Mark(0, Kind.MISSED, False, x=500, y=500),
            Mark(0, Kind.FALSE, False, cell=2),
            Mark(0, Kind.GONE_OVER, False),
        ]
    )
    assert back == a_review()


def test_a_mark_that_is_made_twice_counts_once() -> None:
    review = a_review(0).marked([Mark(0, Kind.MISSED, x=500, y=500)] * 2 + [Mark(0, Kind.FALSE, cell=2)] * 2)
    assert (review.missed, review.false_finds) == (1, 1)


@pytest.mark.parametrize(
    ("mark", "sentence"),
    [
        (Mark(0, Kind.FALSE, cell=9), "No cell 9 was located in field 0"),
        (Mark(0, Kind.MISSED, x=95, y=500), "border out"),
        (Mark(0, Kind.MISSED, x=500, y=805), "border out"),
        (Mark(7, Kind.GONE_OVER), "no picture of field 7"),
    ],
)
def test_a_mark_that_does_not_belong_there_is_refused(mark: Mark, sentence: str) -> None:
    with pytest.raises(ApplianceRefused, match=sentence):
        a_review().marked([mark])


def test_a_control_needs_every_field_gone_over() -> None:
    with pytest.raises(ApplianceRefused, match="1 of 2 fields are not gone over yet"):
        a_review(0).refuse_unfinished()
    a_review(0, 1).refuse_unfinished()


# Pictures


@pytest.mark.parametrize(
    ("width", "um_per_px", "wide"), [(2000, 0.1, 1000), (4000, 0.1, 1400), (300, 0.2, 300), (300, 0.21, 300)]
)
def test_a_picture_is_no_finer_than_the_networks_look_and_fits_a_screen(
    width: int, um_per_px: float, wide: int
) -> None:
    jpeg = picture_of(np.full((width // 4, width, 3), (200, 150, 180), np.uint8), um_per_px)
    with Image.open(io.BytesIO(jpeg)) as picture:
        assert picture.size == (wide, round(width // 4 * wide / width))
        assert np.asarray(picture)[10, 10] == pytest.approx((200, 150, 180), abs=3), "red stays red"


@pytest.mark.parametrize("qc", [True, False])
def test_every_count_keeps_the_pictures_of_its_fields(tmp_path: Path, qc: bool) -> None:
    smear = folder(tmp_path / "smear", [field("lymphocyte", "monocyte")] * 2)
    asked = plan(smear, qc=qc, min_cells=4, max_cells=4)
    run = count_to_the_end(tmp_path / "s.sqlite", asked)["run"]
    with Store.read_only(tmp_path / "s.sqlite") as store:
        assert FieldPictures(store).numbers(run) == [0, 1]


def test_a_field_whose_picture_is_not_taken_never_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise ApplianceError("The disk is full.")

    monkeypatch.setattr(FieldPictures, "keep", full)
    smear = folder(tmp_path / "smear", [field("lymphocyte")])
    with instrument(tmp_path / "s.sqlite") as made:
        run = made.start(plan(smear, qc=True, min_cells=1, max_cells=1))
        until(made, lambda run: run["ended"] or run["state"] == "paused")
    with Store.read_only(tmp_path / "s.sqlite") as store:
        assert store.run(run).state is State.PAUSED
        assert store.fields(run) == []


def test_pictures_go_after_seven_days(path: Path) -> None:
    with Store(path) as store:
        FieldPictures(store).forget_old(NOON + timedelta(days=6, hours=23))
        assert len(FieldPictures(store).numbers(RUN)) == 3
        FieldPictures(store).forget_old(NOON + timedelta(days=7, hours=1))
        assert FieldPictures(store).numbers(RUN) == []
        with pytest.raises(ApplianceRefused, match="for seven days at most"):
            QcReviews(store).review(RUN)


def test_a_count_for_quality_control_aims_at_a_tenth_more_cells_than_a_control_needs() -> None:
    config = Config(camera={"source": "simulated"}, qc={"cells": 200})
    aims = [
        (made.min_cells, made.max_cells)
        for said in ({}, {"min_cells": 400}, {"max_cells": 50}, {"qc": None})
        for made in [plan_from_config(config, **{"qc": True, **said})]
    ]
    assert aims == [(220, 220), (400, 400), (50, 50), (300, 500)]


# The store


def test_what_was_marked_is_there_when_the_store_is_opened_again(path: Path) -> None:
    with Store(path) as store:
        false = cells_of(store, 0)[1]
        marked(store, 0, "false", cell=false)
        marked(store, 1, "missed", x=200, y=700)
        marked(store, 1, "missed", x=300, y=700)
        marked(store, 1, "missed", False, x=200, y=700)
        said = marked(store, 1, "gone over")
    assert said == {"fields": 3, "gone_over": 1, "located": 3, "missed": 1, "false_finds": 0}
    with Store.read_only(path) as reader:
        first, second, third = QcReviews(reader).review(RUN).fields
    assert (first.false, first.located, first.gone_over) == ({false}, 1, False)
    assert (second.missed, second.gone_over) == (((300, 700),), True)
    assert (third.missed, third.gone_over) == ((), False)


def test_every_mark_stays_on_record_also_one_that_was_taken_back(path: Path) -> None:
    with Store(path) as store:
        gone_over(store, 0)
        marked(store, 0, "gone over", False)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT present FROM qc_marks").fetchall() == [(1,), (0,)]
    with pytest.raises(sqlite3.IntegrityError, match="only by adding"):
        connection.execute("DELETE FROM qc_marks")
    connection.close()


def test_what_is_no_cell_or_at_the_border_is_shown_and_not_counted_as_located(tmp_path: Path) -> None:
    others = [found((500, 700), "platelet"), found((40, 40), None), found((900, 700), "unidentified")]
    a_qc_run(tmp_path / "s.sqlite", others=others)
    with Store.read_only(tmp_path / "s.sqlite") as store:
        field = QcReviews(store).review(RUN).fields[0]
    assert [find.what for find in field.finds] == [What.CELL, What.CELL, What.OTHER, What.BORDER, What.CELL]
    assert field.located == 3
    assert (field.width, field.height, field.border) == (WIDTH, HEIGHT, pytest.approx(96))


@pytest.mark.parametrize(
    ("state", "sentence"), [(State.PAUSED, "once it has ended"), (State.FAILED, "no quality control")]
)
def test_a_count_that_goes_on_or_failed_is_not_gone_over(tmp_path: Path, state: State, sentence: str) -> None:
    a_qc_run(tmp_path / "s.sqlite", state=state)
    with Store(tmp_path / "s.sqlite") as store, pytest.raises(ApplianceRefused, match=sentence):
        gone_over(store, 0)


def test_a_count_that_was_not_for_quality_control_says_so(tmp_path: Path) -> None:
    run = counted_run(tmp_path / "s.sqlite")
    with Store(tmp_path / "s.sqlite") as store, pytest.raises(ApplianceRefused, match="count --qc"):
        QcReviews(store).review(run)


def test_a_count_that_this_version_cannot_read_does_not_hide_the_others(path: Path) -> None:
    a_qc_run(path, run="beefbeefbeef")
    unreadable(path, "beefbeefbeef", '{"camera": 7}')
    with Store.read_only(path) as store:
        assert [each.run.id for each in QcReviews(store).waiting()] == [RUN]


@pytest.mark.parametrize(
    "said",
    [
        {"kind": "nonsense"},
        {"kind": "missed", "x": 300},
        {"kind": "missed", "x": 300, "y": 300.5},
        {"kind": "false"},
        {"kind": "gone over", "cell": 1},
        {"kind": "gone over", "field": "0"},
        {"kind": "gone over", "present": 1},
    ],
)
def test_a_mark_that_says_too_little_or_too_much_is_refused(path: Path, said: dict[str, Any]) -> None:
    with Store(path) as store, pytest.raises(ApplianceRefused):
        mark_qc(store, at(1), **{"by": "robin", "run": RUN, "field": 0, "present": True, **said})


# The control


def test_the_control_takes_what_was_marked(path: Path) -> None:
    with Store(path) as store:
        gone_over(store, 0, 1, 2)
        marked(store, 2, "missed", x=200, y=200)
        said = record_qc(store, at(200), **SAID)
        (control,) = QcHistory(store).all()
    assert said["passed"]
    assert said["said"].startswith("Passed. 6 of 7 cells located: 85.7 %")
    assert (control.result.located, control.result.missed, control.run) == (6, 1, RUN)


def test_who_marked_and_who_recorded_is_on_the_trail(path: Path) -> None:
    with Store(path) as store:
        gone_over(store, 0, 1, 2)
        marked(store, 2, "missed", x=200, y=200)
        record_qc(store, at(200), **SAID)
        recorded, mark, *_ = AuditTrail(store).entries()
    assert (mark.who, mark.what, mark.subject) == ("robin", "quality control", RUN)
    assert dict(mark.details) == {"field": 2, "kind": "missed", "present": True}
    assert (recorded.who, recorded.subject) == (SAID["by"], RUN)
    assert dict(recorded.details) == {"passed": True, "located": 6, "missed": 1, "false finds": 0}


def test_a_control_before_every_field_is_gone_over_is_refused(path: Path) -> None:
    with Store(path) as store:
        gone_over(store, 0, 1)
        with pytest.raises(ApplianceRefused, match="1 of 3 fields"):
            record_qc(store, at(200), **SAID)
        assert QcHistory(store).all() == []


def test_a_count_with_too_few_cells_says_to_count_again(path: Path) -> None:
    with Store(path) as store:
        gone_over(store, 0, 1, 2)
        with pytest.raises(ApplianceRefused, match="hold 6 cells, and a control needs 200"):
            record_qc(store, at(200), **{**SAID, "limits": {}})


def test_pictures_of_a_control_that_passed_go_and_those_of_one_that_failed_stay_to_be_looked_at(
    tmp_path: Path,
) -> None:
    for passes in (True, False):
        path = tmp_path / f"{passes}.sqlite"
        a_qc_run(path)
        with Store(path) as store:
            gone_over(store, 0, 1, 2)
            for x in range(200, 200 if passes else 600, 100):
                marked(store, 2, "missed", x=x, y=700)
            assert record_qc(store, at(200), **SAID)["passed"] is passes
            assert len(FieldPictures(store).numbers(RUN)) == (0 if passes else 3)


def test_a_control_on_record_takes_no_further_mark(path: Path) -> None:
    with Store(path) as store:
        gone_over(store, 0, 1, 2)
        record_qc(store, at(200), **SAID)
        with pytest.raises(ApplianceRefused, match="stays as it is"):
            marked(store, 0, "gone over", False)
        with pytest.raises(ApplianceRefused, match="stays as it is"):
            record_qc(store, at(201), **SAID)


@pytest.mark.parametrize(
    "changes", [{"missed": 2}, {"false_finds": 2}, {"run": None}, {"located": 200}, {"by": " "}]
)
def test_a_control_by_nobody_or_with_half_its_numbers_is_refused(path: Path, changes: dict[str, Any]) -> None:
    with Store(path) as store:
        gone_over(store, 0, 1, 2)
        with pytest.raises(ApplianceRefused):
            record_qc(store, at(200), **{**SAID, **changes})
        assert QcHistory(store).all() == []
