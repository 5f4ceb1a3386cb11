"""The microscope in an engineer's hands: what routines tell a page, what it answers, and what a session may do."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders_instrument import instrument, no_plan
from builders_scope import FOCUS_UM, HEIGHTS
from builders_scope import Bench as Scope
from builders_web import settings, until

from appliance.audit import AuditTrail
from appliance.calibrating.bench import Bench
from appliance.calibrating.runner import Engineer, RoutineStopped, Runner
from appliance.calibrating.steps import Expose, GoTo, Known, Lay, Mend, Routine, Take, Tell
from appliance.cameras.camera import CameraInUse, CameraSetting, Exposure
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.instrument import Instrument
from appliance.servicing.at_page import AtPage
from appliance.servicing.service import Service
from appliance.servicing.session import IDLE_S, Session, Verdict
from appliance.servicing.sight import histogram, sight_of
from appliance.store import Store
from calibration.errors import CalibrationRefused
from calibration.setup import Setup
from firmware_bridge.point import Point

START = Point(2_500.0, 2_200.0, FOCUS_UM)


@contextlib.contextmanager
def a_bench(scope: Scope, engineer: Engineer) -> Iterator[Bench]:
    """The small microscope of `builders_scope`, homed and lit."""
    microscope = scope.microscope()
    with contextlib.closing(microscope):
        microscope.home()
        microscope.make_ready()
        eye = microscope.counting
        known = Known(START, microscope.area, microscope.heights, eye.setting, eye.scale.um_per_px)
        setup = Setup("50x", microscope.name, 1, (eye.setting.width_px, eye.setting.height_px))
        yield Bench(Runner(microscope, engineer), known, setup, microscope.firmware)


class Clock:
    """Says how late it is."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def session() -> Iterator[Session]:
    """A session that is ready."""
    with Scope() as scope:
        made = Session("robert", lambda engineer: a_bench(scope, engineer), lambda: None)
        until(lambda: made.state()["phase"] == "ready", "the session is ready")
        yield made
        made.end(30.0)


def carried_out(session: Session, routine: Callable[[], Routine[str]]) -> Verdict:
    """What came of a routine on a session."""

    def work(bench: Bench, here: Point, run: Any) -> Verdict:
        return Verdict("test", True, (run(routine()),))

    session.begin_routine("test", work)
    until(lambda: session.state()["verdict"], "the routine ends")
    verdict = session._verdict
    assert verdict is not None
    return verdict


# What a page is told, and answers


