"""Review over the API: labels given and taken back, signatures, notes, a second reading that sees no label."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builders_people import PASSWORD, PIN, a_cookie, a_person, kept_password, kept_pin, signed_in
from builders_review import RUN, ended, reclassify, review_store, signed
from builders_web import FakeInstrument, a_hub, settings

from appliance.accounts.lockout import Lockout, Way
from appliance.audit import AuditTrail
from appliance.review.signature import signatures
from appliance.run import State
from appliance.store import Store
from web.app import create_app
from web.hub import Hub

HERE = f"/api/v1/runs/{RUN}"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Any]:
    """A page, its instrument and its store of one run that has ended."""
    config = settings(tmp_path)
    review_store(config.store.path).close()
    fake = FakeInstrument(config.socket_path, None, config.store.path)
    app = create_app(config, Hub(a_hub(config)._follow))

    def person(role: str = "reviewer", name: str = "anna") -> Any:
        a_person(config, role, name, password=kept_password())
        return signed_in(app.test_client(), config, role, name)

    yield SimpleNamespace(config=config, person=person, anna=person(), store=lambda: Store(config.store.path))
    fake.dies()


def labels(review: Any) -> dict[int, str]:
    return {cell["cell"]: part["label"] for part in review["sections"] for cell in part["cells"]}


def count(review: Any, label: str) -> int:
    return next(row["count"] for row in review["tally"]["rows"] if row["label"] == label)


def give(client: Any, cells: list[int], to: str, expected: list[str]) -> Any:
    return client.post(f"{HERE}/review/changes", json={"cells": cells, "to": to, "expected": expected})


def test_the_cells_come_by_label_what_weighs_most_first(desk: Any) -> None:
    review = desk.anna.get(f"{HERE}/review").json
    assert [part["label"] for part in review["sections"]][:2] == ["blast", "unidentified"]
    assert labels(review) == {
        1: "lymphocyte",
        2: "lymphocyte",
        3: "monocyte",
        4: "blast",
        5: "unidentified",
        6: "artefact",
    }


def test_the_tally_follows_a_change_at_once_and_its_undo(desk: Any) -> None:
    made = give(desk.anna, [1, 5], "monocyte", ["lymphocyte", "unidentified"]).json
    assert (made["changed"], count(made["review"], "monocyte"), made["review"]["tally"]["unidentified"]) == (
        [1, 5],
        3,
        0,
    )
    assert made["review"]["undoable"] == made["batch"]
    back = desk.anna.post(f"{HERE}/review/changes/{made['batch']}/undo", json={}).json
    assert (labels(back["review"])[5], back["review"]["undoable"]) == ("unidentified", None)


def test_a_cell_says_who_changed_it_and_what_the_machine_says(desk: Any) -> None:
    review = give(desk.anna, [1], "monocyte", ["lymphocyte"]).json["review"]
    (cell,) = [cell for part in review["sections"] for cell in part["cells"] if cell["cell"] == 1]
    assert (cell["by"], cell["machine"], cell["looked"]) == ("anna", "lymphocyte", True)
    assert review["tally"]["machine"]["lymphocyte"] == 2


def test_what_somebody_else_changed_comes_back_as_a_sentence(desk: Any) -> None:
    give(desk.person(name="bert"), [1], "monocyte", ["lymphocyte"])
    answer = give(desk.anna, [1], "blast", ["lymphocyte"])
    assert answer.status_code == 409
    assert answer.json["detail"].startswith("Cell 1 is monocyte by now, not lymphocyte as you saw it (bert")


def test_who_only_watches_sees_the_gallery_and_changes_nothing(desk: Any) -> None:
    viewer = desk.person("viewer", "vera")
    review = viewer.get(f"{HERE}/review").json
    assert (review["may_review"], review["may_sign"]) == (False, False)
    assert review["why_not"]
    assert give(viewer, [1], "blast", ["lymphocyte"]).status_code == 403


def test_a_signature_is_of_the_digest_that_was_shown(desk: Any) -> None:
    seen = give(desk.anna, [5], "monocyte", ["unidentified"]).json["review"]["standing"]
    give(desk.person(name="bert"), [1], "blast", ["lymphocyte"])
    asked = {"status": "final", "digest": seen["digest"], "secret": PASSWORD}
    assert desk.anna.post(f"{HERE}/review/signatures", json=asked).status_code == 409
    asked["digest"] = desk.anna.get(f"{HERE}/review").json["standing"]["digest"]
    signed = desk.anna.post(f"{HERE}/review/signatures", json=asked).json["standing"]
    assert (signed["said"], signed["may"]) == ("Signed as final by anna.", [])
    assert signed["signatures"][0]["digest"] == asked["digest"]


def test_a_signed_result_never_changes_silently(desk: Any) -> None:
    digest = give(desk.anna, [5], "monocyte", ["unidentified"]).json["review"]["standing"]["digest"]
    desk.anna.post(
        f"{HERE}/review/signatures", json={"status": "final", "digest": digest, "secret": PASSWORD}
    )
    after = give(desk.anna, [1], "blast", ["lymphocyte"]).json["review"]["standing"]
    assert (after["changed"], after["may"]) == (True, ["amended"])
    assert "changed since it was signed" in after["said"]


def test_a_signature_needs_the_secret_of_who_signs_and_wrong_ones_lock_the_name(desk: Any) -> None:
    digest = give(desk.anna, [5], "monocyte", ["unidentified"]).json["review"]["standing"]["digest"]
    asked = {"status": "final", "digest": digest, "secret": "somebody's guess"}
    said = [desk.anna.post(f"{HERE}/review/signatures", json=asked).json["detail"] for _ in range(5)]
    assert set(said) == {"That is not your password. Type it again."}
    right = desk.anna.post(f"{HERE}/review/signatures", json={**asked, "secret": PASSWORD})
    assert right.json["detail"].startswith("Too many wrong tries.")
    assert desk.anna.get(f"{HERE}/review").json["standing"]["signatures"] == []
    with desk.store() as store:
        assert {
            row.details["for"] for row in AuditTrail(store).entries() if row.what == "sign-in refused"
        } == {"signature"}
        assert Lockout(store).failures("anna", Way.PASSWORD).count == 0, "sign-in elsewhere stays open"


def test_wrong_tries_at_the_door_keep_nobody_from_signing_who_is_signed_in(desk: Any) -> None:
    digest = give(desk.anna, [5], "monocyte", ["unidentified"]).json["review"]["standing"]["digest"]
    with desk.store() as store:
        for way in Way:
            for _ in range(6):
                Lockout(store).failed("anna", way, datetime.now(UTC))
    asked = {"status": "final", "digest": digest, "secret": PASSWORD}
    assert (
        desk.anna.post(f"{HERE}/review/signatures", json=asked).json["standing"]["said"].startswith("Signed")
    )


def test_who_signed_in_by_pin_signs_by_pin_and_by_nothing_else(desk: Any) -> None:
    seen = give(desk.anna, [5], "monocyte", ["unidentified"]).json["review"]["standing"]
    bert = desk.person(name="bert")
    a_person(desk.config, "reviewer", "bert", pin=kept_pin())
    with bert.session_transaction() as session:
        session["how"] = "pin"
    asked = {"status": "final", "digest": seen["digest"], "secret": PASSWORD}
    refused = bert.post(f"{HERE}/review/signatures", json=asked)
    assert refused.json["detail"] == "That is not your PIN. Type it again."
    assert bert.post(f"{HERE}/review/signatures", json={**asked, "secret": PIN}).status_code == 200
    with desk.store() as store:
        (line,) = AuditTrail(store).entries(1)
    assert (line.who, line.what, line.details["how"]) == ("bert", "sign", "pin")


@pytest.mark.parametrize(
    ("values", "seen_s_ago"),
    [({"password_given": 1}, 0.0), ({"disabled": 1}, 0.0), ({}, 4 * 3600.0)],
    ids=["a newcomer", "shut out", "a screen left alone"],
)
def test_nobody_signs_whose_session_is_not_good_for_it(
    desk: Any, values: dict[str, int], seen_s_ago: float
) -> None:
    digest = give(desk.anna, [5], "monocyte", ["unidentified"]).json["review"]["standing"]["digest"]
    bert = desk.person(name="bert")
    a_person(desk.config, "reviewer", "bert", **values)
    bert.set_cookie("hemadiff", a_cookie(desk.config, "reviewer", "bert", seen_s_ago))
    asked = {"status": "final", "digest": digest, "secret": PASSWORD}
    assert bert.post(f"{HERE}/review/signatures", json=asked).status_code in (401, 403)
    with desk.store() as store:
        assert signatures(store, RUN) == []


def test_nothing_unidentified_may_remain_when_it_is_signed(desk: Any) -> None:
    standing = desk.anna.get(f"{HERE}/review").json["standing"]
    assert standing["may"] == []
    assert "unidentified" in standing["why_not"]


def test_a_note_says_who_wrote_it(desk: Any) -> None:
    notes = desk.anna.post(f"{HERE}/review/notes", json={"text": "Thick at the edge."}).json["notes"]
    assert [(note["who"], note["text"]) for note in notes] == [("anna", "Thick at the edge.")]


@pytest.mark.parametrize(
    ("where", "body"),
    [
        ("changes", {"cells": ["1"], "to": "blast", "expected": ["lymphocyte"]}),
        ("changes", {"cells": [], "to": "blast", "expected": []}),
        ("signatures", {"status": "draft", "digest": "0" * 64, "secret": "x"}),
        ("signatures", {"status": "final", "digest": "0" * 64}),
        ("notes", {"text": ""}),
        ("notes", {"text": "x", "by": "bert"}),
    ],
)
def test_what_does_not_fit_is_refused_before_the_instrument_is_asked(
    desk: Any, where: str, body: Any
) -> None:
    assert desk.anna.post(f"{HERE}/review/{where}", json=body).status_code == 400


def test_a_run_that_goes_on_is_not_reviewed_and_one_that_is_not_there_is_missing(desk: Any) -> None:
    with desk.store() as store:
        ended(store, run="c0ffee00", state=State.PAUSED)
    assert desk.anna.get("/api/v1/runs/c0ffee00/review").status_code == 409
    assert desk.anna.get("/api/v1/runs/dddddddd/review").status_code == 404


def test_a_cell_looked_at_closely_has_what_is_beside_it_and_what_was_said_of_it(desk: Any) -> None:
    give(desk.anna, [1], "monocyte", ["lymphocyte"])
    cell = desk.anna.get(f"{HERE}/review/cells/1").json
    assert (cell["field"], cell["neighbours"], cell["width"]) == (0, [2, 3, 4, 5, 6], 60)
    assert set(cell["alternatives"]) <= {"lymphocyte", "monocyte", "platelet"}
    assert [(one["who"], one["after"]) for one in cell["history"]] == [("anna", "monocyte")]


def test_a_cell_at_the_border_is_not_there(desk: Any) -> None:
    assert desk.anna.get(f"{HERE}/review/cells/7").status_code == 404


def test_references_are_drawn_until_the_laboratory_has_signed_cells(desk: Any) -> None:
    found = desk.anna.get(f"{HERE}/review/references/monocyte").json
    assert found["signed"] == []
    assert desk.anna.get(found["drawn"][0]).mimetype == "image/png"
    with desk.store() as store:
        ended(store, ("monocyte", "lymphocyte"), run="c0ffee00", seconds=50)
        signed(store, "final", run="c0ffee00")
    assert desk.anna.get(f"{HERE}/review/references/monocyte").json["signed"] == [8]


def test_a_label_that_nobody_drew_has_no_drawing(desk: Any) -> None:
    assert desk.anna.get(f"{HERE}/review/references/artefact").json == {"signed": [], "drawn": []}
    assert desk.anna.get("/reference-cells/artefact/0.png").status_code == 404


def test_earlier_runs_of_a_patient_are_named_by_random_ids_alone(desk: Any) -> None:
    with desk.store() as store:
        for run, seconds in (("c0ffee00", 50), ("c0ffee01", 90)):
            ended(store, ("monocyte", "lymphocyte"), run=run, seconds=seconds, record_number="H-1234")
    answer = desk.anna.get("/api/v1/runs/c0ffee01/review/trend")
    assert [run["run"] for run in answer.json["runs"]] == ["c0ffee00", "c0ffee01"]
    assert {len(line["rows"]) for line in answer.json["lines"]} == {2}
    assert "H-1234" not in answer.text


def test_a_second_reader_sees_no_label_anywhere_until_it_is_finished(desk: Any) -> None:
    bert = desk.person(name="bert")
    begun = bert.post(f"{HERE}/second", json={}).json
    assert [cell["label"] for cell in begun["cells"]] == [None] * 6
    for place in ("review", "agreement", "review/trend"):
        assert bert.get(f"{HERE}/{place}").status_code == 409
    closely = bert.get(f"{HERE}/review/cells/1").json
    assert (closely["alternatives"], closely["history"], closely["findings"]) == ({}, [], [])
    assert bert.get(f"/runs/{RUN}/review").location == f"/runs/{RUN}/second"
    page = bert.get(f"/runs/{RUN}/second").text
    assert "machine" not in json.dumps(begun)
    assert '"probability"' not in page


def test_a_finished_second_reading_is_compared_for_everybody_who_may_look(desk: Any) -> None:
    bert = desk.person(name="bert")
    bert.post(f"{HERE}/second", json={})
    bert.post(f"{HERE}/second/changes", json={"cells": [1, 2, 3, 5, 6], "to": "lymphocyte"})
    made = bert.post(f"{HERE}/second/changes", json={"cells": [4], "to": "monocyte"}).json
    bert.post(f"{HERE}/second/changes/{made['undoable']}/undo", json={})
    assert bert.post(f"{HERE}/second/finish", json={}).status_code == 409
    bert.post(f"{HERE}/second/changes", json={"cells": [4], "to": "blast"})
    assert bert.post(f"{HERE}/second/finish", json={}).json["finished"]
    viewer = desk.person("viewer", "vera")
    (compared,) = viewer.get(f"{HERE}/agreement").json["comparisons"]
    assert (compared["second_reader"], compared["cells"]) == ("bert", 6)
    assert compared["machine_and_second"]["by_label"]["blast"]["kappa"] == 1
    assert "bert" in viewer.get(f"/runs/{RUN}/agreement").text


def test_a_second_reader_is_told_why_the_review_is_for_others(desk: Any) -> None:
    bert = desk.person(name="bert")
    bert.post(f"{HERE}/second", json={"sample": 1})
    (cell,) = bert.get(f"{HERE}/second").json["cells"]
    bert.post(f"{HERE}/second/changes", json={"cells": [cell["cell"]], "to": "lymphocyte"})
    bert.post(f"{HERE}/second/finish", json={})
    assert "nobody is first and second" in bert.get(f"{HERE}/review").json["why_not"]


def test_who_has_reviewed_cannot_read_second(desk: Any) -> None:
    with desk.store() as store:
        reclassify(store, [1], "monocyte", by="anna")
    answer = desk.anna.post(f"{HERE}/second", json={})
    assert "must be another person" in answer.json["detail"]
