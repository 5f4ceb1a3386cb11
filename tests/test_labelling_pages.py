"""The pages of labelling: what each person may see, and what is asked of the instrument."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile

import pytest
from builders_labelling import (
    PLACES,
    UM_PER_PX,
    a_field,
    a_set,
    labelling_store,
    said_of,
    settled_field,
    with_field,
)
from builders_people import signed_in
from builders_qc import a_qc_run
from builders_review import RUN, ended, signed
from builders_web import FakeInstrument, a_hub, settings

from appliance.audit import AuditTrail
from appliance.labelling.sets import LabelSets
from web.app import create_app
from web.hub import Hub

ONE, TWO, THREE = PLACES


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Any]:
    """A page, its instrument and its store with an empty set."""
    config = settings(tmp_path)
    with labelling_store(config.store.path) as store:
        set_id = a_set(store)
    fake = FakeInstrument(config.socket_path, None, config.store.path)
    app = create_app(config, Hub(a_hub(config)._follow))

    def person(name: str, role: str = "reviewer") -> Any:
        return signed_in(app.test_client(), config, role, name)

    yield SimpleNamespace(
        config=config, person=person, anna=person("anna"), ben=person("ben"), set=set_id, fake=fake,
        store=lambda: labelling_store(config.store.path),
    )  # fmt: skip
    fake.dies()


def mark(person: Any, field: int, place: tuple[int, int], label: str | None) -> Any:
    return person.post(f"/labelling/fields/{field}/mark", json={"x": place[0], "y": place[1], "label": label})


def cells(person: Any, field: int) -> dict[tuple[float, float], str | None]:
    said = person.get(f"/labelling/fields/{field}/cells").json
    return {(cell["x"], cell["y"]): cell["label"] for cell in said["cells"]}


def test_two_people_label_blind_and_a_third_settles_on_the_page(desk: Any) -> None:
    with desk.store() as store:
        field = with_field(store, desk.set)
    for place, label in ((ONE, "lymphocyte"), (TWO, "blast")):
        assert mark(desk.anna, field, place, label).status_code == 200
    mark(desk.ben, field, ONE, "monocyte")
    mark(desk.ben, field, TWO, "blast")
    assert cells(desk.ben, field) == {ONE: "monocyte", TWO: "blast"}
    for person in (desk.anna, desk.ben):
        assert person.post(f"/labelling/fields/{field}/finish", json={}).status_code == 200
    cleo = desk.person("cleo")
    page = cleo.get(f"/labelling/{desk.set}/disagreements").text
    assert "One says Lymphocyte, the other Monocyte." in page
    assert not re.search("anna|ben", page), "who said what is not shown"
    (address,) = set(re.findall(r'action="(/labelling/\w+/cells/\d+/settle)"', page))
    assert cleo.post(address, data={"label": "lymphocyte"}).status_code == 303
    assert cells(cleo, field) == {ONE: "lymphocyte", TWO: "blast"}


def test_who_labelled_a_field_is_told_that_others_settle_it(desk: Any) -> None:
    with desk.store() as store:
        field = with_field(store, desk.set)
        said_of(store, field, "anna", {ONE: "lymphocyte"})
        said_of(store, field, "ben", {})
    page = desk.anna.get(f"/labelling/{desk.set}/disagreements").text
    assert "1 more are of fields that you labelled yourself" in page
    assert "/settle" not in page


def test_a_crop_of_a_blind_field_is_shown_to_nobody_else(desk: Any) -> None:
    with desk.store() as store:
        field = with_field(store, desk.set)
        said_of(store, field, "anna", {ONE: "lymphocyte"})
        sets = LabelSets(store)
        cell = sets.reading(sets.field(field)).cells[0].id
    assert desk.anna.get(f"/labelling/cells/{cell}.png").mimetype == "image/png"
    assert desk.ben.get(f"/labelling/cells/{cell}.png").status_code == 404


def test_a_set_is_made_and_stands_in_the_list(desk: Any) -> None:
    said = {
        "name": "Erythroid",
        "panel": "marrow-16",
        "specimen": "marrow",
        "more": "plasma_cell, mast_cell",
        "wanted": "1",
    }
    assert desk.anna.post("/labelling", data=said).status_code == 303
    assert "Erythroid" in desk.anna.get("/labelling").text
    with desk.store() as store:
        made = LabelSets(store).get("Erythroid")
    assert (made.wanted, made.labels[-1], made.specimen) == (1, "mast_cell", "marrow")


def test_a_picture_is_taken_without_its_name_and_stands_in_the_list(desk: Any) -> None:
    address = f"/labelling/{desk.set}/pictures?um_per_px={UM_PER_PX}"
    answer = desk.anna.post(address, data=a_field(), headers={"X-Smear": "7"})
    assert answer.status_code == 200, answer.json
    page = desk.anna.get(f"/labelling/{desk.set}").text
    assert f'href="/labelling/fields/{answer.json["field"]}"' in page
    assert "smear 7" in page


@pytest.mark.parametrize(
    ("query", "body", "sentence"),
    [
        ("um_per_px=0.1", b"nonsense", "no PNG, JPEG, TIFF or WebP"),
        ("", a_field(), "how many micrometres a pixel is"),
        ("um_per_px=0.5", a_field(), "too coarse"),
    ],
)
def test_a_picture_that_cannot_be_used_is_refused_in_a_sentence(
    desk: Any, query: str, body: bytes, sentence: str
) -> None:
    answer = desk.anna.post(f"/labelling/{desk.set}/pictures?{query}", data=body)
    assert (answer.status_code, sentence in answer.json["detail"]) == (409, True)


def test_what_a_smear_is_called_names_nobody_and_stands_in_no_address(desk: Any) -> None:
    address = f"/labelling/{desk.set}/pictures?um_per_px={UM_PER_PX}"
    answer = desk.anna.post(address, data=a_field(), headers={"X-Smear": "Jane Doe"})
    assert "that name nobody" in answer.json["detail"]
    desk.anna.post(f"{address}&smear=H-4711", data=a_field())
    with desk.store() as store:
        (field,) = LabelSets(store).fields(desk.set)
    assert field.smear == "1"


def test_every_kept_field_of_a_run_is_added_a_few_an_ask(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    a_qc_run(desk.config.store.path)
    monkeypatch.setattr("web.labelling.MOST_AT_ONCE", 2)
    desk.anna.post(f"/labelling/{desk.set}/runs", data={"run": "0c0ffee", "what": "fields"})
    asks = [len(said["numbers"]) for what, said in desk.fake.asked if what == "add_run_fields"]
    assert asks == [2, 1]
    assert "3 fields were added." in desk.anna.get(f"/labelling/{desk.set}").text


def test_a_picture_that_is_too_long_is_refused_before_it_is_read(desk: Any) -> None:
    answer = desk.anna.post(f"/labelling/{desk.set}/pictures?um_per_px=0.1", data=b"x" * (21 << 20))
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "body", [[], {"x": 1}, {"x": "1", "y": 2, "label": "blast"}, {"x": 1e9, "y": 2, "label": None}]
)
def test_nonsense_is_refused_before_the_instrument_hears_of_it(desk: Any, body: Any) -> None:
    with desk.store() as store:
        field = with_field(store, desk.set)
    assert desk.anna.post(f"/labelling/fields/{field}/mark", json=body).status_code == 400
    assert desk.fake.asked == []


def test_cells_of_a_signed_run_join_from_the_page(desk: Any) -> None:
    with desk.store() as store:
        ended(store, labels=("lymphocyte", "blast"))
        signed(store, "final")
    answer = desk.anna.post(
        f"/labelling/{desk.set}/runs", data={"run": RUN[:6], "what": "cells"}, follow_redirects=True
    )
    assert "2 cells joined." in answer.text


def test_the_counts_stand_against_what_training_needs(desk: Any) -> None:
    with desk.store() as store:
        settled_field(store, desk.set)
    page = desk.anna.get(f"/labelling/{desk.set}").text
    row = re.search(r"Lymphocyte</th>(.*?)</tr>", page, re.S)
    assert row
    assert re.findall(r"\d+ / \d+|\d+</td>", row.group(1))[0] == "1 / 349"
    assert "not a label of the training command yet" in page, "plasma cells"


@pytest.mark.parametrize("layout", ["training", "coco", "yolo"])
def test_a_set_is_taken_home_as_one_file_and_the_trail_says_so(desk: Any, layout: str) -> None:
    with desk.store() as store:
        settled_field(store, desk.set)
        with_field(store, desk.set, 9)
    refused = desk.anna.get(f"/labelling/{desk.set}/{layout}.zip")
    assert (refused.status_code, "1 field of Marrow 2026 wait" in refused.text) == (409, True)
    answer = desk.anna.get(f"/labelling/{desk.set}/{layout}.zip?unfinished=yes")
    with ZipFile(io.BytesIO(answer.data)) as folder:
        assert "set.json" in folder.namelist()
    with desk.store() as store:
        line = AuditTrail(store).entries(1)[0]
    assert (line.who, line.what, line.details) == ("anna", "export", {"layout": layout})


def test_only_those_who_may_label_open_it(desk: Any) -> None:
    assert desk.person("olga", "operator").get("/labelling").status_code == 403


@pytest.mark.parametrize(
    "address",
    ["/labelling/ffff", "/labelling/fields/99", "/labelling/cells/9.png", "/labelling/fields/9/cells"],
)
def test_what_is_not_there_is_missing(desk: Any, address: str) -> None:
    assert desk.anna.get(address).status_code == 404


def test_the_pages_hold_no_script_and_no_style_that_their_policy_refuses(desk: Any) -> None:
    with desk.store() as store:
        field = with_field(store, desk.set)
    for page in (
        "/labelling",
        f"/labelling/{desk.set}",
        f"/labelling/fields/{field}",
        f"/labelling/{desk.set}/disagreements",
    ):
        said = desk.anna.get(page).text
        assert "Research use only" in said
        assert re.findall(r"<script>|<style|\bstyle=|\bon\w+=", said) == []
        named = re.findall(r'"(/static/labelling/[^"]+)"', said)
        assert [name for name in named if desk.anna.get(name).status_code != 200] == []
