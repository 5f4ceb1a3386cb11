"""Fields are labelled blind by two people, a third settles, and what anybody said stays on record."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from builders_labelling import (
    PLACES,
    UM_PER_PX,
    a_field,
    a_set,
    asked,
    labelling_store,
    marked,
    said_of,
    settled_field,
    with_field,
)
from builders_qc import a_qc_run
from builders_review import RUN, ended, signed
from PIL import Image

from appliance.audit import AuditTrail
from appliance.errors import ApplianceRefused
from appliance.labelling import pictures
from appliance.labelling.pictures import canonical, pixels_of, taken
from appliance.labelling.reading import FieldReading, Standing
from appliance.labelling.sets import LabelSets
from appliance.patches import to_png
from appliance.store import Store
from models.cascade import COARSEST
from models.resample import to_scale, window

ONE, TWO, THREE = PLACES


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with labelling_store(tmp_path / "store.sqlite") as made:
        yield made


def reading(store: Store, field: int) -> FieldReading:
    sets = LabelSets(store)
    return sets.reading(sets.field(field))


def seen(store: Store, field: int, who: str) -> list[tuple[float, float]]:
    return [(cell.x, cell.y) for cell in reading(store, field).seen_by(who)]


# Reading


def test_a_person_sees_only_their_own_cells(store: Store) -> None:
    field = with_field(store, a_set(store))
    marked(store, field, "anna", *ONE, "lymphocyte")
    marked(store, field, "ben", *TWO, "monocyte")
    assert (seen(store, field, "anna"), seen(store, field, "ben")) == ([ONE], [TWO])


def test_two_taps_near_each_other_are_one_cell(store: Store) -> None:
    field = with_field(store, a_set(store))
    marked(store, field, "anna", 200, 200, "lymphocyte")
    marked(store, field, "ben", 225, 210, "lymphocyte")  # 2.7 µm away
    assert len(reading(store, field).cells) == 1


def test_cells_that_touch_are_two(store: Store) -> None:
    field = with_field(store, a_set(store))
    marked(store, field, "anna", 200, 200, "lymphocyte")
    marked(store, field, "anna", 270, 200, "lymphocyte")  # 7 µm
    assert len(reading(store, field).cells) == 2


def test_what_both_say_is_the_cells_label(store: Store) -> None:
    field = settled_field(store, a_set(store))
    found = reading(store, field)
    assert found.done
    assert sorted(found.labels().values()) == ["lymphocyte", "monocyte", "plasma_cell"]


def test_nothing_is_known_before_both_have_finished(store: Store) -> None:
    field = with_field(store, a_set(store))
    said_of(store, field, "anna", {ONE: "lymphocyte"})
    said_of(store, field, "ben", {ONE: "lymphocyte"}, finish=False)
    found = reading(store, field)
    assert (found.read, found.labels(), found.outcome(found.cells[0].id).standing) == (
        False,
        {},
        Standing.OPEN,
    )


def test_another_label_and_a_cell_that_one_alone_saw_are_disputed(store: Store) -> None:
    field = with_field(store, a_set(store))
    said_of(store, field, "anna", {ONE: "lymphocyte", TWO: "monocyte", THREE: "blast"})
    said_of(store, field, "ben", {ONE: "monocyte", THREE: "blast"})
    found = reading(store, field)
    assert [(cell.x, cell.y) for cell in found.disputed] == [ONE, TWO]
    assert [found.answers(cell.id) for cell in found.disputed] == [
        ["lymphocyte", "monocyte"],
        ["monocyte", None],
    ]


def test_a_third_settles_what_two_dispute(store: Store) -> None:
    field = with_field(store, a_set(store))
    said_of(store, field, "anna", {ONE: "lymphocyte", TWO: "monocyte"})
    said_of(store, field, "ben", {ONE: "monocyte"})
    one, two = reading(store, field).disputed
    asked(store, "settle_label_cell", by="cleo", cell=one.id, label="blast")
    asked(store, "settle_label_cell", by="cleo", cell=two.id, label=None)  # there is no cell
    found = reading(store, field)
    assert (found.done, found.labels()) == (True, {one.id: "blast"})


def test_nobody_settles_a_field_that_they_labelled(store: Store) -> None:
    field = with_field(store, a_set(store))
    said_of(store, field, "anna", {ONE: "lymphocyte"})
    said_of(store, field, "ben", {})
    with pytest.raises(ApplianceRefused, match="A third person settles it"):
        asked(store, "settle_label_cell", by="ben", cell=reading(store, field).cells[0].id, label="blast")


def test_what_they_agree_on_is_not_settled_again(store: Store) -> None:
    field = settled_field(store, a_set(store))
    with pytest.raises(ApplianceRefused, match="Nothing is to be settled"):
        asked(store, "settle_label_cell", by="cleo", cell=reading(store, field).cells[0].id, label="blast")


def test_a_finished_reading_stays_as_it_is(store: Store) -> None:
    field = with_field(store, a_set(store))
    said_of(store, field, "anna", {ONE: "lymphocyte"})
    with pytest.raises(ApplianceRefused, match="You finished this field"):
        marked(store, field, "anna", *ONE, "monocyte")


def test_a_third_person_does_not_label_a_field_that_two_label(store: Store) -> None:
    field = with_field(store, a_set(store))
    marked(store, field, "anna", *ONE, "lymphocyte")
    marked(store, field, "ben", *ONE, "lymphocyte")
    with pytest.raises(ApplianceRefused, match="Two people label this field already"):
        marked(store, field, "cleo", *ONE, "lymphocyte")


def test_where_one_person_is_enough_a_finished_field_is_known_and_may_be_corrected(store: Store) -> None:
    field = with_field(store, a_set(store, wanted=1))
    said_of(store, field, "anna", {ONE: "lymphocyte"})
    marked(store, field, "anna", *ONE, "plasma_cell")
    assert list(reading(store, field).labels().values()) == ["plasma_cell"]


def test_a_cell_that_is_taken_back_is_none(store: Store) -> None:
    field = with_field(store, a_set(store, wanted=1))
    said_of(store, field, "anna", {ONE: "lymphocyte", TWO: "monocyte"}, finish=False)
    said_of(store, field, "anna", {ONE: None})
    assert list(reading(store, field).labels().values()) == ["monocyte"]
    assert seen(store, field, "anna") == [TWO]


def test_nobody_takes_back_what_another_said(store: Store) -> None:
    field = with_field(store, a_set(store))
    marked(store, field, "anna", *ONE, "lymphocyte")
    with pytest.raises(ApplianceRefused, match="You gave no cell there a label"):
        marked(store, field, "ben", *ONE, None)


def test_places_of_the_detector_are_seen_by_both_and_are_cells_once_accepted(store: Store) -> None:
    field = with_field(store, a_set(store))
    picture = LabelSets(store).picture(field)
    places = [
        {
            "x": x,
            "y": y,
            "radius_um": 6.0,
            "crop": b64encode(pictures.crop_png(picture, UM_PER_PX, x, y)).decode(),
        }
        for x, y in (ONE, TWO)
    ]
    assert asked(store, "propose_label_cells", field=field, cells=places) == {"proposed": 2}
    assert asked(store, "propose_label_cells", field=field, cells=places) == {"proposed": 0}
    assert seen(store, field, "anna") == seen(store, field, "ben") == [ONE, TWO]
    said_of(store, field, "anna", {ONE: "lymphocyte"})
    said_of(store, field, "ben", {ONE: "lymphocyte"})
    assert list(reading(store, field).labels().values()) == ["lymphocyte"]


# What is kept


def test_the_crop_is_the_window_that_a_count_would_cut(store: Store) -> None:
    field = with_field(store, a_set(store))
    marked(store, field, "anna", 231.0, 187.0, "lymphocyte")
    sets = LabelSets(store)
    crop = pixels_of(sets.crop(reading(store, field).cells[0].id))
    whole = to_scale(pixels_of(sets.picture(field)), UM_PER_PX, 0.20)
    assert np.array_equal(crop, window(whole, 231 / 2, 187 / 2, 96))


def test_a_mark_says_who_when_where_and_under_which_calibration(store: Store) -> None:
    field = with_field(store, a_set(store))
    marked(store, field, "anna", *ONE, "lymphocyte")
    (row,) = store.rows(
        "SELECT m.who, m.at, m.label, c.x, c.y, f.calibration FROM label_marks m JOIN label_cells c ON c.id = m.cell "
        "JOIN label_fields f ON f.id = c.field"
    )
    assert row == {
        "who": "anna", "at": "2026-03-01T12:00:00.000+00:00", "label": "lymphocyte", "x": 200.0, "y": 200.0,
        "calibration": "stated: 0.1 µm/px",
    }  # fmt: skip


@pytest.mark.parametrize(
    "table", ["label_marks", "label_cells", "label_fields", "label_sets", "label_finished"]
)
def test_what_is_on_record_is_neither_changed_nor_deleted(store: Store, table: str) -> None:
    settled_field(store, a_set(store))
    for change in (f"UPDATE {table} SET who = 'x'", f"DELETE FROM {table}"):
        with pytest.raises(Exception, match="only by adding"):
            store.db.conn.execute(change)


def test_every_change_is_on_the_trail(store: Store) -> None:
    settled_field(store, a_set(store))
    lines = AuditTrail(store).entries()
    assert {(line.who, line.what) for line in lines} == {("anna", "label"), ("ben", "label")}
    assert len(lines) == 2 + 2 * 4  # set and field; three labels and an end for each


def test_the_trail_does_not_tell_one_labeller_what_the_other_said(store: Store) -> None:
    field = with_field(store, a_set(store))
    marked(store, field, "anna", *ONE, "plasma_cell")
    assert "plasma_cell" not in str(AuditTrail(store).entries())


def test_near_the_border_no_cell_is_labelled(store: Store) -> None:
    field = with_field(store, a_set(store))
    with pytest.raises(ApplianceRefused, match=r"10\.6 µm from the field's border"):
        marked(store, field, "anna", 100, 300, "lymphocyte")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"label": "unicorn"}, 'has no label "unicorn"'),
        ({"x": 9000}, "outside the field"),
        ({"x": "left"}, "are numbers"),
        ({"crop": "bm8="}, "no whole PNG"),
        ({"crop": b64encode(a_field()).decode()}, "96 × 96"),
    ],
)
def test_nonsense_is_refused_and_nothing_of_it_is_kept(store: Store, changes: dict, sentence: str) -> None:
    field = with_field(store, a_set(store))
    crop = b64encode(to_png(np.zeros((96, 96, 3), np.uint8))).decode()
    said = {"field": field, "x": 300, "y": 300, "label": "blast", "crop": crop, **changes}
    with pytest.raises(ApplianceRefused, match=sentence):
        asked(store, "mark_label_cell", **said)
    assert reading(store, field).cells == []


# Sets and fields


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": ""}, "needs a name"),
        ({"specimen": "tea"}, "marrow or blood"),
        ({"labels": ["Plasma Cell"]}, "small letters"),
        ({"labels": ["unidentified"]}, "no label of a set"),
        ({"wanted": 3}, "one or two"),
    ],
)
def test_a_set_that_cannot_be_is_refused(store: Store, changes: dict, sentence: str) -> None:
    with pytest.raises(ApplianceRefused, match=sentence):
        a_set(store, **changes)


def test_a_name_is_given_once(store: Store) -> None:
    a_set(store)
    with pytest.raises(ApplianceRefused, match="already"):
        a_set(store)


def test_a_picture_is_in_a_set_once(store: Store) -> None:
    set_id = a_set(store)
    with_field(store, set_id)
    with pytest.raises(ApplianceRefused, match="in the set already"):
        with_field(store, set_id)


def test_a_field_too_coarse_to_learn_from_is_refused(store: Store) -> None:
    picture = b64encode(a_field()).decode()
    with pytest.raises(ApplianceRefused, match="too coarse"):
        asked(store, "add_label_field", set=a_set(store), picture=picture, um_per_px=0.3, smear="1")


def test_as_coarse_as_a_count_takes_is_fine_enough() -> None:
    assert pytest.approx(0.20 * COARSEST) == pictures.COARSEST_UM_PER_PX


def test_a_picture_keeps_nothing_that_its_file_says_of_a_patient(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "Jane Doe, born 1970"
    path = tmp_path / "Jane Doe.jpg"
    Image.open(io.BytesIO(a_field())).save(path, "JPEG", exif=exif, comment=b"Jane Doe")
    assert b"Jane Doe" in path.read_bytes()
    assert b"Jane" not in taken(path.read_bytes())[0]


@pytest.mark.parametrize("data", [b"", b"GIF89a", a_field()[:-40], b"\x89PNG\r\n\x1a\n" + b"x" * 90])
def test_what_is_no_whole_picture_is_refused(data: bytes) -> None:
    with pytest.raises(ApplianceRefused, match="The picture"):
        taken(data)


def test_a_kept_field_of_a_run_has_the_runs_calibration_at_the_pictures_own_scale(store: Store) -> None:
    a_qc_run(store.path)
    set_id, sets = a_set(store), LabelSets(store)
    asked(store, "add_run_fields", set=set_id, run="0c0ffee", numbers=[0, 1, 2])
    fields = sets.fields(set_id)
    assert [(field.width, field.um_per_px, field.captured) for field in fields] == [(600, 0.2, True)] * 3
    assert {field.calibration for field in fields} == {"stated: 0.1 µm/px"}
    assert len({field.smear for field in fields}) == 1
    assert canonical(sets.picture(fields[0].id), 0.2).across == 1.0
    assert asked(store, "add_run_fields", set=set_id, run="0c0ffee", numbers=[0, 1, 2]) == {"fields": []}


def test_more_than_a_few_pictures_an_ask_are_refused(store: Store) -> None:
    with pytest.raises(ApplianceRefused, match="1 to 10 pictures"):
        asked(store, "add_run_fields", set=a_set(store), run=RUN, numbers=list(range(11)))


def test_what_a_set_is_called_is_not_on_the_trail(store: Store) -> None:
    set_id = a_set(store)
    (line,) = AuditTrail(store).entries()
    assert (line.subject, dict(line.details)) == (set_id, {"made": True})


def test_cells_of_a_signed_run_join_as_they_were_signed_and_each_once(store: Store) -> None:
    ended(store, labels=("lymphocyte", "blast", "artefact", None))
    set_id = a_set(store)
    with pytest.raises(ApplianceRefused, match="not signed"):
        asked(store, "join_run_cells", set=set_id, run=RUN, labels=[])
    signed(store, "final")
    assert asked(store, "join_run_cells", set=set_id, run=RUN, labels=["blast"]) == {"joined": 1}
    assert asked(store, "join_run_cells", set=set_id, run=RUN, labels=[]) == {"joined": 2}
    assert [one.label for one in LabelSets(store).singles(set_id)] == ["blast", "lymphocyte", "artefact"]


@pytest.mark.parametrize(
    ("run", "set_", "sentence"),
    [({"simulated": True}, {}, "simulated"), ({}, {"specimen": "marrow"}, "is of blood")],
)
def test_what_would_teach_something_else_does_not_join(
    store: Store, run: dict, set_: dict, sentence: str
) -> None:
    ended(store, **run)
    with pytest.raises(ApplianceRefused, match=sentence):
        asked(store, "join_run_cells", set=a_set(store, **set_), run=RUN, labels=[])
