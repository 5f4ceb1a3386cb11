"""The microscope in an engineer's hands: one thread owns it, shows what it sees, and does one thing after the other."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

from appliance.calibrating.bench import Bench
from appliance.calibrating.runner import Engineer, RoutineStopped
from appliance.calibrating.steps import GoTo, Known, Routine, Step, Take
from appliance.cameras.camera import Exposure
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.servicing.at_page import AtPage
from appliance.servicing.sight import Sight, sight_of
from calibration.errors import CalibrationRefused
from firmware_bridge.point import Point
from models import ModelRefused

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
LOOKED_AT_WITHIN_S = 5.0  # a page that shows the picture asks every second
IDLE_S = 15 * 60.0
DONE_WITHIN_S = 50.0
FORESEEN = (ApplianceError, ApplianceRefused, CalibrationRefused, ModelRefused, RoutineStopped)
OVER = "The service session is over. Begin another."

OpenBench = Callable[[Engineer], AbstractContextManager[Bench]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a routine ended. settings: what to write into them.  calibration: the id of what went on record."""

    routine: str
    passed: bool
    said: tuple[str, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    calibration: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the microscope now. number: of the picture; 0 before the first.  lamp: None as it is set."""

    number: int = 0
    sight: Sight | None = None
    at: Point | None = None
    limits_um: Mapping[str, tuple[float, float] | None] = field(default_factory=dict)
    lamp: float | None = None
    trouble: str | None = None


class Session:
    """One service session, which begins with homing. Methods may be called from any thread.

    by: a login name.  over: is called once, when the microscope was let go.
    """

    def __init__(
        self,
        by: str,
        open_bench: OpenBench,
        over: Callable[[], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the microscope, in a thread of the session's own."""
        self.by = by
        self._open, self._over, self._clock = open_bench, over, clock
        self._engineer = AtPage(self._left_alone)
        self._jobs: queue.Queue[tuple[Callable[[Bench], Any], Future[Any]]] = queue.Queue()
        self._lock = threading.Lock()
        self._phase, self._doing = "opening", ""
        self._seen = Seen()
        self._verdict: Verdict | None = None
        self._asked = self._shown = clock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._live, name="service", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still has the microscope."""
        return self._thread.is_alive() and self._phase != "over"

    def state(self) -> dict[str, Any]:
        """Return everything that a page shows of it, but the picture; the picture is kept new while this is asked."""
        with self._lock:
            self._asked = self._shown = self._clock()
            seen, sight, question = self._seen, self._seen.sight, self._engineer.question
            return {
                "phase": self._phase,
                "by": self.by,
                "doing": self._doing,
                "told": self._engineer.told,
                "waits": None if question is None else asdict(question),
                "verdict": None if self._verdict is None else asdict(self._verdict),
                "trouble": seen.trouble,
                "picture": seen.number,
                "sight": None if sight is None else _said(sight),
                "position_um": None if seen.at is None else [seen.at.x_um, seen.at.y_um, seen.at.z_um],
                "limits_um": {axis: limits and list(limits) for axis, limits in seen.limits_um.items()},
                "lamp": seen.lamp,
            }

    def picture(self) -> bytes:
        """Return the latest picture, JPEG. Raises ApplianceRefused before the first."""
        sight = self._seen.sight
        if sight is None:
            raise ApplianceRefused("There is no picture yet.")
        return sight.jpeg

    def answer(self, yes: bool, question: int) -> None:
        """Answer what a routine waits for. question: its number."""
        self._asked = self._clock()
        self._engineer.answer(yes, question)

    def jog(self, dx_um: float, dy_um: float, dz_um: float) -> Point:
        """Move so far, within the limits; return where the stage then is. Raises ApplianceRefused beyond them."""
        return self._now(lambda bench: self._gone(bench, self._where(bench).aside(dx_um, dy_um, dz_um)))

    def go_to_start(self) -> Point:
        """Go to the middle of where smears may lie, at the height where focus is expected."""
        return self._now(lambda bench: self._gone(bench, bench.known.start))

    def home(self) -> Point:
        """Find the position anew, and go to the start."""

        def homed(bench: Bench) -> Point:
            bench.runner.microscope.home()
            return self._gone(bench, bench.known.start)

        return self._now(homed)

    def set_camera(self, exposure_us: int, gain: float) -> None:
        """Set the camera until the next routine begins. Raises ApplianceRefused where the sensor cannot."""

        def done(bench: Bench) -> None:
            eye = bench.runner.microscope.counting
            eye.camera.configure(replace(bench.known.setting, exposure_us=exposure_us, gain=gain))
            self._look(bench)

        self._now(done)

    def set_lamp(self, share: float | None) -> None:
        """Set the lamp, 0 to 1, until the next routine begins; None as the settings have it."""

        def done(bench: Bench) -> None:
            if not bench.runner.microscope.shine(share):
                raise ApplianceRefused("The lamp cannot be set from here. Set it by hand.")
            self._update(lamp=share)
            self._look(bench)

        self._now(done)

    def begin_routine(
        self, name: str, work: Callable[[Bench, Point, Callable[[Routine[T]], T]], Verdict]
    ) -> None:
        """Begin a routine and return at once. Raises ApplianceRefused while another goes on.

        work: does it, from the place where the stage stands; it is given what runs a routine step by step.
        """

        def run(bench: Bench) -> None:
            self._carry_out(name, bench, work)

        with self._lock:
            self._refuse_unless_free()
            self._doing, self._verdict = name, None
            self._engineer.begin()
            self._jobs.put((run, Future()))

    def stop_routine(self) -> None:
        """End the routine after the step in hand."""
        self._asked = self._clock()
        self._engineer.stop()

    def end(self, within_s: float = 0.0) -> None:
        """End the session after the step in hand; wait so long for it."""
        self._ending.set()
        self._engineer.stop()
        self._thread.join(within_s)

    # In the callers' threads

    def _now(self, work: Callable[[Bench], T]) -> T:
        done: Future[T] = Future()
        with self._lock:
            self._refuse_unless_free()
            self._asked = self._clock()
            self._jobs.put((work, done))
        try:
            return done.result(DONE_WITHIN_S)
        except TimeoutError as error:
            raise ApplianceError(
                "The microscope is still at it. Look at it before you ask for more."
            ) from error

    def _refuse_unless_free(self) -> None:
        if self._phase == "opening":
            raise ApplianceRefused("The microscope is being opened and homed. Wait for the first picture.")
        if self._phase == "over" or self._ending.is_set():
            raise ApplianceRefused(OVER)
        if self._doing:
            raise ApplianceRefused("A routine is going on. Wait for its end, or stop it.")

    # In the session's thread

    def _live(self) -> None:
        try:
            with self._open(self._engineer) as bench:
                self._update(limits_um=bench.runner.microscope.limits_um)
                self._gone(bench, bench.known.start)
                self._phase = "ready"
                while not self._ending.is_set() and not self._left_alone():
                    self._one(bench)
        except FORESEEN as error:
            self._update(trouble=str(error))
        except Exception:
            log.exception("the service session failed")
            self._update(trouble="The service session failed; the instrument's log says why.")
        finally:
            with self._lock:
                self._phase, self._doing = "over", ""
            self._refuse_what_waits()
            self._over()

    def _left_alone(self) -> bool:
        return self._clock() - self._asked > IDLE_S

    def _one(self, bench: Bench) -> None:
        """Do the next thing that was asked for, or look."""
        try:
            work, done = self._jobs.get(timeout=LOOK_EVERY_S)
        except queue.Empty:
            if self._clock() - self._shown < LOOKED_AT_WITHIN_S:
                self._look(bench)
            return
        try:
            done.set_result(work(bench))
        except Exception as error:  # noqa: BLE001 - whoever asked is told
            done.set_exception(error)

    def _refuse_what_waits(self) -> None:
        while True:
            try:
                self._jobs.get_nowait()[1].set_exception(ApplianceRefused(OVER))
            except queue.Empty:
                return

    def _carry_out(self, name: str, bench: Bench, work: Callable[..., Verdict]) -> None:
        """Run a routine with camera and lamp as the settings have them, before and afterwards."""
        microscope = bench.runner.microscope

        def run(routine: Routine[T]) -> T:
            return bench.runner.run(
                routine, lambda step, came: self._saw(bench, step, came), self._is_stopped
            )

        try:
            self._as_set(bench)
            verdict = work(bench, self._where(bench), run)
            self._as_set(bench)
        except FORESEEN as error:
            verdict = Verdict(name, False, (str(error),))
        except Exception as error:
            log.exception("the routine %s failed", name)
            verdict = Verdict(name, False, (f"The routine failed: {error}. The instrument's log says why.",))
        with self._lock:
            self._doing, self._verdict = "", verdict
            self._asked = self._clock()
            self._seen = replace(self._seen, at=_place(microscope.where))

    def _is_stopped(self) -> bool:
        return self._engineer.stopped or self._ending.is_set()

    def _as_set(self, bench: Bench) -> None:
        microscope = bench.runner.microscope
        microscope.shine(None)
        microscope.counting.camera.configure(bench.known.setting)
        self._update(lamp=None)

    def _saw(self, bench: Bench, step: Step, came: Any) -> None:
        """Keep what a routine's step showed."""
        if isinstance(step, GoTo):
            self._update(at=came)
        elif isinstance(step, Take) and not step.overview:
            self._show(bench, came)

    def _where(self, bench: Bench) -> Point:
        return bench.runner.microscope.where()

    def _gone(self, bench: Bench, place: Point) -> Point:
        at = bench.runner.microscope.go_to(place)
        self._update(at=at)
        self._look(bench)
        return at

    def _look(self, bench: Bench) -> None:
        try:
            self._show(bench, bench.runner.microscope.look())
        except ApplianceError as error:
            self._update(trouble=str(error))

    def _show(self, bench: Bench, exposure: Exposure) -> None:
        sight = sight_of(exposure, bench.known.um_per_px)
        self._update(number=self._seen.number + 1, sight=sight, trouble=None)

    def _update(self, **changes: Any) -> None:
        with self._lock:
            self._seen = replace(self._seen, **changes)


def from_here(known: Known, here: Point) -> Known:
    """Return what is known, with the place where the stage stands as the start."""
    return replace(known, start=here)


def _place(where: Callable[[], Point]) -> Point | None:
    """Where it stands; None where that is not known any more."""
    try:
        return where()
    except (ApplianceError, ApplianceRefused):
        return None


def _said(sight: Sight) -> dict[str, Any]:
    said = asdict(sight)
    del said["jpeg"]
    return said
