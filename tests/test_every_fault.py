"""Whatever goes wrong, wherever in a count of three fields: it ends in a sentence, and never in a wrong number.

Every case is a whole run on an emulated board and a simulated slide. One thing goes wrong at one step. The run then
goes on to the right count, or pauses with what a person has to do; mended and resumed it homes, and counts the same.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from itertools import pairwise, product
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
import pytest
from builders_coloured_slide import ColourAnalyser
from builders_instrument import instrument, until
from builders_scope import HEIGHTS, MECHANICS, Bench, given_survey, scope_plan, wrongly_counted
from numpy.typing import NDArray

from appliance.errors import ApplianceError
from appliance.focus_watch import FocusWatch
from appliance.instrument import Instrument
from appliance.simulator.camera_faults import CameraFault, FaultSchedule, Scheduled
from appliance.store import Store
from appliance.view import RunView
from firmware_bridge.emulated.faults import Fault, Kind

SIDE_BY_SIDE = 8
RESUMED_AT_MOST = 5
TELLS_WHAT_TO_DO = re.compile(
    r"\b(check|plug|resume|look at|home|clear|set|restart|choose|shorten|power)\b", re.IGNORECASE
)

Step = tuple[str, str, int]
Trouble = Callable[[Bench], object]

GIVEN: dict[str, tuple[Step, ...]] = {
    "homing": (("homing", "home", 0),),
    "setting lamp and cameras": (("setting", "ready", 0),),
    "mapping focus": tuple(("focusing", "go", n) for n in (0, 21)),
    "moving to a field": tuple((f"field {n}", "go", 0) for n in (1, 3)),  # the first one proves where it is
    "proving where it is": (("field 1", "go", 1), ("field 1", "go", 3)),
    "refining focus": tuple(("field 3", "go", n) for n in (1, 8)),
}
"""Where the stage is asked for something, once the slide was looked over."""

WHERE: tuple[Step, ...] = tuple((f"field {n}", "where", 0) for n in (1, 3))
LOOKED_OVER: tuple[Step, ...] = (("setting", "go", 0), ("looking", "go", 0))
PICTURES: dict[str, tuple[Step, ...]] = {
    "mapping focus": (("focusing", "look", 16),),
    "capturing a field": tuple((f"field {n}", "look", 0) for n in (1, 3)),
    "proving where it is": (("field 1", "look", 2),),
    "refining focus": tuple(("field 3", "look", n) for n in (1, 7)),
}
OVERVIEW_PICTURES: tuple[Step, ...] = (("setting", "look", 0), ("looking", "look", 0))


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that goes wrong.

    given: whether the slide need not be looked over.  displaced: whether places may all be wrong by the same.
    left: how much of the trouble that was made has not happened.
    """

    said: str
    step: Step
    trouble: Trouble
    given: bool = True
    displaced: bool = False
    left: Callable[[], int] = lambda: 0

    @property
    def comparable(self) -> bool:
        """Whether its fields are those of an undisturbed run: another picture of the slide gives another tour."""
        return self.given and not self.displaced

    def __str__(self) -> str:
        return f"{self.said} at {' '.join(map(str, self.step))}"


def board_fault(step: Step, kind: Kind, after: int, given: bool = True) -> Case:
    """It strikes the first order or reply, or the second one; a reply is late within all patience, or beyond."""

    fault = Fault(kind, after=after, by_s=1.2 if after else 0.25)
    return Case(
        f"{kind} {after}", step, lambda bench: bench.board.schedule(fault), given, left=lambda: fault.times
    )


def camera_fault(step: Step, fault: CameraFault, times: int, given: bool = True) -> Case:
    struck: list[FaultSchedule] = []

    def strike(bench: Bench) -> None:
        struck.append((bench.cameras if given else bench.overviews)[-1].faults)
        struck[0].add(*[Scheduled(fault, by_s=3.0)] * times)

    return Case(f"{times} × {fault}", step, strike, given, left=lambda: sum(each.left for each in struck))


def stuck(step: Step, axis: str) -> Case:
    """A motor hums and does not turn; the controller counts its pulses all the same."""
    return Case(f"{axis} is stuck", step, lambda bench: bench.board.stick(axis))


def lost_steps(step: Step, axis: str) -> Case:
    """A motor misses so many pulses in one move that fields overlap where cells are counted.

    Where that happens before the first picture in focus, there is nothing yet to tell it by.
    """
    displaced = step in (*GIVEN["homing"], *GIVEN["setting lamp and cameras"], GIVEN["mapping focus"][0])
    return Case(
        f"{axis} loses steps", step, lambda bench: bench.board.lose_steps(axis, LOST_UM), displaced=displaced
    )


def sudden(step: Step, what: str, given: bool = True) -> Case:
    """Something happens to the board while a picture is taken."""
    return Case(f"{what} while it looks", step, lambda bench: getattr(bench.board, what)(), given)


