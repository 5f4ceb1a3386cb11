"""An emulated controller: a state machine behind a pseudo-terminal, with mechanics, in real or accelerated time.

The emulation sits at the level of bytes, as LumaViewPro's does: whoever opens `port` talks to it as to a real board,
and can see it unplugged, restarted or garbling.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import math
import os
import select
import tempfile
import threading
import time
import tty
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar, Self

from firmware_bridge.emulated.faults import ON_BYTES, ON_REPLY, Fault, garbled, misheard
from firmware_bridge.emulated.mechanics import Carriage, Counts, Mechanics, Triple
from firmware_bridge.point import Point

MOST_HEARD = 20_000


class EmulatedBoard(ABC):
    """A board with power, in a thread of its own until `close`.

    port: the path to open.  address: the same with the protocol, as StageSettings wants it.
    rate: how many seconds of the board's clock pass in a real one.  heard: the last orders, for tests.
    """

    PROTOCOL: ClassVar[str]
    REAL_TIME: ClassVar[bytes] = b""  # bytes that are obeyed at once, outside lines

    def __init__(self, mechanics: Mechanics | None = None, rate: float = 1.0) -> None:
        """Switch the board on."""
        self.mechanics = mechanics or Mechanics()
        self._knots = [(time.monotonic_ns(), 0.0, rate)]  # from when on, the board's clock then, and its rate
        self.faults: list[Fault] = []
        self.heard: list[str] = []
        self.broken_switches: set[int] = set()
        self._state = threading.RLock()
        self._carriage = Carriage.built(self.mechanics)
        self._lights: list[tuple[int, float]] = [(self._knots[0][0], 0.0)]
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._generation = 0
        self._due_s: float | None = None
        self._silent = self._closing = False
        self._line = b""
        self._waiting: deque[str] = deque()
        self._folder = tempfile.TemporaryDirectory(prefix="hemadiff-board-")
        self.port = str(Path(self._folder.name) / "port")
        self._wake_r, self._wake_w = os.pipe()
        self._master: int | None = None
        self.plug_in()
        self._thread = threading.Thread(target=self._run, name=f"emulated {self.PROTOCOL}", daemon=True)
        self._thread.start()

    @property
    def limits_um(self) -> tuple[tuple[float, float], ...]:
        """The travel of each axis in stage coordinates."""
        return tuple((0.0, travel) for travel in self.mechanics.travel_um)

    @property
    def speeds_um_s(self) -> tuple[float, float, float]:
        """The most that the controller allows, by axis."""
        return self.mechanics.speed_um_s

    @property
    def rate(self) -> float:
        """How many seconds of the board's clock pass in a real one."""
        return self._knots[-1][2]

    @rate.setter
    def rate(self, rate: float) -> None:
        with self._state:
            now_ns = time.monotonic_ns()
            self._knots.append((now_ns, self._at_s(now_ns), rate))
            self._wake()

    @property
    def address(self) -> str:
        """The port with its protocol: "grbl:/tmp/…"."""
        return f"{self.PROTOCOL}:{self.port}"

    def true_position(self, at_ns: int | None = None) -> Point:
        """Where the carriage really is, or was at a recent monotonic time: µm above the low switches."""
        with self._state:
            return self._carriage.true_point(self._at_s(time.monotonic_ns() if at_ns is None else at_ns))

    def moves(self, at_ns: int) -> tuple[Counts, Counts, float]:
        """How often each axis had moved before its last motion, how often with it, and what share of that is over."""
        with self._state:
            return self._carriage.moves(self._at_s(at_ns))

    def light_at(self, at_ns: int | None = None) -> float:
        """The share of the lamp's light that was on at a monotonic time."""
        with self._state:
            at_ns = time.monotonic_ns() if at_ns is None else at_ns
            return self._lights[max(0, bisect_right(self._lights, (at_ns, 2.0)) - 1)][1]

    # What a test does to it.

    def schedule(self, *faults: Fault) -> Self:
        """Let these go wrong."""
        with self._state:
            self.faults += faults
        return self

    def stick(self, axis: str, *, stuck: bool = True) -> None:
        """Block an axis from the next motion on: the motor hums, the pulses are counted, nothing turns."""
        with self._state:
            self._carriage.stuck["xyz".index(axis)] = stuck

    def lose_steps(self, axis: str, lost_um: float) -> None:
        """Lose so many micrometres in the next motions of an axis, as long as they last; 0: lose no more."""
        with self._state:
            self._carriage.lost_um["xyz".index(axis)] = lost_um

    def break_switch(self, axis: str) -> None:
        """The axis' end switch never closes again."""
        with self._state:
            self.broken_switches.add("xyz".index(axis))

    def unplug(self) -> None:
        """Pull the cable, power included."""
        with self._state:
            if self._master is not None:
                os.close(self._master)
                os.close(self._slave)
                self._master = None
                Path(self.port).unlink()
                self._reset_motion(abruptly=True)
            self._wake()

    @property
    def plugged_in(self) -> bool:
        """Whether its port is there."""
        return self._master is not None

    def plug_in(self) -> None:
        """Plug the cable in again: the board starts anew at the same `port`, and the carriage is where it was left."""
        with self._state:
            self._master, self._slave = os.openpty()
            tty.setraw(self._slave)
            os.set_blocking(self._master, False)
            Path(self.port).symlink_to(os.ttyname(self._slave))
            self._silent, self._line = False, b""
            self._waiting.clear()
            self._power_on()
            self._wake()

    def restart(self) -> None:
        """A brown-out: the board forgets everything, in mid-move too."""
        with self._state:
            self._reset_motion(abruptly=True)
            self._silent, self._line = False, b""
            self._waiting.clear()
            self._power_on()

    def close(self) -> None:
        """Switch it off."""
        self._closing = True
        self.unplug()
        self._thread.join(timeout=5.0)
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What a firmware fills in. All of it runs with the board's state locked.

    @abstractmethod
    def _power_on(self) -> None:
        """Forget everything and say hello."""

    @abstractmethod
    def _obey(self, line: str) -> None:
        """Obey a line."""

    def _blocked(self) -> bool:
        """Whether lines have to wait, as in a firmware that reads none while it moves."""
        return False

    def _obey_at_once(self, byte: str) -> None:  # noqa: B027 - most firmwares have none
        """Obey a real-time byte."""

    @abstractmethod
    def _alarm(self) -> None:
        """Find that something is badly wrong, in mid-move."""

    # What a firmware uses.

    def _say(self, *lines: str) -> None:
        """Reply lines, as far as the faults let them through."""
        for line in lines:
            self._reply(line)

    def _now_s(self) -> float:
        """The board's clock; while something that was due is done, the time at which it was due."""
        return self._at_s(time.monotonic_ns()) if self._due_s is None else self._due_s

    def _sent(self) -> Triple:
        return self._carriage.sent(self._now_s())

    def _go(self, target: Triple, speed_um_s: float, ended: Callable[[], None]) -> None:
        """Move there after what is under way, then call `ended`, unless the motion is halted before."""
        self._carriage.start(self._now_s(), target, speed_um_s)
        self._when_still(ended)

    def _go_on(self) -> None:
        """Obey the lines that have waited."""
        while self._waiting and not self._blocked():
            self._obey(self._waiting.popleft())

    def _when_still(self, ended: Callable[[], None]) -> None:
        """Call back when the motion that is under way has ended, unless it is halted before."""
        generation = self._generation
        self._later(
            self._carriage.end_s - self._now_s(), lambda: ended() if generation == self._generation else None
        )

    def _later(self, in_s: float, do: Callable[[], None]) -> None:
        """Do something in so many seconds of the board's clock."""
        heapq.heappush(self._due, (self._now_s() + max(0.0, in_s), next(self._order), do))

    def _reset_motion(self, *, abruptly: bool) -> None:
        """Bring the motors to a stand; nothing is called back for the halted motion."""
        self._generation += 1
        self._carriage.halt(self._now_s(), abruptly=abruptly)

    def _shine(self, share: float) -> None:
        if share != self._lights[-1][1]:
            self._lights.append((time.monotonic_ns(), share))

    def _search_um(self, axis: int) -> float | None:
        """How far the motor turns down until the axis' switch closes (as `Carriage.to_switch`); None: it never will."""
        return None if axis in self.broken_switches else self._carriage.to_switch(self._now_s(), axis)

    # The thread.

    def _at_s(self, at_ns: int) -> float:
        since_ns, clock_s, rate = self._knots[max(0, bisect_right(self._knots, (at_ns, math.inf)) - 1)]
        return clock_s + (at_ns - since_ns) / 1e9 * rate

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._wake_w, b"!")

    def _run(self) -> None:
        while not self._closing:
            with self._state:
                self._do_what_is_due()
                master = self._master
                wait_s = max(0.0, self._due[0][0] - self._now_s()) / self.rate if self._due else None
            watched = [self._wake_r] if master is None else [self._wake_r, master]
            try:
                ready, _, _ = select.select(watched, [], [], wait_s)
            except (OSError, ValueError):  # unplugged while it waited
                continue
            if self._wake_r in ready:
                os.read(self._wake_r, 64)
            with self._state:
                if master in ready and master == self._master:
                    self._take_in()
        os.close(self._wake_r)
        os.close(self._wake_w)

    def _do_what_is_due(self) -> None:
        """Do it as if at its time, however late this thread is: what happens does not depend on a busy machine."""
        while self._due and self._due[0][0] <= self._at_s(time.monotonic_ns()):
            self._due_s, _, do = heapq.heappop(self._due)
            do()
            self._due_s = None

    def _take_in(self) -> None:
        if self._master is None:
            return
        try:
            data = os.read(self._master, 4096)
        except OSError:
            return
        for value in data:
            byte = bytes([value])
            if self._master is None:
                return
            if byte in (b"\n", b"\r"):
                line, self._line = self._line.decode("ascii", "replace").strip(), b""
                if any(fault.kind in ON_BYTES and fault.strikes(line) for fault in self.faults):
                    line = misheard(line)
                self._hear(line, partial(self._obey_in_turn, line))
            elif byte in self.REAL_TIME and byte:
                self._hear(byte.decode("latin-1"), partial(self._obey_at_once, byte.decode("latin-1")))
            else:
                self._line += byte

    def _obey_in_turn(self, line: str) -> None:
        self._waiting.append(line)
        self._go_on()

    def _hear(self, order: str, obey: Callable[[], None]) -> None:
        self._do_what_is_due()
        if len(self.heard) >= MOST_HEARD:
            del self.heard[: MOST_HEARD // 2]
        self.heard.append(order)
        later = [fault for fault in self.faults if fault.kind not in ON_REPLY + ON_BYTES]
        strikes = [fault for fault in later if fault.strikes(order)]
        before_s = self._carriage.end_s
        obey()
        for fault in strikes:
            left_s = self._carriage.end_s - self._now_s()
            begun = self._carriage.end_s > before_s
            self._later(left_s * fault.share if begun else 0.0, partial(self._strike, fault.kind))

    def _strike(self, kind: str) -> None:
        if kind == "reset":
            self.restart()
        elif kind == "unplug":
            self.unplug()
        elif kind == "silence":
            self._silent = True
        elif self._master is not None:
            self._alarm()

    def _reply(self, line: str) -> None:
        struck = next(
            (fault for fault in self.faults if fault.kind in ON_REPLY and fault.strikes(line)), None
        )
        if struck is None:
            self._write(line.encode("ascii") + b"\r\n")
        elif struck.kind == "garble":
            self._write(garbled(line))
        elif struck.kind == "delay":
            self._later(struck.by_s * self.rate, lambda: self._write(line.encode("ascii") + b"\r\n"))

    def _write(self, data: bytes) -> None:
        if self._master is not None and not self._silent:
            with contextlib.suppress(BlockingIOError):  # nobody reads: a UART does not wait either
                os.write(self._master, data)