def asked(engineer: AtPage, ask: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Ask in a thread of its own, as a routine does; return when it waits."""
    came: list[Any] = []

    def run() -> None:
        try:
            came.append(ask())
        except RoutineStopped as stopped:
            came.append(stopped)

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: engineer.question, "a question stands on the page")
    return thread, came


def test_a_routine_waits_until_the_slide_lies_there() -> None:
    engineer = AtPage()
    thread, came = asked(engineer, lambda: engineer.lay("blank", "Put a clean slide on the stage."))
    assert engineer.question is not None
    assert engineer.question.slide == "blank"
    engineer.answer(True, engineer.question.number)
    thread.join(10)
    assert came == [None]
    assert engineer.told == ["Put a clean slide on the stage. Done."]


@pytest.mark.parametrize("yes", [True, False])
def test_whether_something_was_put_right_is_answered_on_the_page(yes: bool) -> None:
    engineer = AtPage()
    thread, came = asked(engineer, lambda: engineer.mend("The lamp is off."))
    assert engineer.question is not None
    engineer.answer(yes, engineer.question.number)
    thread.join(10)
    assert came == [yes]


def test_a_second_touch_does_not_answer_the_next_question() -> None:
    engineer = AtPage()
    first, _ = asked(engineer, lambda: engineer.lay("blank", "Put a clean slide on the stage."))
    assert engineer.question is not None
    number = engineer.question.number
    engineer.answer(True, number)
    first.join(10)
    second, came = asked(engineer, lambda: engineer.confirm("Is it right?"))
    with pytest.raises(ApplianceRefused, match="Read the one that stands there now"):
        engineer.answer(True, number)
    assert came == []
    engineer.stop()
    second.join(10)


def test_an_answer_that_nobody_waits_for_is_refused() -> None:
    with pytest.raises(ApplianceRefused, match="No routine waits"):
        AtPage().answer(True, 1)


def test_a_routine_that_waits_can_be_stopped() -> None:
    engineer = AtPage()
    thread, came = asked(engineer, lambda: engineer.lay("blank", "Put a clean slide on the stage."))
    engineer.stop()
    thread.join(10)
    assert isinstance(came[0], RoutineStopped)


def test_a_routine_waits_for_nobody_who_is_gone() -> None:
    gone = threading.Event()
    engineer = AtPage(gone.is_set)
    thread, came = asked(engineer, lambda: engineer.lay("blank", "Put a clean slide on the stage."))
    gone.set()
    thread.join(10)
    assert isinstance(came[0], RoutineStopped)


# A routine that others look on


class NoMicroscope:
    """Nothing is moved by routines that only speak."""


def alone(engineer: AtPage) -> Runner:
    return Runner(NoMicroscope(), engineer)  # type: ignore[arg-type]


def three_words() -> Routine[str]:
    for word in "abc":
        yield Tell(word)
    return "Passed."


def test_who_looks_on_sees_every_step_and_what_came_of_it() -> None:
    seen: list[Any] = []
    assert alone(AtPage()).run(three_words(), lambda step, came: seen.append((step, came))) == "Passed."
    assert seen == [(Tell("a"), None), (Tell("b"), None), (Tell("c"), None)]


def test_what_a_step_refuses_is_the_routines_to_answer_while_others_look_on() -> None:
    def routine() -> Routine[str]:
        try:
            yield Mend("The lamp is off.")
        except CalibrationRefused as refusal:
            return str(refusal)
        return "Passed."

    class Refusing(AtPage):
        def mend(self, sentence: str) -> bool:
            raise CalibrationRefused("Too dark.")

    seen: list[Any] = []
    assert alone(Refusing()).run(routine(), lambda step, came: seen.append(step)) == "Too dark."
    assert seen == []


def test_a_routine_that_is_stopped_takes_no_further_step() -> None:
    engineer, stopped = AtPage(), threading.Event()
    with pytest.raises(RoutineStopped, match="Nothing of it is on record"):
        alone(engineer).run(three_words(), lambda step, came: stopped.set(), stopped.is_set)
    assert engineer.told == ["a"]


# What a picture tells


def exposure(pixels: Any) -> Exposure:
    use = CameraInUse("test", pixels.shape[1], pixels.shape[0], "RGB", 100, 1.0, None)
    return Exposure(pixels, 0, 100, 1.0, use)


def test_a_histogram_has_the_share_of_each_level_by_channel() -> None:
    pixels = np.zeros((10, 10, 3), np.uint8)
    pixels[:5, :, 1] = 255
    red, green, _ = histogram(pixels)
    assert (red[0], green[0], green[63]) == (1.0, 0.5, 0.5)


def test_a_black_picture_has_no_sharpness_and_is_shown() -> None:
    sight = sight_of(exposure(np.zeros((48, 64, 3), np.uint8)), 0.2)
    assert sight.sharpness is None
    assert sight.jpeg.startswith(b"\xff\xd8")


def test_light_that_is_cut_off_is_counted_once_a_pixel() -> None:
    pixels = np.full((48, 64, 3), 100, np.uint8)
    pixels[:12] = 255
    assert sight_of(exposure(pixels), 0.2).cut_off == 0.25


# A session on a small microscope


def test_a_session_begins_in_the_middle_with_a_picture_and_its_limits(session: Session) -> None:
    state = session.state()
    assert state["position_um"] == pytest.approx([START.x_um, START.y_um, START.z_um], abs=1)
    assert state["limits_um"]["x"] == [0.0, 5_000.0]
    assert HEIGHTS.lowest_um <= state["limits_um"]["z"][0] < state["limits_um"]["z"][1] <= HEIGHTS.highest_um
    assert state["picture"] == 1
    assert session.picture().startswith(b"\xff\xd8")


def test_a_jog_moves_and_shows_what_is_there(session: Session) -> None:
    before = session.state()
    at = session.jog(100.0, -50.0, 0.0)
    after = session.state()
    assert at.x_um == pytest.approx(before["position_um"][0] + 100.0, abs=1)
    assert after["position_um"] == [at.x_um, at.y_um, at.z_um]
    assert after["picture"] > before["picture"]


@pytest.mark.parametrize("step", [(9_000.0, 0.0, 0.0), (0.0, 0.0, 500.0)])
def test_a_jog_beyond_the_limits_is_refused_and_nothing_moves(
    session: Session, step: tuple[float, float, float]
) -> None:
    before = session.state()["position_um"]
    with pytest.raises(ApplianceRefused):
        session.jog(*step)
    assert session.state()["position_um"] == before


def test_the_exposure_that_was_set_is_that_of_the_picture(session: Session) -> None:
    session.set_camera(2_000, 1.0)
    assert session.state()["sight"]["exposure_us"] == 2_000


def test_the_lamp_that_was_set_is_shown(session: Session) -> None:
    session.set_lamp(0.25)
    assert session.state()["lamp"] == 0.25


def test_a_routine_runs_on_the_microscope_and_its_pictures_are_shown(session: Session) -> None:
    before = session.state()["picture"]

    def routine() -> Routine[str]:
        yield Tell("Looking aside.")
        yield GoTo(START.aside(200.0, 0.0, 0.0))
        yield Take()
        return "Passed."

    assert carried_out(session, routine) == Verdict("test", True, ("Passed.",))
    state = session.state()
    assert state["told"] == ["Looking aside."]
    assert state["picture"] > before
    assert state["position_um"][0] == pytest.approx(START.x_um + 200.0, abs=1)


def test_what_a_routine_refuses_is_its_verdict(session: Session) -> None:
    def routine() -> Routine[str]:
        yield Tell("Looking.")
        raise CalibrationRefused("There is no ruler.")

    assert carried_out(session, routine) == Verdict("test", False, ("There is no ruler.",))


def test_camera_and_lamp_are_as_the_settings_have_them_after_a_routine(session: Session) -> None:
    session.set_lamp(0.25)

    def routine() -> Routine[str]:
        yield Expose(CameraSetting(256, 192, 20_000))
        return "Passed."

    carried_out(session, routine)
    assert session.state()["lamp"] is None
    session.jog(1.0, 0.0, 0.0)
    assert session.state()["sight"]["exposure_us"] == 10_000


def test_while_a_routine_waits_nothing_else_moves_the_stage(session: Session) -> None:
    def routine() -> Routine[str]:
        yield Lay("blank", "Put a clean slide on the stage.")
        return "Passed."

    def work(bench: Bench, here: Point, run: Any) -> Verdict:
        return Verdict("test", True, (run(routine()),))

    session.begin_routine("test", work)
    until(lambda: session.state()["waits"], "the routine waits for a slide")
    with pytest.raises(ApplianceRefused, match="A routine is going on"):
        session.jog(1.0, 0.0, 0.0)
    session.stop_routine()
    until(lambda: session.state()["verdict"], "the routine ends")
    assert session.state()["verdict"]["said"] == ("The routine was stopped. Nothing of it is on record.",)


def test_a_session_that_was_left_alone_lets_go_of_the_microscope() -> None:
    clock, over = Clock(), threading.Event()
    with Scope() as scope:
        session = Session("robert", lambda engineer: a_bench(scope, engineer), over.set, clock)
        until(lambda: session.state()["phase"] == "ready", "the session is ready")
        clock.now += IDLE_S + 1
        assert over.wait(30)
        assert not session.alive
        with pytest.raises(ApplianceRefused, match="over"):
            session.jog(1.0, 0.0, 0.0)


def test_a_microscope_that_does_not_open_ends_the_session_with_its_sentence() -> None:
    @contextlib.contextmanager
    def silent(engineer: Engineer) -> Iterator[Bench]:
        raise ApplianceError("The stage does not answer.")
        yield

    over = threading.Event()
    session = Session("robert", silent, over.set)
    assert over.wait(30)
    assert session.state()["trouble"] == "The stage does not answer."


# The instrument between an engineer and a count


@contextlib.contextmanager
def serving(tmp_path: Path, scope: Scope) -> Iterator[Instrument]:
    config = settings(tmp_path)
    service = Service(config, lambda config, engineer, at_reference: a_bench(scope, engineer))
    with instrument(config.store.path, configured=no_plan, service=service) as made:
        yield made


def test_a_count_is_refused_while_an_engineer_has_the_microscope(tmp_path: Path) -> None:
    with Scope() as scope, serving(tmp_path, scope) as made:
        made.answer("service_begin", {"by": "robert"})
        with pytest.raises(ApplianceRefused, match="robert has the microscope"):
            made.start(by="anna")
        assert "robert has the microscope" in made.answer("status", {})["instrument"]["why_not"]
        made.answer("service_end", {"by": "robert"})
        until(
            lambda: made.answer("status", {})["instrument"]["why_not"] == "No camera is set.",
            "it may count again",
        )


def test_who_served_and_when_is_on_the_trail(tmp_path: Path) -> None:
    with Scope() as scope, serving(tmp_path, scope) as made:
        made.answer("service_begin", {"by": "robert"})
        made.answer("service_end", {"by": "robert"})
    with Store.read_only(settings(tmp_path).store.path) as store:
        lines = [(line.who, line.what) for line in AuditTrail(store).entries()]
    assert lines[::-1] == [("robert", "service begun"), ("robert", "service ended")]


def test_a_session_belongs_to_whoever_began_it_and_an_administrator_may_end_it(tmp_path: Path) -> None:
    asks: dict[str, dict[str, Any]] = {
        "jog": {"dx": 1}, "start": {}, "home": {}, "camera": {"exposure_us": 100}, "lamp": {"share": 0.5},
        "routine": {"name": "flat_field"}, "answer": {"yes": True, "question": 1}, "end": {},
    }  # fmt: skip
    with Scope() as scope, serving(tmp_path, scope) as made:
        made.answer("service_begin", {"by": "robert"})
        for what, said in asks.items():
            with pytest.raises(ApplianceRefused, match="robert has the microscope for service"):
                made.answer(f"service_{what}", {"by": "antoni", **said})
        made.answer("service_end", {"by": "ada", "anybodys": True})
        until(lambda: made._service is not None and made._service.held_by is None, "it is let go")


def test_nobody_jogs_before_a_session_began(tmp_path: Path) -> None:
    with (
        Scope() as scope,
        serving(tmp_path, scope) as made,
        pytest.raises(ApplianceRefused, match="Begin one"),
    ):
        made.answer("service_jog", {"by": "robert", "dx": 1})


@pytest.mark.parametrize("dx", ["1", True, None, float("nan"), 1e9])
def test_a_jog_of_nonsense_is_refused(tmp_path: Path, dx: Any) -> None:
    with pytest.raises(ApplianceRefused, match="A step is"):
        Service(settings(tmp_path)).answer("service_jog", {"dx": dx})


def test_a_perfect_simulated_microscope_has_nothing_to_calibrate(tmp_path: Path) -> None:
    with Scope() as scope, serving(tmp_path, scope) as made:
        made.answer("service_begin", {"by": "robert"})
        with pytest.raises(ApplianceRefused, match="nothing to calibrate"):
            made.answer("service_routine", {"name": "flat_field", "by": "robert"})
