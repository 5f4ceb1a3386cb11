"""What somebody withdraws from labelling is left out from then on, stays on record, and can be put back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builders_labelling import (
    PLACES,
    a_set,
    asked,
    labelling_store,
    marked,
    said_of,
    settled_field,
    with_field,
)
from builders_people import signed_in
from builders_review import RUN, ended, reclassify, signed
from builders_web import FakeInstrument, a_hub, settings

from appliance.audit import AuditTrail
from appliance.errors import ApplianceRefused
from appliance.labelling.needs import overview
from appliance.labelling.sets import LabelSets
from appliance.labelling.whole import whole_set
from appliance.store import Store
from web.app import create_app
from web.hub import Hub

ONE = PLACES[0]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with labelling_store(settings(tmp_path).store.path) as made:
        yield made


def withdraw_field(store: Store, field: int, withdrawn: bool = True) -> None:
    set_id = LabelSets(store).field(field).set
    asked(store, "withdraw_label_field", set=set_id, field=field, withdrawn=withdrawn)


def withdraw_set(store: Store, set_id: str, withdrawn: bool = True) -> None:
    asked(store, "withdraw_label_set", set=set_id, withdrawn=withdrawn)


def two_fields(store: Store) -> tuple[str, int, int]:
    set_id = a_set(store)
    return set_id, settled_field(store, set_id, 1, "1"), settled_field(store, set_id, 2, "2")


def exported(store: Store, set_id: str) -> list[str]:
    sets = LabelSets(store)
    return [field.smear for field in whole_set(sets, sets.get(set_id)).fields]


def test_a_withdrawn_field_is_neither_counted_nor_exported(store: Store) -> None:
    set_id, first, _ = two_fields(store)
    withdraw_field(store, first)
    sets = LabelSets(store)
    assert (exported(store, set_id), overview(sets, sets.get(set_id)).cells) == (["2"], 3)


def test_nothing_of_a_withdrawn_field_is_lost_and_it_can_be_put_back(store: Store) -> None:
    set_id, first, _ = two_fields(store)
    withdraw_field(store, first)
    withdraw_field(store, first, False)
    assert exported(store, set_id) == ["1", "2"]
    assert len(LabelSets(store).reading(LabelSets(store).field(first)).labels()) == 3


def test_a_withdrawn_field_moves_no_smear_to_another_split(store: Store) -> None:
    set_id, first, _ = two_fields(store)
    sets = LabelSets(store)
    before = whole_set(sets, sets.get(set_id)).splits["2"]
    withdraw_field(store, first)
    assert whole_set(sets, sets.get(set_id)).splits["2"] == before


def test_a_field_that_waits_keeps_the_place_of_its_smear_in_an_export(store: Store) -> None:
    set_id = a_set(store)
    with_field(store, set_id, 1, "1")
    settled_field(store, set_id, 2, "2")
    sets = LabelSets(store)
    of = whole_set(sets, sets.get(set_id), unfinished=True)
    counted = {count.label: count.split for count in overview(sets, sets.get(set_id)).counts}
    assert (of.splits["2"], counted["monocyte"]["val"]) == ("val", 1)


def test_a_withdrawn_field_is_not_labelled(store: Store) -> None:
    field = with_field(store, a_set(store))
    withdraw_field(store, field)
    with pytest.raises(ApplianceRefused, match=r"withdrawn\. Put it"):
        marked(store, field, "anna", *ONE, "lymphocyte")
    with pytest.raises(ApplianceRefused, match=r"withdrawn\. Put it"):
        asked(store, "propose_label_cells", field=field, cells=[])


def test_a_dispute_of_a_withdrawn_field_waits_for_nobody(store: Store) -> None:
    set_id = a_set(store)
    field = with_field(store, set_id)
    said_of(store, field, "anna", {ONE: "lymphocyte"})
    said_of(store, field, "ben", {})
    (cell,) = LabelSets(store).reading(LabelSets(store).field(field)).disputed
    withdraw_field(store, field)
    assert overview(LabelSets(store), LabelSets(store).get(set_id)).disputed == 0
    with pytest.raises(ApplianceRefused, match=r"withdrawn\. Put it"):
        asked(store, "settle_label_cell", by="cleo", cell=cell.id, label="lymphocyte")


def test_a_withdrawn_set_is_neither_labelled_nor_exported(store: Store) -> None:
    set_id, first, _ = two_fields(store)
    withdraw_set(store, set_id)
    assert LabelSets(store).all() == []
    for refused in (
        lambda: exported(store, set_id),
        lambda: with_field(store, set_id, 3),
        lambda: marked(store, first, "anna", *ONE, "lymphocyte"),
        lambda: withdraw_field(store, first),
    ):
        with pytest.raises(ApplianceRefused, match=r"withdrawn\. Put it"):
            refused()
    withdraw_set(store, set_id, False)
    assert exported(store, set_id) == ["1", "2"]


def test_what_is_withdrawn_already_is_not_withdrawn_again(store: Store) -> None:
    _, first, _ = two_fields(store)
    withdraw_field(store, first)
    with pytest.raises(ApplianceRefused, match="withdrawn already"):
        withdraw_field(store, first)


@pytest.mark.parametrize("withdrawn", ["yes", 1, None])
def test_whether_it_is_withdrawn_is_said_plainly(store: Store, withdrawn: Any) -> None:
    with pytest.raises(ApplianceRefused, match="true, or false"):
        withdraw_set(store, a_set(store), withdrawn)


def test_a_field_of_another_set_is_not_withdrawn(store: Store) -> None:
    one, other = a_set(store, "One"), a_set(store, "Other")
    field = with_field(store, other)
    with pytest.raises(ApplianceRefused, match="none of the set One"):
        asked(store, "withdraw_label_field", set=one, field=field, withdrawn=True)
    assert not LabelSets(store).field(field).withdrawn


def test_a_withdrawal_is_a_row_that_stays_and_a_line_of_the_trail(store: Store) -> None:
    _, first, _ = two_fields(store)
    withdraw_field(store, first)
    assert AuditTrail(store).entries()[0].details == {"withdrawn": True, "field": first}
    for change in ("UPDATE label_withdrawals SET withdrawn = 0", "DELETE FROM label_withdrawals"):
        with pytest.raises(Exception, match="only by adding"):
            store.db.conn.execute(change)


def test_cells_join_again_with_the_label_that_an_amendment_gave_them(store: Store) -> None:
    ended(store, labels=("lymphocyte", "blast"))
    set_id, sets = a_set(store), LabelSets(store)
    signed(store, "final")
    asked(store, "join_run_cells", set=set_id, run=RUN, labels=[])
    reclassify(store, [2], "monocyte")
    signed(store, "amended", note="Looked at again.")
    assert asked(store, "join_run_cells", set=set_id, run=RUN, labels=[]) == {"joined": 1}
    assert [one.label for one in sets.singles(set_id)] == ["lymphocyte", "monocyte"]
    assert len(store.rows("SELECT 1 FROM label_singles")) == 3


def test_a_cell_that_was_amended_teaches_nothing_until_it_joins_again(store: Store) -> None:
    ended(store, labels=("lymphocyte", "blast"))
    set_id, sets = a_set(store), LabelSets(store)
    signed(store, "final")
    asked(store, "join_run_cells", set=set_id, run=RUN, labels=[])
    reclassify(store, [1], "monocyte")
    assert sets.amended(set_id) == 0  # nobody has signed that
    signed(store, "amended", note="Looked at again.")
    asked(store, "join_run_cells", set=set_id, run=RUN, labels=["blast"])
    assert ([one.label for one in sets.singles(set_id)], sets.amended(set_id)) == (["blast"], 1)
    asked(store, "join_run_cells", set=set_id, run=RUN, labels=[])
    assert ({one.label for one in sets.singles(set_id)}, sets.amended(set_id)) == ({"blast", "monocyte"}, 0)


# On the pages


@pytest.fixture
def anna(tmp_path: Path) -> Iterator[Any]:
    config = settings(tmp_path)
    fake = FakeInstrument(config.socket_path, None, config.store.path)
    yield signed_in(create_app(config, Hub(a_hub(config)._follow)).test_client(), config, "reviewer", "anna")
    fake.dies()


def test_the_sets_page_says_that_cells_were_amended_since_they_joined(store: Store, anna: Any) -> None:
    ended(store, labels=("lymphocyte", "blast"))
    set_id = a_set(store)
    signed(store, "final")
    asked(store, "join_run_cells", set=set_id, run=RUN, labels=[])
    assert "amended since" not in anna.get(f"/labelling/{set_id}").text
    reclassify(store, [1], "monocyte")
    signed(store, "amended", note="Looked at again.")
    page = anna.get(f"/labelling/{set_id}").text
    assert ("1 joined cells were amended since" in page, "1 cells joined" in page) == (True, True)


def test_a_field_is_withdrawn_and_put_back_on_the_sets_page(store: Store, anna: Any) -> None:
    set_id, first, _ = two_fields(store)
    place = f"/labelling/{set_id}"
    anna.post(f"{place}/withdraw", data={"what": "field", "field": first})
    page = anna.get(place).text
    assert ("Fields: 1 of 1 done" in page, "Withdrawn: a field of smear 1" in page) == (True, True)
    assert "This field is withdrawn" in anna.get(f"/labelling/fields/{first}").text
    anna.post(f"{place}/withdraw", data={"what": "field", "field": first, "withdrawn": "no"})
    assert "Fields: 2 of 2 done" in anna.get(place).text


def test_a_set_is_withdrawn_and_put_back_from_the_list(store: Store, anna: Any) -> None:
    set_id, *_ = two_fields(store)
    answer = anna.post(f"/labelling/{set_id}/withdraw", data={"what": "set"})
    assert (answer.status_code, answer.location) == (303, "/labelling")
    assert "Withdrawn sets" in anna.get("/labelling").text
    page = anna.get(f"/labelling/{set_id}").text
    assert ("no export holds it" in page, "training.zip" in page) == (True, False)
    anna.post(f"/labelling/{set_id}/withdraw", data={"what": "set", "withdrawn": "no"})
    assert "Withdrawn sets" not in anna.get("/labelling").text


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"what": "field"},
        {"what": "field", "field": "abc"},
        {"what": "set", "field": "abc"},
        {"field": "1"},
    ],
)
def test_a_form_that_does_not_say_what_withdraws_nothing(
    store: Store, anna: Any, form: dict[str, str]
) -> None:
    set_id, *_ = two_fields(store)
    assert anna.post(f"/labelling/{set_id}/withdraw", data=form).status_code == 400
    assert not store.rows("SELECT 1 FROM label_withdrawals")


def test_every_form_of_the_set_and_of_the_list_says_what_it_withdraws(store: Store, anna: Any) -> None:
    set_id, first, _ = two_fields(store)
    withdraw_field(store, first)
    pages = anna.get(f"/labelling/{set_id}").text
    withdraw_set(store, set_id)
    pages += anna.get("/labelling").text + anna.get(f"/labelling/{set_id}").text
    forms = re.findall(r'action="/labelling/\w+/withdraw".*?</form>', pages, re.DOTALL)
    said = [re.findall(r'name="what" value="(\w+)"', form) for form in forms]
    assert said == [["field"] if 'name="field"' in form else ["set"] for form in forms]
    assert len(forms) == 5


def test_what_a_third_settled_can_be_corrected_by_another_row(
    store: Store, tmp_path: Path, anna: Any
) -> None:
    set_id = a_set(store)
    field = with_field(store, set_id)
    said_of(store, field, "ben", {ONE: "lymphocyte"})
    said_of(store, field, "cleo", {})
    (cell,) = LabelSets(store).reading(LabelSets(store).field(field)).disputed
    asked(store, "settle_label_cell", by="anna", cell=cell.id, label=None)
    page = anna.get(f"/labelling/{set_id}/disagreements").text
    assert "Settled: no cell" in page
    (address,) = set(re.findall(r'action="(/labelling/\w+/cells/\d+/settle)"', page))
    anna.post(address, data={"label": "monocyte"})
    assert LabelSets(store).reading(LabelSets(store).field(field)).labels() == {cell.id: "monocyte"}
    assert len(store.rows("SELECT 1 FROM label_settled")) == 2