Struck = tuple[Kind, int]
"""What happens, and after how many replies or orders."""

REPLIES_LOST: tuple[Struck, ...] = (*product(("drop", "delay", "garble"), (0, 1)),)  # type: ignore[arg-type]
AT_ONCE: tuple[Struck, ...] = (("reset", 0), ("unplug", 0), ("alarm", 0), ("silence", 0))
BOARD_FAULTS: tuple[Struck, ...] = (*REPLIES_LOST, *AT_ONCE, ("reset", 1), ("mishear", 0))
AGAIN = frozenset({CameraFault.STALE, CameraFault.REPEATED, CameraFault.TORN})
"""Faults after which a picture is taken again, up to three times in all."""

CAMERA_FAULTS = (*((fault, 1) for fault in CameraFault), *((fault, 3) for fault in sorted(AGAIN)))


PURE = (
    "appliance.red_cell_watch.find_single_cells",
    "appliance.slide_source.judge_field",
    "appliance.slide_source.contrast",
    "appliance.focusing.contrast",
)
"""Functions of a picture alone."""


@pytest.fixture(scope="module", autouse=True)
def looked_at_once() -> Iterator[None]:
    """Look at every picture once: most runs see the same fields of the same slide."""
    with pytest.MonkeyPatch.context() as patch:
        for name in PURE:
            patch.setattr(name, once(resolve_name(name)))
        yield


def once(function: Callable[..., Any]) -> Callable[..., Any]:
    answers: dict[Any, Any] = {}

    def answer(pixels: NDArray[np.uint8], *rest: Any) -> Any:
        key = (pixels.shape, blake2b(np.ascontiguousarray(pixels)).digest(), *rest)
        if key not in answers:
            answers[key] = function(pixels, *rest)
        return answers[key]

    return answer


def wrong_in(case: Case) -> list[str]:
    """Let one thing go wrong in a run; return what then was not as promised."""
    with tempfile.TemporaryDirectory() as folder, a_bench(case) as bench:
        store = Path(folder) / "s.sqlite"
        with instrument(store, ColourAnalyser(), open_source=bench.open) as made:
            run_id = made.start(a_plan(case.given))
            run = until(made, rests)
            wrong, kept = [], []
            for _ in range(RESUMED_AT_MOST):
                wrong += [*not_said(run), *on_record(bench, store, run_id, case)]
                kept.append(fields_of(store, run_id))
                if run["state"] != "paused":
                    break
                run = resumed(bench, made, mended=case.step not in bench.at)
                wrong += [] if homed_first(bench) else ["it did not home first"]
        wrong += [*on_record(bench, store, run_id, case), *too_high(bench)]
        kept.append(fields_of(store, run_id))
    if any(later[: len(earlier)] != earlier for earlier, later in pairwise(kept)):
        wrong.append("fields that had been committed changed")
    if case.step in bench.at:
        wrong.append("the step was never reached")
    elif case.left():
        wrong.append("nothing went wrong")
    if run["state"] != "completed":
        wrong.append(f"it ended {run['state']}: {run['reason']}")
    elif case.comparable and not run["fields"]["skipped"] and counts(run) != undisturbed(case.given):
        wrong.append(f"it counted {counts(run)}, and undisturbed {undisturbed(case.given)}")
    return [f"{case}: {what}" for what in wrong]


def a_bench(case: Case) -> Bench:
    """A bench that focuses at two places, and again in the third field, only where that is what goes wrong."""
    phase, _, number = case.step
    refines = phase == "field 3" and number > 0
    named = {"focus_places": 2 if phase == "focusing" else 1, "watch": FocusWatch(every=3 if refines else 99)}
    return Bench({case.step: case.trouble}, given_survey() if case.given else None, named=named)


def a_plan(given: bool) -> Any:
    return scope_plan(min_cells=THREE_FIELDS[given])


LOST_UM = 22.0
THREE_FIELDS = {True: 12, False: 8}
"""More cells than two fields hold, of the given region and of the one that is found."""


def rests(run: RunView) -> bool:
    return run["ended"] or run["state"] == "paused"


def not_said(run: RunView) -> Iterator[str]:
    """What its reason lacks for a person."""
    if run["state"] in ("paused", "failed") and not (
        run["reason"].endswith(".") and TELLS_WHAT_TO_DO.search(run["reason"])
    ):
        yield f"{run['state']} without saying what to do: {run['reason']}"


def on_record(bench: Bench, store: Path, run_id: str, case: Case | None = None) -> list[str]:
    with Store.read_only(store) as opened:
        return wrongly_counted(bench, opened, run_id, displaced=case is not None and case.displaced)


def fields_of(store: Path, run_id: str) -> list[dict[str, Any]]:
    with Store.read_only(store) as opened:
        return list(opened.db.query("SELECT * FROM fields WHERE run = ? ORDER BY number", [run_id]))


