"""GRBL 1.1 on a pseudo-terminal.

Source: GRBL's interface document; `protocol.c` (holds, resets, alarms, a move that is reported as Idle before it
begins), `limits.c` (homing: search, pull off, locate, pull off; no status is reported meanwhile).
"""

from __future__ import annotations

import re

from firmware_bridge.emulated.board import EmulatedBoard
from firmware_bridge.emulated.mechanics import Mechanics, Triple

PULL_OFF_UM = 1_000.0
SEEK_UM_S, LOCATE_UM_S = 10_000.0, 1_000.0
HELLO = "Grbl 1.1h ['$' for help]"


class EmulatedGrbl(EmulatedBoard):
    """A board with GRBL 1.1 whose machine coordinates run from minus the travel to 0.

    settings: its `$` settings, by number.  hello: its banner.
    """

    PROTOCOL = "grbl"
    REAL_TIME = b"?!~\x18\x85"

    def __init__(self, mechanics: Mechanics | None = None, rate: float = 1.0, *, hello: str = HELLO) -> None:
        """Switch the board on."""
        built = mechanics or Mechanics()
        self.hello = hello
        self.settings = {
            1: 255.0,
            10: 1.0,
            13: 0.0,
            20: 1.0,
            21: 0.0,
            22: 1.0,
            23: 7.0,
            27: PULL_OFF_UM / 1000,
            30: 1000.0,
        }
        for i in range(3):
            self.settings |= {
                100 + i: built.steps_per_mm[i],
                110 + i: built.speed_um_s[i] * 60 / 1000,
                120 + i: built.acceleration_um_s2[i] / 1000,
                130 + i: built.travel_um[i] / 1000,
            }
        super().__init__(built, rate)

    def _power_on(self) -> None:
        self._mode = "Alarm" if self.settings[22] else "Idle"
        self._zero: Triple = self._sent()  # the pulses sent when the machine's coordinates were 0
        self._begin()

    def _begin(self) -> None:
        """Start the main loop anew, as after the power came or a soft reset."""
        self._waiting.clear()
        self._critical = False
        self._says_idle = 0
        self._target: Triple | None = None
        self._shine(0.0)
        self._say("", self.hello)
        if self._mode == "Alarm":
            self._say("[MSG:'$H'|'$X' to unlock]")

    def _blocked(self) -> bool:
        return self._mode.startswith(("Hold", "Home"))

    def _obey_at_once(self, byte: str) -> None:
        if byte == "?":
            if self._mode != "Home":
                self._say(self._status())
        elif byte == "\x18":
            self._soft_reset()
        elif byte == "!":
            self._hold()
        elif byte == "~" and self._mode == "Hold:0":
            self._resume()

    def _obey(self, line: str) -> None:
        if self._critical:
            return
        order = re.sub(r"\s|\(.*?\)", "", line).upper()
        if order == "$H" and self.settings[22]:
            self._home()
            return
        error = self._system(order) if order.startswith("$") else self._code(order)
        if not self._critical:
            self._say("ok" if error == 0 else f"error:{error}")

    def _system(self, order: str) -> int:
        if order == "$$":
            self._say(*(f"${number}={value:.3f}" for number, value in sorted(self.settings.items())))
        elif order == "$I":
            self._say("[VER:1.1h.20190825:]", "[OPT:V,15,128]")
        elif order == "$X":
            if self._mode == "Alarm":
                self._mode = "Idle"
                self._say("[MSG:Caution: Unlocked]")
        else:
            return 5 if order == "$H" else 3
        return 0

    def _code(self, order: str) -> int:
        if order and self._mode == "Alarm":
            return 9
        words = re.findall(r"([A-Z])([-+]?[\d.]+)", order)
        if "".join(letter + number for letter, number in words) != order:
            return 1
        codes = {letter + number for letter, number in words if letter in "GM"}
        if codes - {"G21", "G94", "G90", "G53", "G1", "G0", "M3", "M5"}:
            return 20
        values = {letter: float(number) for letter, number in words if letter not in "GM"}
        if "M5" in codes or "M3" in codes:
            self._shine(0.0 if "M5" in codes else min(1.0, values.get("S", 0.0) / self.settings[30]))
        return self._move(values) if codes & {"G0", "G1"} else 0

    def _move(self, values: dict[str, float]) -> int:
        if not values.get("F"):
            return 22
        here = self._machine()
        goal = [values[letter] * 1000 if letter in values else here[i] for i, letter in enumerate("XYZ")]
        travel = [self.settings[130 + i] * 1000 for i in range(3)]
        ends = [(0.0, t) if self._forced() else (-t, 1e-6) for t in travel]
        if self.settings[20] and any(not low <= g <= high for g, (low, high) in zip(goal, ends, strict=True)):
            self._say("ok")  # the line was understood before its target was looked at
            self._alarm_now(2)
            return 0
        steps = [self.settings[100 + i] / 1000 for i in range(3)]
        x, y, z = (round(g * s) / s + zero for g, s, zero in zip(goal, steps, self._zero, strict=True))
        self._target, self._speed = (x, y, z), values["F"] * 1000 / 60
        self._says_idle = 1
        self._resume()
        return 0

    def _resume(self) -> None:
        if self._target is not None:
            self._mode = "Run"
            self._go(self._target, self._speed, self._stand)
        else:
            self._stand()

    def _stand(self) -> None:
        self._mode, self._target = "Idle", None
        self._go_on()

    def _hold(self) -> None:
        if self._mode == "Idle":
            self._mode = "Hold:0"
        elif self._mode == "Run":
            self._mode = "Hold:1"
            self._reset_motion(abruptly=False)
            self._when_still(self._held)

    def _held(self) -> None:
        self._mode = "Hold:0"

    def _soft_reset(self) -> None:
        alarm = {"Run": 3, "Hold:1": 3, "Home": 6}.get(self._mode)
        self._reset_motion(abruptly=True)
        if alarm:
            self._mode = "Alarm"
            self._say(f"ALARM:{alarm}")
        elif self._mode != "Alarm":
            self._mode = "Idle"
        self._begin()

    def _alarm(self) -> None:
        self._alarm_now(1)

    def _alarm_now(self, number: int) -> None:
        """A critical alarm: nothing but a reset is obeyed."""
        self._reset_motion(abruptly=number == 1)
        self._mode, self._critical = "Alarm", True
        self._say(f"ALARM:{number}", "[MSG:Reset to continue]")

    def _home(self) -> None:
        self._mode = "Home"
        ways = [self._search_um(axis) for axis in range(3)]
        lost = [axis for axis, way in enumerate(ways) if way is None]
        at = self._sent()
        for axes in ((2,), (0, 1)):  # z first, so that the objective is out of the way
            if any(axis in lost for axis in axes):
                # Each axis stops at its own switch; one without goes on and on.
                ends = [
                    at[i] - (1.5 * self.mechanics.travel_um[i] if i in lost else ways[i] or 0.0)
                    for i in range(3)
                ]
                far = [ends[i] if i in axes else at[i] for i in range(3)]
                self._go((far[0], far[1], far[2]), SEEK_UM_S, self._not_homed)
                return
            found = [at[i] - (ways[i] or 0.0) if i in axes else at[i] for i in range(3)]
            off = [found[i] + PULL_OFF_UM if i in axes else at[i] for i in range(3)]
            for place, speed in (
                (found, SEEK_UM_S),
                (off, SEEK_UM_S),
                (found, LOCATE_UM_S),
                (off, SEEK_UM_S),
            ):
                self._go((place[0], place[1], place[2]), speed, lambda: None)
            at = (off[0], off[1], off[2])
        self._when_still(self._homed)

    def _homed(self) -> None:
        x, y, z = self._sent()
        low_x, low_y, low_z = (PULL_OFF_UM - 1000 * self.settings[130 + i] for i in range(3))
        self._zero = (x, y, z) if self._forced() else (x - low_x, y - low_y, z - low_z)
        self._mode = "Idle"
        self._say("ok")
        self._stand()

    def _forced(self) -> bool:
        """Whether machine zero is forced to where homing ends (grblHAL)."""
        return bool(int(self.settings[22]) & 8)

    def _not_homed(self) -> None:
        self._mode = "Alarm"
        self._say("ALARM:9")
        self._begin()

    def _machine(self) -> Triple:
        x, y, z = self._sent()
        return x - self._zero[0], y - self._zero[1], z - self._zero[2]

    def _status(self) -> str:
        mode = self._mode
        if mode == "Run" and self._says_idle:
            mode, self._says_idle = "Idle", 0
        place = ",".join(f"{value / 1000:.3f}" for value in self._machine())
        return f"<{mode}|MPos:{place}|FS:0,0>"


BOARD = EmulatedGrbl
