"""When a run stood still, from the states that it was in."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from builders_store import at, commit, create, plan

from appliance.reports.course import Break, Course, course_of
from appliance.run import State
from appliance.run_in_hand import recover
from appliance.store import Store
from appliance.tally import Tally

STATES = {"r": State.PREPARING, "c": State.COUNTING, "p": State.PAUSED, "s": State.STOPPED, "f": State.FAILED}


@pytest.mark.parametrize(
    ("went", "breaks", "ended"),
    [
        ("", (), None),
        ("rc", (), None),
        ("rcs", (), 2),
        ("rcpcs", ((2, 3),), 4),
        ("rcpprcpf", ((2, 4), (6, 7)), 7),
        ("rcp", ((2, None),), None),
    ],
)
def test_a_run_stands_still_from_its_first_pause_until_it_goes_on_or_ends(went, breaks, ended):
    states = [(STATES[letter], at(second)) for second, letter in enumerate(went)]
    times = tuple(Break(at(since), None if until is None else at(until)) for since, until in breaks)
    assert course_of(states) == Course(times, None if ended is None else at(ended))


@pytest.mark.parametrize(("counts", "whole"), [(2, False), (1, True)])
def test_a_run_that_was_cut_off_has_stood_still_since_the_last_that_is_known_of_it(
    tmp_path: Path, counts: int, whole: bool
) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        run = create(store, min_cells=counts, max_cells=counts)
        store.set_state(run, State.COUNTING, "Counting.", at(5))
        commit(store, run, 0, Tally(plan(min_cells=counts, max_cells=counts).rules()), "lymphocyte")
        last = store.last_heard(run)
        assert last < datetime.now(UTC)
        recover(store)
        expected = Course((), last) if whole else Course((Break(last, None),), None)
        assert course_of(store.states(run)) == expected
        recover(store)
        assert course_of(store.states(run)) == expected, "whoever starts it again finds the same"


def test_a_run_that_stood_still_and_cannot_be_read_has_ended_now(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        run = create(store)
        store.set_state(run, State.PAUSED, "anna paused it.", at(5))
        store.db.conn.execute("DROP TRIGGER runs_no_other_scale")
        store.db.conn.execute("UPDATE runs SET plan = replace(plan, 'smear-13', 'smear-12')")
        recover(store)
        (stood,) = course_of(store.states(run)).breaks
        assert stood.since == at(5)
        assert stood.until is not None
        assert stood.until > at(3600)