def resumed(bench: Bench, made: Instrument, *, mended: bool = True) -> RunView:
    """Mend what is broken, resume the run, and return it where it rests again.

    mended: False where nothing has gone wrong yet, but that the machine is busy.
    """
    if mended:
        bench.mend()
    bench.begin_anew()
    for _ in range(RESUMED_AT_MOST):
        try:
            made.resume()
        except ApplianceError:  # the board was not awake yet
            continue
        return until(made, rests)
    raise AssertionError("it could not be resumed")


def homed_first(bench: Bench) -> bool:
    """Whether nothing moved between the last resumption and homing."""
    moves = [order for order in bench.board.heard if order == "$H" or "G1" in order]
    return bench.steps[0][1] == "home" and moves[:1] in ([], ["$H"])  # or homing did not even begin


def too_high(bench: Bench) -> Iterator[str]:
    """Orders that would drive the slide into the objective."""
    for order in bench.board.heard:
        height = re.search(r"G1.*Z([-\d.]+)", order)
        if height and 1000 * float(height[1]) + MECHANICS.travel_um[2] > HEIGHTS.highest_um + 0.1:
            yield f"it was sent above the highest safe height: {order}"


def counts(run: RunView) -> dict[str, Any]:
    return {
        "counted": run["fields"]["counted"],
        "tally": [(row["label"], row["count"]) for row in run["tally"]],
    }


@cache
def undisturbed(given: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, Bench(given=given_survey() if given else None) as bench:
        store = Path(folder) / "s.sqlite"
        with instrument(store, ColourAnalyser(), open_source=bench.open) as made:
            run_id = made.start(a_plan(given))
            for _ in range(RESUMED_AT_MOST):
                run = until(made, rests)
                if run["state"] == "paused":  # the machine is busy
                    resumed(bench, made)
        assert (run["state"], run["fields"]["counted"], run["fields"]["skipped"]) == ("completed", 3, {}), run
        assert on_record(bench, store, run_id) == []
        return counts(run)


def found_wrong(cases: list[Case]) -> list[str]:
    for given in {case.given for case in cases}:
        undisturbed(given)
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return [what for found in pool.map(wrong_in, cases) for what in found]


@pytest.mark.parametrize("phase", GIVEN)
def test_a_fault_of_the_stage_never_becomes_a_count(phase: str) -> None:
    assert found_wrong([board_fault(s, *fault) for s in GIVEN[phase] for fault in BOARD_FAULTS]) == []


def test_a_fault_while_the_stage_says_where_it_is_never_becomes_a_count() -> None:
    assert found_wrong([board_fault(s, *fault) for s in WHERE for fault in (*REPLIES_LOST, *AT_ONCE)]) == []


def test_a_fault_of_the_stage_while_the_slide_is_looked_over_never_becomes_a_count() -> None:
    cases = [
        board_fault(step, *fault, given=False) for step in LOOKED_OVER for fault in (*REPLIES_LOST, *AT_ONCE)
    ]
    assert found_wrong(cases) == []


@pytest.mark.parametrize("phase", PICTURES)
def test_a_fault_of_the_camera_never_becomes_a_count(phase: str) -> None:
    cases = [camera_fault(step, *fault) for step, fault in product(PICTURES[phase], CAMERA_FAULTS)]
    assert found_wrong(cases) == []


def test_a_fault_of_the_overview_camera_never_becomes_a_count() -> None:
    cases = [
        camera_fault(step, *fault, given=False) for step, fault in product(OVERVIEW_PICTURES, CAMERA_FAULTS)
    ]
    assert found_wrong(cases) == []


@pytest.mark.parametrize("what", ["restart", "unplug"])
def test_a_board_that_fails_while_a_picture_is_taken_never_becomes_a_count(what: str) -> None:
    cases = [sudden(step, what) for steps in PICTURES.values() for step in steps]
    assert found_wrong([*cases, *(sudden(step, what, given=False) for step in OVERVIEW_PICTURES)]) == []


@pytest.mark.parametrize("axis", "xyz")
def test_an_axis_that_is_stuck_never_becomes_a_count(axis: str) -> None:
    assert found_wrong([stuck(step, axis) for steps in GIVEN.values() for step in steps]) == []


@pytest.mark.parametrize("axis", "xy")
def test_lost_steps_never_become_a_count(axis: str) -> None:
    assert found_wrong([lost_steps(step, axis) for steps in GIVEN.values() for step in steps]) == []


@pytest.mark.parametrize("axis", "xyz")
def test_an_end_switch_that_never_closes_is_no_position(axis: str) -> None:
    assert found_wrong([Case(f"{axis}", ("homing", "home", 0), lambda b: b.board.break_switch(axis))]) == []
