"""Sangaboard, the motor board of the OpenFlexure microscope; firmware 0.5 and newer.

Source: the firmware's `sangaboard.ino` (0.5: nothing is read while a move runs, `done.` at its end) and
`modules/stage/stage.cpp` (1.0: `done.` at once, `moving?`, `stop`; a second `mr` pre-empts the first); OpenFlexure's
`SangaboardThing` (relative moves from a position that is asked first, `blocking_moves false`, `led_cc`).
"""

from __future__ import annotations

import itertools
import re

from firmware_bridge.controller import Controller
from firmware_bridge.errors import PositionLost, Recoverable, StageRefused
from firmware_bridge.motion import Leg
from firmware_bridge.point import Point
from firmware_bridge.settings import AXES
from firmware_bridge.stage import Stage

ASKED_TIMES = 3
PLACE = r"(-?\d+) (-?\d+) (-?\d+)$"
UNKNOWN = r"Type 'help'|Invalid command|Command not recognised|Error"
PIECE_S = 0.3  # of a move on firmware 0.5, which cannot be stopped in between


class SangaboardStage(Stage):
    """A stage on a Sangaboard. It has no end switches: `home` takes the place where a person has put it as 0, 0, 0."""

    HAS_SWITCHES = False

    def _connect(self) -> Controller:
        self._pieces: list[tuple[int, ...]] = []
        self._ends_with_done = False
        version = r"Sangaboard Firmware v(\d+)\.(\d+)(\S*)"
        found = self._wire.ask(b"version\n", version, self.settings.start_within_s, times=ASKED_TIMES)
        self._wire.forget()  # the answers to the first tries, and its hello
        if (int(found[1]), int(found[2])) < (0, 5):
            raise StageRefused(f"Sangaboard firmware {found[1]}.{found[2]} is too old. Install 0.5 or newer.")
        self._steps_per_mm = [self.settings.axis(name).steps_per_mm for name in AXES]
        if None in self._steps_per_mm:
            raise StageRefused(
                "A Sangaboard does not know its steps per mm. Set steps_per_mm for x, y and z."
            )
        self._stops = int(found[1]) >= 1
        self._lamp = False
        if self._stops:
            self._obey("blocking_moves false")
            self._lamp = self._wire.ask(b"led_cc?\n", f"CC LED|{UNKNOWN}")[0] == "CC LED"
        self._step_s = 1e-6 * float(self._wire.ask(b"dt?\n", r"minimum step delay (\d+)")[1])
        per_mm = {name: count for name, count in zip(AXES, self._steps_per_mm, strict=True) if count}
        return Controller(
            found[0],
            steps_per_mm=per_mm,
            travel_um={},
            speed_um_s={name: 1000.0 / count / self._step_s for name, count in per_mm.items()},
        )

    def _start_home(self) -> None:
        self._pieces, self._ends_with_done = [], False
        if self._stops:
            self._obey("blocking_moves false")
        self._wire.ask(b"zero\n", "position reset|done")

    def _start_move(self, leg: Leg) -> None:
        here = self._steps()
        if not self.controller.near(self._point(here), leg.start):
            raise PositionLost(
                f"The controller says that the stage is at {self._point(here)}, and it was left at {leg.start}. "
                "Home it before the next move."
            )
        steps_um = self.controller.steps_um
        way = [round(leg.end[name] / steps_um[name]) - at for name, at in zip(AXES, here, strict=True)]
        count = 1 if self._stops else 1 + int(max(map(abs, way)) * self._step_s / PIECE_S)
        places = [[round(steps * i / count) for steps in way] for i in range(count + 1)]
        self._pieces = [
            tuple(b - a for a, b in zip(*pair, strict=True)) for pair in itertools.pairwise(places)
        ]
        self._start_piece(self._pieces)

    def _start_piece(self, pieces: list[tuple[int, ...]]) -> None:
        order = "mr {} {} {}".format(*pieces.pop(0))
        if self._stops:
            self._obey(order)
        else:
            self._wire.send(f"{order}\n".encode())
            self._ends_with_done = True

    def _look(self) -> tuple[bool, Point | None]:
        if self._ends_with_done:
            found = self._wire.hear(f"done|{UNKNOWN}", 0.02)
            if found is None:
                return True, None
            self._ends_with_done = False
            self._refuse(found)
        elif self._stops and self._wire.ask(b"moving?\n", "true|false", times=ASKED_TIMES)[0] == "true":
            return True, self._point(self._steps())
        here = self._point(self._steps())
        if pieces := self._pieces:  # another list from here on, where a stop comes just now
            self._start_piece(pieces)
            return True, here
        return False, here

    def _halt(self) -> None:
        self._pieces = []
        if self._stops:
            self._wire.send(b"stop\n")

    def _set_light(self, share: float) -> None:
        if not self._lamp:
            super()._set_light(share)
        self._wire.ask(f"led_cc {share:.3f}\n".encode(), "CC LED|done")

    def _heed(self, line: str) -> bool:
        if line.startswith("Sangaboard Firmware"):
            raise PositionLost("The controller was restarted. Home the stage before the next move.")
        return line.startswith(("done", "stopped", "Move aborted", "true", "false")) or bool(
            re.match(PLACE, line)
        )

    def _obey(self, order: str) -> None:
        self._refuse(self._wire.ask(f"{order}\n".encode(), f"done|{UNKNOWN}"))

    @staticmethod
    def _refuse(found: re.Match[str]) -> None:
        if found[0] != "done":
            raise Recoverable(f'The controller refused the order: "{found.string}".')

    def _steps(self) -> list[int]:
        return [int(steps) for steps in self._wire.ask(b"p?\n", PLACE, times=ASKED_TIMES).groups()]

    def _point(self, steps: list[int]) -> Point:
        steps_um = self.controller.steps_um
        return Point(*(count * steps_um[name] for name, count in zip(AXES, steps, strict=True)))


PROTOCOL = SangaboardStage
