"""A signature is bound to what was signed; nothing that was signed changes without being seen to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders_review import RUN, a_reviewer, ask, case, reclassify, review_store, signed

from appliance.accounts.accounts import Accounts
from appliance.accounts.lockout import Lockout, Wanted, Way, counted_as
from appliance.audit import AuditTrail
from appliance.errors import ApplianceRefused
from appliance.review.signature import Standing, Status, next_statuses, signatures, standing, verify
from appliance.run import State
from appliance.service_desk import at_desk
from appliance.store import Store

CLEAR = ("lymphocyte", "lymphocyte", "monocyte", "blast", None)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with review_store(tmp_path / "store.sqlite", labels=CLEAR) as made:
        yield made


def stands(store: Store) -> Standing:
    return standing(case(store), signatures(store, RUN))


@pytest.mark.parametrize(
    ("last", "changed", "next_"),
    [
        (None, False, (Status.PRELIMINARY, Status.FINAL)),
        (Status.PRELIMINARY, False, (Status.FINAL,)),
        (Status.PRELIMINARY, True, (Status.PRELIMINARY, Status.FINAL)),
        (Status.FINAL, False, ()),
        (Status.FINAL, True, (Status.AMENDED,)),
        (Status.AMENDED, False, ()),
        (Status.AMENDED, True, (Status.AMENDED,)),
    ],
)
def test_a_result_goes_from_preliminary_to_final_to_amended(last, changed, next_):
    assert next_statuses(last, changed) == next_


def test_a_signature_says_who_when_as_what_and_of_what(store: Store) -> None:
    signed(store, "final", by="dr.berg", note="Seen with Dr. Holm.")
    (row,) = signatures(store, RUN)
    assert (row.who, row.status, row.digest, row.note) == (
        "dr.berg", Status.FINAL, case(store).digest, "Seen with Dr. Holm.",
    )  # fmt: skip
    kept = json.loads(row.statement)
    assert kept["tally"]["counts"] == {"lymphocyte": 2, "monocyte": 1, "blast": 1}
    assert (kept["machine"]["weights"], kept["rules"]["panel"]) == ("smear-13 v1 (abc123)", "smear-13")


def test_preliminary_by_one_and_final_by_another(store: Store) -> None:
    signed(store, "preliminary", by="anna")
    signed(store, "final", by="dr.berg")
    assert [(row.status, row.who) for row in signatures(store, RUN)] == [
        ("preliminary", "anna"), ("final", "dr.berg"),
    ]  # fmt: skip


def test_every_label_is_in_the_digest_also_of_what_is_not_counted(tmp_path: Path) -> None:
    with review_store(tmp_path / "store.sqlite", labels=("lymphocyte", "lymphocyte", "artefact")) as store:
        digests = {case(store).digest}
        for cells, to in (([1], "monocyte"), ([2], "monocyte"), ([3], "platelet")):
            reclassify(store, cells, to)
            digests.add(case(store).digest)
        assert len(digests) == 4


def test_two_cells_that_change_places_give_another_digest_at_the_same_tally(store: Store) -> None:
    before = case(store)
    reclassify(store, [1], "monocyte")
    reclassify(store, [3], "lymphocyte")
    assert case(store).tally == before.tally
    assert case(store).digest != before.digest


def test_a_change_that_was_taken_back_leaves_the_digest_as_it_was(store: Store) -> None:
    signed(store, "final")
    batch = reclassify(store, [1], "blast")["batch"]
    assert stands(store).changed
    ask(store, "undo_reclassification", batch=batch, by="anna")
    assert not stands(store).changed


def test_what_was_not_seen_cannot_be_signed(store: Store) -> None:
    seen = case(store).digest
    reclassify(store, [1], "segmented_neutrophil", by="bert")
    with pytest.raises(ApplianceRefused, match="bert made cell 1 segmented neutrophil"):
        signed(store, "final", digest=seen)


def test_nothing_unidentified_is_signed(tmp_path: Path) -> None:
    with review_store(tmp_path / "store.sqlite") as store:
        with pytest.raises(ApplianceRefused, match="1 cell is unidentified"):
            signed(store, "preliminary")
        reclassify(store, [5], "blast")
        assert signed(store, "final")["status"] == "final"


@pytest.mark.parametrize("state", [State.FAILED, State.COUNTING, State.PAUSED, State.PREPARING])
def test_a_run_that_goes_on_or_failed_is_not_signed(tmp_path: Path, state: State) -> None:
    with (
        review_store(tmp_path / "store.sqlite", labels=CLEAR, state=state) as store,
        pytest.raises(ApplianceRefused, match=r"when it has ended|failed"),
    ):
        signed(store, "final", digest="0" * 64)


def test_too_few_cells_are_signed_as_preliminary_with_a_note_and_never_as_final(tmp_path: Path) -> None:
    with review_store(
        tmp_path / "store.sqlite", labels=CLEAR, state=State.INSUFFICIENT, min_cells=300
    ) as store:
        with pytest.raises(ApplianceRefused, match="Sign it as preliminary"):
            signed(store, "final", note="The smear was poor.")
        with pytest.raises(ApplianceRefused, match=r"4 of at least 300 cells are counted.* Write a note"):
            signed(store, "preliminary")
        signed(store, "preliminary", note="The smear was poor.")
        with pytest.raises(ApplianceRefused, match="Only a preliminary result"):
            signed(store, "final", note="The smear was poor.")


def test_enough_cells_of_a_run_that_aimed_at_more_are_final_with_a_note(tmp_path: Path) -> None:
    with review_store(
        tmp_path / "store.sqlite", labels=CLEAR, state=State.INSUFFICIENT, min_cells=4
    ) as store:
        with pytest.raises(ApplianceRefused, match="Write a note"):
            signed(store, "final")
        assert signed(store, "final", note="Blasts are in doubt.")["status"] == "final"


@pytest.mark.parametrize("least", [4, 300])
def test_a_stopped_count_is_no_result_and_not_signed(tmp_path: Path, least: int) -> None:
    stopped = {"labels": CLEAR, "state": State.STOPPED, "min_cells": least}
    with review_store(tmp_path / "store.sqlite", **stopped) as store:
        assert stands(store).may == ()
        for status in ("preliminary", "final"):
            with pytest.raises(ApplianceRefused, match="a stopped count is no result"):
                signed(store, status, note="The smear was poor.")


def test_a_completed_run_that_lost_cells_in_review_needs_a_note(tmp_path: Path) -> None:
    with review_store(tmp_path / "store.sqlite", labels=CLEAR, min_cells=4) as store:
        reclassify(store, [1], "artefact")
        with pytest.raises(ApplianceRefused, match="After review 3 of at least 4 cells"):
            signed(store, "final")
        assert signed(store, "final", note="One was stain.")["status"] == "final"


def test_a_final_result_that_lost_its_cells_can_still_be_amended(tmp_path: Path) -> None:
    with review_store(
        tmp_path / "store.sqlite", labels=CLEAR, state=State.INSUFFICIENT, min_cells=4
    ) as store:
        signed(store, "final", note="Enough.")
        reclassify(store, [1], "artefact")
        assert signed(store, "amended", note="One was stain.")["status"] == "amended"


def test_a_quality_control_is_no_result_and_not_signed(tmp_path: Path) -> None:
    with (
        review_store(tmp_path / "store.sqlite", labels=CLEAR, qc=True) as store,
        pytest.raises(ApplianceRefused, match="quality control"),
    ):
        signed(store, "final")


def test_a_run_without_counted_cells_is_not_signed(tmp_path: Path) -> None:
    with (
        review_store(tmp_path / "store.sqlite", labels=["artefact"], state=State.INSUFFICIENT) as store,
        pytest.raises(ApplianceRefused, match="No cell of this run counts"),
    ):
        signed(store, "preliminary", note="Nothing there.")


def test_a_signed_result_that_changes_says_so_until_an_amendment_is_signed(store: Store) -> None:
    signed(store, "final", by="dr.berg")
    reclassify(store, [1], "blast")
    assert str(stands(store)) == "Signed as final by dr.berg; changed since it was signed: sign an amendment."
    signed(store, "amended", by="dr.berg", note="Cell 1 is a blast.")
    assert str(stands(store)) == "Signed as amended by dr.berg."


def test_an_amendment_says_why(store: Store) -> None:
    signed(store, "final")
    reclassify(store, [1], "blast")
    with pytest.raises(ApplianceRefused, match="Say why the signed result is amended"):
        signed(store, "amended", note="  ")


def test_nothing_is_amended_that_has_not_changed(store: Store) -> None:
    signed(store, "final")
    with pytest.raises(ApplianceRefused, match="To amend it, change a label first"):
        signed(store, "amended", note="Once more.")


def test_of_two_who_sign_at_once_the_second_is_told_who_was_first(store: Store) -> None:
    signed(store, "final", by="anna")
    with pytest.raises(ApplianceRefused, match="anna has signed it as final"):
        signed(store, "final", by="dr.berg")


@pytest.mark.parametrize("status", ["amended", "sealed", "", None])
def test_a_status_that_may_not_come_next_is_refused(store: Store, status: str) -> None:
    with pytest.raises(ApplianceRefused, match="Sign it as preliminary or final"):
        signed(store, status)


def test_all_signatures_are_as_they_were_given(store: Store) -> None:
    signed(store, "preliminary")
    reclassify(store, [1], "blast")
    signed(store, "final")
    reclassify(store, [2], "blast")
    found = verify(store, case(store))
    assert (found.signatures, found.changed, found.problems) == (2, True, ())


def tampered(store: Store, table: str, sql: str) -> None:
    store.db.conn.execute(f"DROP TRIGGER {table}_no_update")
    store.db.conn.execute(sql)


def test_a_cell_that_was_rewritten_behind_the_signature_is_found(store: Store) -> None:
    signed(store, "final")
    tampered(store, "cells", "UPDATE cells SET label = 'blast' WHERE id = 1")
    (said,) = verify(store, case(store)).problems
    assert "other labels, tally than the store" in said


def test_a_statement_that_was_rewritten_is_found(store: Store) -> None:
    signed(store, "final")
    tampered(store, "signatures", "UPDATE signatures SET statement = replace(statement, 'monocyte', 'blast')")
    (said,) = verify(store, case(store)).problems
    assert "does not fit the statement" in said


def test_another_result_of_other_weights_has_another_digest(store: Store) -> None:
    before = case(store).digest
    store.db.conn.execute("DROP TRIGGER runs_no_other_scale")  # nobody else can
    store.db.conn.execute("UPDATE runs SET weights = 'smear-13 v2 (def456)'")
    assert case(store).digest != before


def test_a_mark_is_part_of_what_is_signed(store: Store) -> None:
    before = case(store).digest
    store.db.conn.execute("""UPDATE runs SET marks = '["The calibration expired."]'""")
    assert case(store).digest != before


def test_signing_is_on_the_audit_trail_with_its_digest(store: Store) -> None:
    digest = signed(store, "final", by="dr.berg")["digest"]
    line = AuditTrail(store).entries()[0]
    assert (line.who, line.what, line.subject, line.details["digest"]) == ("dr.berg", "sign", RUN, digest)
    assert line.details["how"] == "pin"


# Who may sign, as the instrument sees it: it is asked by more than the page


def asked(store: Store, **changes: str) -> object:
    """Ask for anna's signature as whoever reaches the socket does."""
    said = {"run": RUN, "by": "anna", "status": "final", "digest": case(store).digest, "how": "pin"}
    return at_desk(store, "sign", {key: value for key, value in {**said, **changes}.items() if value})


