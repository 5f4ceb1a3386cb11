"""GRBL 1.1 and grblHAL.

Source: GRBL's `doc/markdown/interface.md`, `commands.md` and `settings.md` (real-time bytes, status reports, alarms,
`$` settings), `protocol.c` (an accepted move may be reported as Idle before it begins; nothing is read during a hold),
`limits.c` (where homing puts machine zero), and grblHAL's `report.c` for its banner.
"""

from __future__ import annotations

import re

from firmware_bridge.controller import Controller
from firmware_bridge.errors import PositionLost, Recoverable, StageRefused
from firmware_bridge.grbl_sentences import alarm_sentence, error_sentence
from firmware_bridge.motion import Leg
from firmware_bridge.point import Point
from firmware_bridge.settings import AXES
from firmware_bridge.stage import Stage

RESET, HOLD = b"\x18", b"!"
BANNER = r"(Grbl\w*) ((\d+)\.(\d+)\w*) \["
DONE = r"ok$|error:(\d+)$"
STATUS = r"<(\w+)(?::(\d+))?\|MPos:(-?\d+\.\d+),(-?\d+\.\d+),(-?\d+\.\d+)"
ASKED_TIMES = 3
IDLE_DELAY, REPORT_MASK, IN_INCHES, HOMING, HOMES_LOW, PULL_OFF, FULL_LIGHT = 1, 10, 13, 22, 23, 27, 30
NEVER_IDLE, KEPT_ON, XYZ = 255, 37, 0b111
STEPS, RATE, TRAVEL = 100, 110, 130
FORCED_ORIGIN = 8  # a bit of grblHAL's $22; GRBL says Z among its build options


class GrblStage(Stage):
    """A stage on a GRBL 1.1 or grblHAL controller. The lamp is its spindle output (M3 S…)."""

    def _connect(self) -> Controller:
        self._homing = False
        title = self._reset()
        build = self._wire.ask_all(b"$I\n", DONE, self.settings.start_within_s)
        said = self._read_settings()
        self._full_light = said.get(FULL_LIGHT, 1000.0)
        forced = int(said[HOMING]) & FORCED_ORIGIN > 0 or any(re.match(r"\[OPT:\w*Z", line) for line in build)
        # Machine zero is the high end of the travel, unless it was forced to where homing ended, at the low end.
        at_low = [forced and bool(int(said[HOMES_LOW]) >> i & 1) for i in range(3)]
        self._low_mm = [0.0 if low else -said[TRAVEL + i] for i, low in enumerate(at_low)]
        travel_mm = [said[TRAVEL + i] - low * said.get(PULL_OFF, 1.0) for i, low in enumerate(at_low)]
        return Controller(
            title,
            steps_per_mm={name: said[STEPS + i] for i, name in enumerate(AXES)},
            travel_um={name: (0.0, 1000.0 * mm) for name, mm in zip(AXES, travel_mm, strict=True)},
            speed_um_s={name: said[RATE + i] * 1000.0 / 60.0 for i, name in enumerate(AXES)},
            resolution_um=1.0,
        )

    def _start_home(self) -> None:
        self._reset()
        self._homing = True
        self._wire.send(b"$H\n")

    def _start_move(self, leg: Leg) -> None:
        machine_mm = [leg.end[name] / 1000.0 + self._low_mm[i] for i, name in enumerate(AXES)]
        place = "".join(f"{name}{mm:.5f}" for name, mm in zip("XYZ", machine_mm, strict=True))
        self._command(f"G21G94G53G1{place}F{leg.speed_um_s * 60.0 / 1000.0:.3f}")

    def _look(self) -> tuple[bool, Point | None]:
        if self._homing:  # GRBL answers no status request until homing has ended
            done = self._wire.hear(DONE, 0.02)
            if done is None:
                return True, None
            self._homing = False
            self._refuse(done[1])
        state, sub, *machine_mm = self._wire.ask(b"?", STATUS, times=ASKED_TIMES).groups()
        if state in ("Alarm", "Door", "Sleep", "Check"):
            raise PositionLost(
                f'The controller is in the state "{state}". Clear its cause, then home the stage.'
            )
        place = Point(*(1000.0 * (float(mm) - low) for mm, low in zip(machine_mm, self._low_mm, strict=True)))
        return state in ("Run", "Jog", "Home") or (state, sub) == ("Hold", "1"), place

    def _halt(self) -> None:
        self._wire.send(HOLD)

    def _abort(self) -> None:
        self._wire.send(RESET)

    def _after_halt(self) -> None:
        self._reset()  # forgets the rest of the move; at a stand it keeps the position

    def _set_light(self, share: float) -> None:
        self._command(f"M3S{share * self._full_light:.0f}" if share > 0 else "M5")

    def _heed(self, line: str) -> bool:
        if line.startswith("ALARM:"):
            raise PositionLost(alarm_sentence(int(line[6:]) if line[6:].isdigit() else 0))
        if line.startswith("Grbl"):
            raise PositionLost("The controller was restarted. Home the stage before the next move.")
        return line.startswith(("[", "<", ">", "$", "ok", "error:"))

    def _command(self, order: str) -> None:
        self._refuse(self._wire.ask(f"{order}\n".encode(), DONE)[1])

    @staticmethod
    def _refuse(number: str | None) -> None:
        if number is not None:
            raise Recoverable(error_sentence(int(number)))

    def _reset(self) -> str:
        """Reset softly, and return the firmware's name and version."""
        heard: list[str] = []
        within_s = self.settings.start_within_s / ASKED_TIMES
        for _ in range(
            ASKED_TIMES
        ):  # an Arduino that opening the port has restarted sleeps through the first
            self._wire.send(RESET)
            if found := self._wire.hear(BANNER, within_s, heard, heeding=False):
                if (int(found[3]), int(found[4])) < (1, 1):
                    raise StageRefused(f"{found[1]} {found[2]} is too old. Install GRBL 1.1.")
                self._wire.forget()  # start-up lines, and the banner of a second reset
                self._homing = False
                return f"{found[1]} {found[2]}"
        raise self._wire.no_answer("a reset", heard)

    def _read_settings(self) -> dict[int, float]:
        """Read the `$` settings. Raises StageRefused where they do not suit a stage."""
        answer = self._wire.ask_all(b"$$\n", DONE, self.settings.start_within_s)
        lines = (re.fullmatch(r"\$(\d+)=(-?\d+(?:\.\d+)?)", line) for line in answer)
        said = {int(line[1]): float(line[2]) for line in lines if line}
        needed = (HOMING, HOMES_LOW, *(first + i for first in (STEPS, RATE, TRAVEL) for i in range(3)))
        if missing := [f"${number}" for number in needed if number not in said]:
            raise StageRefused(f"The controller did not say {', '.join(missing)}. Check its firmware.")
        if not int(said[HOMING]) & 1:
            raise StageRefused(
                "Homing is switched off in the controller. Set $22=1: a stage must know where it is."
            )
        held = said.get(IDLE_DELAY, NEVER_IDLE) == NEVER_IDLE or int(said.get(KEPT_ON, 0)) & XYZ == XYZ
        if not held:  # drivers forget between which full steps they stood, and an axis may sink
            raise StageRefused(
                f"The controller lets go of its motors after each move ($1={said[IDLE_DELAY]:g}). Set $1=255."
            )
        if said.get(IN_INCHES, 0):
            raise StageRefused("The controller reports inches. Set $13=0.")
        if not int(said.get(REPORT_MASK, 1)) & 1:
            raise StageRefused("The controller reports work positions. Set $10=1 for machine positions.")
        return said


PROTOCOL = GrblStage
