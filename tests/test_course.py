"""When a run stood still, from the states that it was in."""

from __future__ import annotations

import pytest
from builders_store import at

from appliance.reports.course import Break, Course, course_of
from appliance.run import State

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
