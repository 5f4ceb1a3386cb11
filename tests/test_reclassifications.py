"""A reviewer changes labels: new rows, the machine's answer stays, and the tally follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders_review import LABELS, RUN, ask, case, ended, reclassify, review_store
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.accounts.roles import Role, may
from appliance.audit import AuditTrail
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.review.asks import ASKS, NEEDS
from appliance.review.reclassifications import reclassifications, undoable
from appliance.review.reviewed import changed_by, labels_now, reviewed, reviewed_tally
from appliance.run import State
from appliance.store import Store
from models.panel import load_panel


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with review_store(tmp_path / "store.sqlite") as made:
        yield made


def test_a_reclassified_cell_is_counted_as_what_the_reviewer_says(store: Store) -> None:
    reclassify(store, [1], "blast")
    assert case(store).tally.counts == {
        "lymphocyte": 1, "monocyte": 1, "blast": 2, "unidentified": 1, "artefact": 1,
    }  # fmt: skip


def test_the_machines_answer_stays(store: Store) -> None:
    reclassify(store, [1], "blast")
    assert store.cells(RUN)[0].label == "lymphocyte"
    assert case(store).machine_tally == store.tally(RUN)


def test_a_row_says_who_when_from_and_to(store: Store) -> None:
    batch = reclassify(store, [1], "blast", by="anna")["batch"]
    (row,) = reclassifications(store, RUN)
    assert (row.cell, row.who, row.before, row.after, row.batch) == (1, "anna", "lymphocyte", "blast", batch)
    assert row.at.isoformat() == "2026-03-01T12:01:40+00:00"


def test_many_cells_change_in_one_batch_and_go_back_in_one(store: Store) -> None:
    batch = reclassify(store, [1, 2, 3], "blast")["batch"]
    assert case(store).tally.count("blast") == 4
    ask(store, "undo_reclassification", batch=batch, by="anna")
    assert case(store).tally == case(store).machine_tally


def test_undo_goes_back_step_by_step(store: Store) -> None:
    reclassify(store, [1], "blast")
    reclassify(store, [1], "monocyte")
    seen = []
    while batch := undoable(case(store).history, "anna"):
        ask(store, "undo_reclassification", batch=batch, by="anna")
        seen.append(case(store).labels[1])
    assert seen == ["blast", "lymphocyte"]


def test_undo_leaves_what_somebody_changed_since(store: Store) -> None:
    batch = reclassify(store, [1, 2], "blast", by="anna")["batch"]
    reclassify(store, [1], "monocyte", by="bert")
    said = ask(store, "undo_reclassification", batch=batch, by="anna")
    assert (said["changed"], said["left"]) == ([2], [1])
    assert (case(store).labels[1], case(store).labels[2]) == ("monocyte", "lymphocyte")


def test_undo_is_refused_where_everything_was_changed_since_and_says_by_whom(store: Store) -> None:
    batch = reclassify(store, [1], "blast", by="anna")["batch"]
    reclassify(store, [1], "monocyte", by="bert")
    with pytest.raises(ApplianceRefused, match="the last from bert"):
        ask(store, "undo_reclassification", batch=batch, by="anna")


def test_a_change_is_undone_once(store: Store) -> None:
    batch = reclassify(store, [1], "blast")["batch"]
    ask(store, "undo_reclassification", batch=batch, by="anna")
    with pytest.raises(ApplianceRefused, match="undone already"):
        ask(store, "undo_reclassification", batch=batch, by="bert")


def test_of_two_reviewers_at_once_the_second_is_told_what_the_first_did(store: Store) -> None:
    reclassify(store, [1], "segmented_neutrophil", by="anna")
    with pytest.raises(
        ApplianceRefused,
        match=r"Cell 1 is segmented neutrophil by now, not lymphocyte as you saw it \(anna changed it\)",
    ):
        ask(store, "reclassify", cells=[2, 1], to="blast", expected=["lymphocyte"] * 2, by="bert")
    assert case(store).labels[2] == "lymphocyte", "nothing of it happened"


def test_a_cell_that_has_the_label_already_gets_no_row(store: Store) -> None:
    assert reclassify(store, [3, 1], "monocyte")["changed"] == [1]
    assert reclassify(store, [3], "monocyte") == {"batch": None, "changed": []}
    assert len(reclassifications(store, RUN)) == 1


def test_a_cell_may_be_no_white_cell_and_leaves_the_count(store: Store) -> None:
    reclassify(store, [1], "artefact")
    assert (case(store).tally.counted, case(store).tally.not_counted) == (3, {"artefact": 2})


def test_a_cell_may_be_left_undecided_for_somebody_else(store: Store) -> None:
    reclassify(store, [1], "unidentified")
    assert case(store).tally.unidentified == 2


def test_erythroblasts_stay_outside_the_count_of_blood(store: Store) -> None:
    reclassify(store, [1], "erythroblast")
    tally = case(store).tally
    assert (tally.counted, tally.nrbc_per_100) == (3, pytest.approx(100 / 3))


def test_me_follows_in_marrow(tmp_path: Path) -> None:
    labels = ["myelocyte", "myelocyte", "myelocyte", "erythroblast"]
    with review_store(tmp_path / "store.sqlite", labels=labels, specimen="marrow") as store:
        reclassify(store, [1], "erythroblast")
        assert (case(store).machine_tally.me_ratio, case(store).tally.me_ratio) == (3.0, 1.0)


def test_who_changed_what_is_known(store: Store) -> None:
    reclassify(store, [1, 2], "blast", by="anna")
    reclassify(store, [2], "monocyte", by="bert")
    assert changed_by(case(store).history) == {"anna": 1, "bert": 1}


@pytest.mark.parametrize(
    ("cells", "to", "said"),
    [
        ([1], "lymphocite", 'Did you mean "lymphocyte"'),
        ([1], None, "has no label"),
        ([7], "blast", "border of its field"),
        ([99], "blast", "no cell 99"),
        (["1"], "blast", "no cell 1"),
        ([True], "blast", "no cell True"),
        ([], "blast", "No cell is chosen"),
    ],
)
def test_what_makes_no_sense_is_refused(store: Store, cells: list[int], to: str, said: str) -> None:
    with pytest.raises(ApplianceRefused, match=said):
        ask(store, "reclassify", cells=cells, to=to, expected=["lymphocyte"] * len(cells), by="anna")


def test_the_labels_that_were_seen_must_be_said_for_every_cell(store: Store) -> None:
    with pytest.raises(ApplianceRefused, match="for each cell"):
        ask(store, "reclassify", cells=[1, 2], to="blast", expected=["lymphocyte"], by="anna")


def test_somebody_must_be_named(store: Store) -> None:
    with pytest.raises(ApplianceRefused, match="Sign in"):
        reclassify(store, [1], "blast", by=" ")


@pytest.mark.parametrize("state", [State.COUNTING, State.PAUSED, State.FAILED])
def test_a_run_that_goes_on_or_failed_is_not_reviewed(tmp_path: Path, state: State) -> None:
    with (
        review_store(tmp_path / "store.sqlite", state=state) as store,
        pytest.raises(ApplianceRefused, match=f"{state}"),
    ):
        ask(store, "reclassify", cells=[1], to="blast", expected=["lymphocyte"], by="anna")


def test_a_cell_of_another_run_is_refused(store: Store) -> None:
    ended(store, ["lymphocyte"], run="ba9876543210")
    with pytest.raises(ApplianceRefused, match="no cell 8"):
        ask(store, "reclassify", cells=[8], to="blast", expected=["lymphocyte"], by="anna")


def test_rows_are_never_rewritten(store: Store) -> None:
    reclassify(store, [1], "blast")
    for sql in ("UPDATE reclassifications SET who = 'bert'", "DELETE FROM reclassifications"):
        with pytest.raises(Exception, match="only by adding"):
            store.db.conn.execute(sql)


def test_a_change_and_its_line_of_the_trail_happen_together(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    reclassify(store, [1], "blast")
    (line,) = AuditTrail(store).entries()
    assert (line.who, line.what, line.subject, line.details["cells"]) == ("anna", "reclassify", RUN, [1])

    def failing(*_: object, **__: object) -> None:
        raise ApplianceError("the disk is full")

    monkeypatch.setattr(AuditTrail, "add", failing)
    with pytest.raises(ApplianceError, match="disk is full"):
        reclassify(store, [2], "blast")
    assert case(store).labels[2] == "lymphocyte"


def test_the_page_sees_what_the_instrument_wrote(store: Store) -> None:
    reclassify(store, [1], "blast")
    with Store.read_only(store.path) as page:
        assert (case(page).digest, case(page).tally) == (case(store).digest, case(store).tally)


def test_every_ask_says_what_a_person_must_be_allowed() -> None:
    assert NEEDS.keys() == ASKS.keys()
    assert all(may(Role.REVIEWER, needed) and not may(Role.VIEWER, needed) for needed in NEEDS.values())


GIVEN = st.sampled_from([*load_panel("smear-13").names, "unidentified"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.lists(st.integers(1, 6), min_size=1, max_size=4, unique=True), GIVEN),
        st.integers(0, 9),  # undo the batch of that number, if there is one
    ),
    max_size=12,
)


def test_the_tally_follows_any_reclassifications_and_undos(tmp_path: Path) -> None:
    numbers = iter(range(10**6))
    with review_store(tmp_path / "store.sqlite") as store:

        @given(STEPS)
        @settings(max_examples=20)
        def follows(steps: list[tuple[list[int], str] | int]) -> None:
            run = ended(store, run=f"{next(numbers):012d}")
            ids = [cell.id for cell in case(store, run).machine]
            stacks = {cell: [label] for cell, label in zip(ids, LABELS, strict=True)}  # the model
            batches: list[tuple[str, list[int]]] = []
            for step in steps:
                if isinstance(step, tuple):
                    cells = [ids[number - 1] for number in step[0]]
                    said = reclassify(store, cells, step[1], run=run)
                    for cell in said["changed"]:
                        stacks[cell].append(f"{said['batch']} {step[1]}")
                    if said["batch"]:
                        batches.append((said["batch"], said["changed"]))
                elif step < len(batches):
                    batch, members = batches[step]
                    on_top = [cell for cell in members if str(stacks[cell][-1]).startswith(batch)]
                    if on_top:
                        said = ask(store, "undo_reclassification", run=run, batch=batch, by="bert")
                        assert sorted(said["changed"]) == sorted(on_top)
                        for cell in on_top:
                            stacks[cell].pop()
                    else:
                        with pytest.raises(ApplianceRefused):
                            ask(store, "undo_reclassification", run=run, batch=batch, by="bert")
            expected = {cell: stack[-1] and stack[-1].split()[-1] for cell, stack in stacks.items()}
            now = case(store, run)
            assert now.labels == expected
            counts = Counter(label for label in expected.values() if label)
            assert now.tally.counts == counts
            assert now.tally.at_border == 1
            assert now.tally == reviewed_tally(now.tally.rules, labels_now(now.machine, now.history))
            assert {cell.id: cell.label for cell in reviewed(now.machine, now.history)} == {
                cell: label for cell, label in expected.items() if label
            }

        follows()


def test_undo_puts_a_cell_back_as_it_was_without_a_mark_of_a_person(store: Store) -> None:
    before = case(store).cells
    batch = reclassify(store, [5], "artefact")["batch"]
    ask(store, "undo_reclassification", batch=batch, by="anna")
    assert case(store).cells == before
