"""Marlin 2 on a pseudo-terminal.

Source: Marlin's `queue.cpp`, `language.h` (its messages), `M114.cpp`, `M115.cpp`; the documentation of M400, M410.
"""

from __future__ import annotations

import re
from functools import reduce
from operator import xor

from firmware_bridge.emulated.board import EmulatedBoard
from firmware_bridge.emulated.mechanics import Triple

SEEK_UM_S, LOCATE_UM_S, BUMP_UM = 10_000.0, 1_000.0, 1_000.0
BUSY_EVERY_S = 2.0


class EmulatedMarlin(EmulatedBoard):
    """A board with Marlin 2.1, homing to its low switches, where its coordinates are 0."""

    PROTOCOL = "marlin"

    def _power_on(self) -> None:
        self._zero: Triple = self._sent()
        self._last_number = 0
        self._busy = self._killed = False
        self._shine(0.0)
        self._say("start", "Marlin 2.1.2", "echo: Last Updated: 2023-01-16 | Author: (none, default config)")

    def _blocked(self) -> bool:
        return self._busy

    def _obey_in_turn(self, line: str) -> None:
        if line.startswith(("M410", "M112")):  # read before its turn
            self._obey(line)
        else:
            super()._obey_in_turn(line)

    def _obey(self, line: str) -> None:
        if self._killed or not line:
            return
        numbered = re.fullmatch(r"N(-?\d+) ?(.*?)\*(\d+)", line)
        if numbered:
            again = self._misread(line, int(numbered[1]), numbered[2])
            if again:
                self._say(
                    f"Error:{again}, Last Line: {self._last_number}", f"Resend: {self._last_number + 1}", "ok"
                )
                return
            self._last_number = int(numbered[1])
            line = numbered[2]
        elif line.startswith("N"):
            self._say(f"Error:No Checksum with line number, Last Line: {self._last_number}")
            self._say(f"Resend: {self._last_number + 1}", "ok")
            return
        self._run_order(line.split(" ")[0], line)

    def _misread(self, line: str, number: int, order: str) -> str | None:
        body, checksum = line.rsplit("*", 1)
        if number != self._last_number + 1 and not order.startswith("M110"):
            return "Line Number is not Last Line Number+1"
        return None if reduce(xor, body.encode()) == int(checksum) else "checksum mismatch"

    def _run_order(self, code: str, line: str) -> None:
        if code == "G1":
            self._move(line)
        elif code == "M400":
            self._wait()
        elif code == "G28":
            self._home()
            return
        elif code == "M410":
            self._reset_motion(abruptly=True)
            if self._busy:
                self._done()
        elif code == "M112":
            self._kill("Printer halted. kill() called!")
            return
        elif code in ("M355", "M106"):
            level = re.search(r"[PS](\d+)$", line)
            self._shine(int(level[1]) / 255 if level else 0.0)
        else:
            self._say(*self._answer(code, line))
        if code != "M400":
            self._say("ok")

    def _answer(self, code: str, line: str) -> list[str]:
        built = self.mechanics
        if code == "M115":
            return [
                "FIRMWARE_NAME:Marlin 2.1.2 (Jan 16 2023) PROTOCOL_VERSION:1.0",
                "Cap:CASE_LIGHT_BRIGHTNESS:1",
            ]
        if code == "M503":
            rates = tuple(speed / 1000 for speed in built.speed_um_s)
            return [
                "echo:; Steps per unit:",
                f"echo: M92 {_xyz(built.steps_per_mm)}",
                f"echo:  M203 {_xyz(rates)}",
            ]
        if code == "M211":
            return [f"echo:Soft endstops: ON  Min:  {_xyz((0, 0, 0))}   Max:  {_xyz(_mm(built.travel_um))}"]
        if code == "M114":
            here = self._place()
            counts = (round(h * s / 1000) for h, s in zip(here, built.steps_per_mm, strict=True))
            x, y, z = (f"{mm:.2f}" for mm in _mm(here))
            return [f"X:{x} Y:{y} Z:{z} E:0.00 Count X:{next(counts)} Y:{next(counts)} Z:{next(counts)}"]
        known = ("M110", "G90", "G21", "M84")
        return [] if code in known else [f'echo:Unknown command: "{line}"']

    def _move(self, line: str) -> None:
        words = {letter: float(number) for letter, number in re.findall(r"([XYZF])(-?[\d.]+)", line)}
        steps = [count / 1000 for count in self.mechanics.steps_per_mm]
        goal = [words.get(letter, 0.0) * 1000 for letter in "XYZ"]
        x, y, z = (round(g * s) / s + zero for g, s, zero in zip(goal, steps, self._zero, strict=True))
        self._go((x, y, z), words["F"] * 1000 / 60, lambda: None)

    def _wait(self) -> None:
        """M400: nothing more is obeyed until everything stands, then ok."""
        self._busy = True
        self._when_still(self._done)
        self._later(BUSY_EVERY_S, self._still_busy)

    def _done(self) -> None:
        self._busy = False
        self._say("ok")
        self._go_on()

    def _still_busy(self) -> None:
        if self._busy:
            self._say("echo:busy: processing")
            self._later(BUSY_EVERY_S, self._still_busy)

    def _home(self) -> None:
        self._busy = True
        self._later(BUSY_EVERY_S, self._still_busy)
        at = self._sent()
        for axis in (2, 0, 1):
            way = self._search_um(axis)
            if way is None:
                self._go(
                    _put(at, axis, at[axis] - 1.5 * self.mechanics.travel_um[axis]),
                    SEEK_UM_S,
                    self._not_homed,
                )
                return
            low = at[axis] - way
            self._go(_put(at, axis, low), SEEK_UM_S, lambda: None)
            self._go(_put(at, axis, low + BUMP_UM), SEEK_UM_S, lambda: None)
            self._go(_put(at, axis, low), LOCATE_UM_S, lambda: None)
            at = _put(at, axis, low)
        self._when_still(self._homed)

    def _homed(self) -> None:
        self._zero = self._sent()
        self._done()

    def _not_homed(self) -> None:
        self._say("echo:Homing Failed")
        self._kill("Printer halted. kill() called!")

    def _alarm(self) -> None:
        self._kill("Driver error detected. kill() called!")

    def _kill(self, why: str) -> None:
        self._reset_motion(abruptly=True)
        self._say(f"Error:{why}")
        self._killed, self._busy = True, False
        self._waiting.clear()

    def _place(self) -> Triple:
        x, y, z = self._sent()
        return x - self._zero[0], y - self._zero[1], z - self._zero[2]


def _put(place: Triple, axis: int, value: float) -> Triple:
    x, y, z = (value if i == axis else old for i, old in enumerate(place))
    return x, y, z


def _mm(place: Triple) -> Triple:
    return place[0] / 1000, place[1] / 1000, place[2] / 1000


def _xyz(values: tuple[float, ...]) -> str:
    return " ".join(f"{letter}{value:.2f}" for letter, value in zip("XYZ", values, strict=True))


BOARD = EmulatedMarlin
