"""Marlin 1.1 and 2.

Source: Marlin's `queue.cpp` (line numbers, checksums, resends, and M112 and M410 read before their turn when they carry
no number), `M114.cpp` (stepper counts), `M115.cpp`, `M503`, `M211`, and the documentation of M400 and M410 (the motors
stop without a ramp, so steps may be lost).
"""

from __future__ import annotations

import re
from functools import reduce
from operator import xor

from firmware_bridge.controller import Controller
from firmware_bridge.errors import PositionLost, StageRefused
from firmware_bridge.motion import Leg
from firmware_bridge.point import Point
from firmware_bridge.settings import AXES
from firmware_bridge.stage import Stage

ASKED_TIMES, SENT_TIMES = 5, 6
OK_OR_AGAIN = r"ok\b|Resend: ?(\d+)"
NUMBERS = " ".join(rf"{axis} ?:?(-?\d+(?:\.\d+)?)" for axis in "XYZ")
FIRMWARE, CASE_LIGHT = r"FIRMWARE_NAME:(Marlin \S+)", "Cap:CASE_LIGHT_BRIGHTNESS:1"
COUNTS = f"Count {NUMBERS}"
ASKS_AGAIN = re.compile(r"Error:.*(checksum|line number)", re.IGNORECASE)


class MarlinStage(Stage):
    """A stage on a Marlin controller. The lamp is its case light (M355), or else its fan output (M106)."""

    STOP_KEEPS_POSITION = False

    def _connect(self) -> Controller:
        self._ends_with_ok = self._halted = False
        within_s = self.settings.start_within_s
        about = self._wire.ask(b"M115\n", FIRMWARE, within_s, times=ASKED_TIMES)
        self._wire.forget()
        self._case_light = CASE_LIGHT in self._wire.ask_all(b"M115\n", "ok", within_s)
        self._begin()
        said = " ".join(self._command("M503", "M203", within_s))
        ends = " ".join(self._command("M211", "Max:", within_s))
        steps, rates = self._three("M92 ", said), self._three("M203 ", said)
        lows, highs = self._three("Min: *", ends), self._three("Max: *", ends)
        return Controller(
            about[1],
            steps_per_mm=dict(zip(AXES, steps, strict=True)),
            travel_um={name: (1000.0 * lows[i], 1000.0 * highs[i]) for i, name in enumerate(AXES)},
            speed_um_s={name: 1000.0 * rate for name, rate in zip(AXES, rates, strict=True)},
        )

    def _start_home(self) -> None:
        self._begin()
        self._start("G28")

    def _start_move(self, leg: Leg) -> None:
        place = " ".join(f"{name.upper()}{leg.end[name] / 1000.0:.5f}" for name in AXES)
        self._command(f"G1 {place} F{leg.speed_um_s * 60.0 / 1000.0:.3f}")
        self._start("M400")

    def _look(self) -> tuple[bool, Point | None]:
        if self._ends_with_ok:
            found = self._wire.hear(OK_OR_AGAIN, 0.02)
            if found is None:
                return True, None
            if found[1]:
                self._send_again(found[1])
                return True, None
            self._ends_with_ok = False
        counts = self._three("Count ", " ".join(self._command("M114", COUNTS)))
        steps = self.controller.steps_um
        return False, Point(*(count * steps[name] for name, count in zip(AXES, counts, strict=True)))

    def _halt(self) -> None:
        self._halted = True
        self._wire.send(b"M410\n")

    def _abort(self) -> None:
        if (
            self._halted
        ):  # and it moves still: an emergency stop, after which the controller has to be restarted
            self._wire.send(b"M112\n")
        else:
            self._halt()

    def _set_light(self, share: float) -> None:
        level = round(255 * share)
        self._command(f"M355 S{int(share > 0)} P{level}" if self._case_light else f"M106 S{level}")

    def _heed(self, line: str) -> bool:
        if ASKS_AGAIN.match(line):
            return True
        if line.startswith("Error:"):
            raise PositionLost(f'The controller says "{line[6:].strip()}". Restart it, then home the stage.')
        if line == "start":
            raise PositionLost("The controller was restarted. Home the stage before the next move.")
        return line.startswith(("echo:busy", "wait", "T:", "ok"))

    def _begin(self) -> None:
        """Count lines anew, take positions as absolute millimetres, and never let go of idle motors (M84 S0)."""
        self._number, self._ends_with_ok = -1, False
        for order in ("M110 N0", "G90", "G21", "M84 S0"):
            self._command(order)
        self._command("M114", COUNTS)  # whatever came late has come before this answer

    def _start(self, order: str) -> None:
        self._send(order)
        self._ends_with_ok, self._halted = True, False

    def _command(self, order: str, says: str = "", within_s: float | None = None) -> list[str]:
        """Obey an order, return what it said before its ok. A question (`says` is in its answer) may be repeated."""
        self._send(order)
        within_s = (within_s or self.settings.reply_within_s) / (SENT_TIMES if says else 1)
        said: list[str] = []
        for left in reversed(range(SENT_TIMES)):
            found = self._wire.hear(OK_OR_AGAIN, within_s, said)
            if found is None:
                if not (says and left):
                    raise self._wire.no_answer(f'"{order}"', said)
                self._send(order)
            elif found[1]:
                self._send_again(found[1])
            elif re.search(says, " ".join(said)):  # otherwise it is the late ok of an earlier order
                return said
        raise self._wire.no_answer(f'"{order}"', said)

    def _send(self, order: str) -> None:
        self._number += 1
        line = f"N{self._number} {order}"
        self._line = f"{line}*{reduce(xor, line.encode())}\n".encode()
        self._wire.send(self._line)

    def _send_again(self, number: str) -> None:
        """Send the last line again, which the controller says that it did not obey."""
        if int(number) != self._number:
            raise PositionLost(
                "The controller lost count: it was restarted. Home the stage before the next move."
            )
        self._wire.hear("ok", self._wire.quiet_s)  # some versions say ok after a resend, too
        self._wire.send(self._line)

    @staticmethod
    def _three(before: str, text: str) -> list[float]:
        found = re.search(before + NUMBERS, text)
        if found is None:
            raise StageRefused(f'The controller does not say "{before.strip(" *")}". Use a Marlin that does.')
        return [float(number) for number in found.groups()]


PROTOCOL = MarlinStage