@pytest.mark.parametrize(
    ("how", "said"),
    [("", "how"), ("pin, signed in", "Say how it was proved"), ("face", "Say how it was proved")],
)
def test_nobody_signs_without_having_proved_who_they_are(store: Store, how: str, said: str) -> None:
    a_reviewer(store, "anna")
    with pytest.raises(ApplianceRefused, match=said):
        asked(store, how=how)


def test_who_is_locked_in_a_way_does_not_sign_in_that_way(store: Store) -> None:
    a_reviewer(store, "anna")
    for _ in range(5):
        at_desk(store, "sign_in_refused", {"name": "anna", "how": "pin", "wanted": "signature"})
    with pytest.raises(ApplianceRefused, match="Too many wrong tries"):
        asked(store)
    assert signatures(store, RUN) == []
    asked(store, how="password")


def test_wrong_tries_before_a_signature_are_forgotten_by_it_and_come_back_where_it_is_refused(
    store: Store,
) -> None:
    a_reviewer(store, "anna")
    counted = counted_as(Way.PIN, Wanted.SIGNATURE)
    at_desk(store, "sign_in_refused", {"name": "anna", "how": "pin", "wanted": "signature"})
    with pytest.raises(ApplianceRefused):
        asked(store, digest="0" * 64)
    assert Lockout(store).failures("anna", counted).count == 1
    asked(store)
    assert Lockout(store).failures("anna", counted).count == 0


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"disabled": 1}, "is closed"),
        ({"role": "viewer"}, "anna may not sign: the role is viewer"),
        ({"role": "operator"}, "may not sign"),
    ],
)
def test_who_was_shut_out_or_has_another_role_does_not_sign(
    store: Store, values: dict[str, object], said: str
) -> None:
    a_reviewer(store, "anna")
    Accounts(store).change("anna", **values)
    with pytest.raises(ApplianceRefused, match=said):
        asked(store)


def test_who_has_no_account_does_not_sign(store: Store) -> None:
    with pytest.raises(ApplianceRefused, match='no account "anna"'):
        asked(store)
