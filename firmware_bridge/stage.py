"""The stage: micrometres in, motion out. Public methods are final; a protocol fills in the private hooks.

After OpenFlexure's stage, whose public moves are final and whose hardware hooks are private.
"""

from __future__ import annotations

import contextlib
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Self, final

from firmware_bridge.controller import Controller, refuse_mismatch
from firmware_bridge.conversation import Conversation
from firmware_bridge.errors import (
    BridgeError,
    PortGarbled,
    PortSilent,
    PortVanished,
    PositionLost,
    Recoverable,
    StageRefused,
    Stopped,
)
from firmware_bridge.motion import Leg, leg, legs, on_grid, refuse_outside
from firmware_bridge.orders import Orders
from firmware_bridge.point import Point
from firmware_bridge.settings import AXES, StageSettings
from firmware_bridge.transport import Transport

LOOK_AGAIN_S, LONG_LOOK_S = 0.01, 0.05
NOT_YET_BEGUN_S, NUDGE_UM = 0.25, 500.0  # a controller may say that it stands before an accepted move begins


class Stage(ABC):
    """A stage on a controller. One order at a time; `stop` and `position` may come from any thread.

    Errors: StageRefused (nothing was sent), Recoverable (nothing moved, may be retried), PositionLost (home again).
    Coordinates: micrometres; 0 is the low end of the travel, or the reference that a person set.
    """

    BAUD_RATE: ClassVar[int] = 115_200
    HAS_SWITCHES: ClassVar[bool] = True
    STOP_KEEPS_POSITION: ClassVar[bool] = True

    def __init__(self, settings: StageSettings) -> None:
        """Open the port and greet the controller; nothing moves.

        Raises StageRefused where the settings do not fit it; PortSilent, PortGarbled, PortVanished where none answers.
        """
        self.settings = settings
        self._orders = Orders()
        self._known = False
        self._at = self._seen = Point(0.0, 0.0)
        self._taken_up: frozenset[str] = frozenset()
        self._light: float | None = None
        self._closed = False
        self._open()

    # What callers use.

    @final
    @property
    def name(self) -> str:
        """The firmware with its version, and the port."""
        return f"{self.controller.title} on {self.settings.url}"

    @final
    @property
    def position_known(self) -> bool:
        """Whether the position is known; if not, only `home` moves the stage."""
        return self._known

    @final
    @property
    def settled_since_ns(self) -> int:
        """The monotonic time at which the last motion, settling or light change was over; NEVER_NS while one lasts."""
        return self._orders.settled_ns

    @final
    def home(self) -> Point:
        """Find the end switches and return where the stage then is.

        A stage without switches takes the place where a person has put it as its reference, and keeps that while its
        position is known. A vanished port is opened again first. Raises Recoverable (refused), PositionLost.
        """
        with self._order():
            if self._known and not self.HAS_SWITCHES and not self._wire.gone:
                return self._position()
            self._lose()
            if self._wire.gone:
                self._wire.close()
                self._open()
            self._wire.forget()
            if self._orders.begin(self._start_home):
                self._await_standstill(None, self.settings.home_within_s)
            if not self._orders.stand():
                self._orders.moves = False
                raise PositionLost("Homing was stopped. Home the stage before the next move.")
            self._at = self._seen = self._place()
            self._known = True
            self._settle_lit()
            return self._at

    @final
    def move_to(self, target: Point) -> Point:
        """Move, approach every moving axis from its side, settle; return where the stage is (to the nearest step).

        Raises StageRefused outside the soft limits, Recoverable, Stopped, PositionLost.
        """
        with self._order():
            return self._travel(target)

    @final
    def move_by(self, dx_um: float = 0.0, dy_um: float = 0.0, dz_um: float = 0.0) -> Point:
        """Move relatively to where the stage was last sent. As `move_to`."""
        with self._order():
            return self._travel(self._at.aside(dx_um, dy_um, dz_um))

    @final
    def nudge(self, dx_um: float = 0.0, dy_um: float = 0.0, dz_um: float = 0.0) -> None:
        """Move a little while the position is not known, to bring a stage without switches to its reference.

        No soft limit can be checked: a person watches. Raises StageRefused for stages that can home by themselves,
        whose position is known, or for more than NUDGE_UM along an axis.
        """
        with self._order():
            if self.HAS_SWITCHES or self._known:
                raise StageRefused(
                    "Only a stage without end switches is nudged, before it has its reference. Move it."
                )
            if not all(abs(d) <= NUDGE_UM for d in (dx_um, dy_um, dz_um)):
                raise StageRefused(f"A nudge is at most {NUDGE_UM:g} µm along an axis. Nudge less.")
            at = self._place()
            self._run(leg(self.settings, at, at.aside(dx_um, dy_um, dz_um)))
            time.sleep(self.settings.settle_s)

    @final
    def position(self) -> Point:
        """Where the stage is; during a move, where the controller last said that it was.

        Raises PositionLost where it is not known, Recoverable where the controller does not say.
        """
        with self._orders.between() as free:
            if free:
                return self._position()
            if not self._known:
                raise PositionLost("The stage's position is not known yet.")
            return self._seen

    @final
    def reported(self) -> Point:
        """Where the controller says that it is, whether or not that is true: for service, and before homing.

        Raises PositionLost (an alarm, a restart, a vanished port), Recoverable.
        """
        with self._orders.between() as free:
            if not free:
                return self._seen
            with self._verdicts():
                self._wire.catch_up()
                return self._place()

    @final
    def stop(self) -> None:
        """End a move in flight at once, from any thread; return when the stage stands. Without one, nothing happens.

        The move's own call raises Stopped, or PositionLost where the controller cannot stop without losing steps.
        This one raises PositionLost where nothing says that the stage stands.
        """
        within_s = 2 * self.settings.stop_within_s + self.settings.start_within_s
        with self._verdicts():
            if not self._orders.stop(lambda: self._halt() if self._known else self._abort(), within_s):
                raise PositionLost("The stage did not stop. Switch it off, look at it, then home it.")

    @final
    def set_light(self, share: float) -> None:
        """Set the lamp (0 off, 1 full) and wait until it is steady.

        Raises StageRefused outside 0 to 1 or without a lamp, Recoverable, PositionLost.
        """
        if not 0.0 <= share <= 1.0:
            raise StageRefused(f"The light is a share from 0 to 1; {share} is not. Correct it.")
        with self._order():
            self._wire.catch_up()
            self._orders.disturb()
            self._set_light(share)
            self._light = share
            time.sleep(self.settings.light_settle_s)

    @final
    def close(self) -> None:
        """Stop what moves, begin no order that waits, and let go of the port. May be called twice."""
        self._closed = True
        with contextlib.suppress(BridgeError):
            self.stop()
        self._known = False
        self._wire.close()

    @final
    def __enter__(self) -> Self:
        return self

    @final
    def __exit__(self, *_: object) -> None:
        self.close()

    # What a protocol fills in.

    @abstractmethod
    def _connect(self) -> Controller:
        """Greet the controller, read its settings. Raises StageRefused, PortSilent, PortGarbled."""

    @abstractmethod
    def _start_home(self) -> None:
        """Begin homing. `_look` says when it is over."""

    @abstractmethod
    def _start_move(self, leg: Leg) -> None:
        """Begin a move. Raises Recoverable where the controller refused it, so that nothing moves."""

    @abstractmethod
    def _look(self) -> tuple[bool, Point | None]:
        """Whether it moves, and where it is (None where it cannot say while it moves)."""

    @abstractmethod
    def _halt(self) -> None:
        """Bring a move to a stand as fast as the position allows. Comes from another thread: send, do not listen."""

    def _abort(self) -> None:
        """Bring anything to a stand; the position is lost anyway. Comes from another thread: send, do not listen."""
        self._halt()

    def _after_halt(self) -> None:  # noqa: B027 - most controllers need nothing
        """Make the controller ready again after a halt. Comes from the thread whose move was stopped."""

    def _set_light(self, share: float) -> None:
        """Set the lamp."""
        raise StageRefused(f"{self.controller.title} has no lamp. Set the light by hand.")

    @abstractmethod
    def _heed(self, line: str) -> bool:
        """Whether an unasked line is usual chatter. Raises PositionLost for an alarm or a restart."""

    # How an order runs.

    def _open(self) -> None:
        port = Transport(self.settings.url, self.settings.baud_rate or self.BAUD_RATE)
        self._wire = Conversation(port, self._heed, self.settings.reply_within_s, self.settings.quiet_s)
        try:
            self.controller = self._connect()
            refuse_mismatch(self.settings, self.controller)
        except BaseException:
            self._wire.close()
            raise

    @contextlib.contextmanager
    def _order(self) -> Iterator[None]:
        """One order at a time, which `stop` can end."""
        with self._orders.one(), self._verdicts():
            if self._closed:
                raise PortVanished(f"The stage on {self.settings.url} was closed. Open it again.")
            yield

    @contextlib.contextmanager
    def _verdicts(self) -> Iterator[None]:
        """Turn every failure into "nothing moved" or "position lost"."""
        try:
            yield
        except (StageRefused, Recoverable):
            raise
        except PositionLost:
            self._give_up()
            raise
        except (PortSilent, PortGarbled) as error:
            if not self._orders.moves:
                raise Recoverable(f"{error} Nothing moved.") from error
            self._give_up()
            raise PositionLost(f"{error} The stage may have moved: home it before the next move.") from error
        except PortVanished as error:
            self._lose()
            raise PositionLost(f"{error}") from error
        except BaseException:  # an interrupted program leaves nothing moving behind
            if self._orders.moves:
                self._give_up()
            raise

    def _give_up(self) -> None:
        if self._orders.moves:
            with contextlib.suppress(BridgeError):
                self._abort()
        self._lose()

    def _lose(self) -> None:
        self._known, self._taken_up = False, frozenset()

    def _position(self) -> Point:
        with self._verdicts():
            self._refuse_unknown()
            self._wire.catch_up()
            here = self._place()
            if not self.controller.near(here, self._at):
                raise PositionLost(
                    f"The controller says that the stage is at {here}, and it was left at {self._at}: somebody else "
                    "moved it, or it was restarted. Home it before the next move."
                )
            return self._at

    def _travel(self, target: Point) -> Point:
        self._refuse_unknown()
        steps_um = self.controller.steps_um
        refuse_outside(self.settings, steps_um, self._at, target)
        self._wire.catch_up()
        target = on_grid(self.settings, steps_um, self._at, target)
        for part in legs(self.settings, steps_um, self._at, target, self._taken_up):
            self._run(part)
        time.sleep(self.settings.settle_s)
        return self._at

    def _run(self, part: Leg) -> None:
        moving = {name for name in AXES if part.end[name] != part.start[name]}
        if not self._orders.begin(lambda: self._start_move(part)):
            raise Stopped(f"The move was stopped at {self._at}.")
        before, self._taken_up = self._taken_up, self._taken_up - moving
        self._await_standstill(part.end, 2.0 * part.duration_s + self.settings.move_slack_s, part.duration_s)
        if not self._orders.stand():
            self._stand_after_stop()
        self._at = self._seen = part.end
        self._taken_up |= {name for name in moving if self._takes_up(name, part, name in before)}

    def _takes_up(self, name: str, part: Leg, before: bool) -> bool:
        """Whether an axis' backlash is taken up after a leg."""
        axis = self.settings.axis(name)
        along = (part.end[name] - part.start[name]) * axis.approach
        return along > 0 and (before or along >= axis.backlash_um * 0.999)

    def _await_standstill(self, target: Point | None, within_s: float, usual_s: float = 0.0) -> None:
        """Return when the controller says that it stands, and stands at `target`: a word alone is not believed."""
        begun = time.monotonic()
        deadline, stood_since, stopping = begun + within_s, math.inf, False
        while True:
            if self._orders.stop_asked.is_set() and not stopping:  # only what is seen from now on counts
                self._orders.await_halt()
                stopping, deadline = True, time.monotonic() + self.settings.stop_within_s
            moving, here = self._look()
            now = time.monotonic()
            self._seen = here or self._seen
            stood_since = math.inf if moving else min(stood_since, now)
            if not moving and (
                target is None or stopping or (here is not None and self.controller.near(here, target))
            ):
                return
            if now - stood_since > NOT_YET_BEGUN_S:
                raise PositionLost(
                    f"The stage was sent to {target} and stands at {here}. Home it before the next move."
                )
            if now > deadline:
                raise PositionLost(
                    f"The stage still moves after {now - begun:.1f} s, at {self._seen}: an axis is blocked, or the "
                    "controller hangs. Look at it, then home it."
                )
            time.sleep(LOOK_AGAIN_S) if stopping else self._orders.stop_asked.wait(
                LONG_LOOK_S if begun + usual_s - now > 2 * LONG_LOOK_S else LOOK_AGAIN_S
            )

    def _stand_after_stop(self) -> None:
        self._after_halt()
        self._orders.moves = False
        if not self.STOP_KEEPS_POSITION:
            raise PositionLost(
                "The stage was stopped abruptly and may have lost steps. Home it before the next move."
            )
        self._at = self._seen = self._place()
        self._settle_lit()
        raise Stopped(f"The move was stopped at {self._at}.")

    def _settle_lit(self) -> None:
        """Settle, with the light as it was: a controller may switch its outputs off when it is reset."""
        if self._light is not None:
            self._set_light(self._light)
            time.sleep(self.settings.light_settle_s)
        time.sleep(self.settings.settle_s)

    def _place(self) -> Point:
        """Where the controller, which stands, says that it is."""
        moving, here = self._look()
        if moving or here is None:
            raise PositionLost("The stage moves although nothing was asked of it. Look at it, then home it.")
        return here

    def _refuse_unknown(self) -> None:
        if self._wire.gone:
            raise PortVanished(
                f"The stage's port {self.settings.url} is gone. Plug it in, then home the stage."
            )
        if not self._known:
            raise PositionLost("The stage's position is not known. Home it before the next move.")
