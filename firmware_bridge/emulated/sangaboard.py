"""A Sangaboard on a pseudo-terminal, with old and with new firmware.

Source: `sangaboard.ino` of firmware 0.5 and `modules/stage/stage.cpp` of the one that became 1.0.
"""

from __future__ import annotations

from firmware_bridge.emulated.board import EmulatedBoard
from firmware_bridge.emulated.mechanics import Mechanics, Triple


class EmulatedSangaboard(EmulatedBoard):
    """A Sangaboard. Its counters start at 0 where the carriage stands, and a restart does not change them.

    firmware: "0.5.1" answers `done.` when a move has ended and reads nothing meanwhile; "1.0.4" answers at once.
    """

    PROTOCOL = "sangaboard"

    def __init__(
        self, mechanics: Mechanics | None = None, rate: float = 1.0, *, firmware: str = "1.0.4"
    ) -> None:
        """Switch the board on."""
        built = mechanics or Mechanics()
        self.firmware = firmware
        self.new = not firmware.startswith("0.")
        self.step_delay_us = round(
            1e9 / min(s * v for s, v in zip(built.steps_per_mm, built.speed_um_s, strict=True))
        )
        self._zero: Triple | None = None
        super().__init__(built, rate)

    @property
    def limits_um(self) -> tuple[tuple[float, float], ...]:
        """The travel about the place where the power came, which a person takes as the reference."""
        ends = zip(self.mechanics.travel_um, self.mechanics.power_on_um, strict=True)
        return tuple((-place, travel - place) for travel, place in ends)

    @property
    def speeds_um_s(self) -> tuple[float, float, float]:
        """One step every `step_delay_us`."""
        x, y, z = (1e9 / self.step_delay_us / count for count in self.mechanics.steps_per_mm)
        return x, y, z

    def _power_on(self) -> None:
        self._zero = self._zero or self._sent()
        self._moving = False
        self._blocking = True
        self._shine(0.0)
        self._say(f"Sangaboard Firmware v{self.firmware}")

    def _blocked(self) -> bool:
        return self._moving and not self.new

    def _obey(self, line: str) -> None:
        if line.startswith("mr "):
            self._move([int(steps) for steps in line.split()[1:]])
        elif self.new and line.startswith("led_cc "):
            self._shine(min(1.0, max(0.0, float(line.split()[1]))))
            self._say(f"CC LED:{line.split()[1]}")
        elif self.new and line == "stop":
            self._reset_motion(abruptly=True)
            self._moving = False
            self._say("Move aborted")
        else:
            self._say(self._answer(line))

    def _answer(self, line: str) -> str:
        if line == "version":
            return f"Sangaboard Firmware v{self.firmware}"
        if line in ("p?", "p"):
            return " ".join(str(steps) for steps in self._counts())
        if line == "dt?":
            return f"minimum step delay {self.step_delay_us}"
        if line == "zero":
            self._zero = self._sent()
            return "position reset to 0 0 0"
        if self.new and line == "moving?":
            return "true" if self._moving else "false"
        if self.new and line.startswith("blocking_moves "):
            self._blocking = line.endswith("true")
            return "done."
        if self.new and line == "led_cc?":
            return f"CC LED:{self._lights[-1][1]:.2f}"
        return "Type 'help' for a list of commands."

    def _move(self, steps: list[int]) -> None:
        if self._moving:  # a second move pre-empts the first
            self._reset_motion(abruptly=True)
        at = self._sent()
        x, y, z = (
            a + 1000 * n / count for a, n, count in zip(at, steps, self.mechanics.steps_per_mm, strict=True)
        )
        lasts_s = max(map(abs, steps)) * self.step_delay_us / 1e6
        length = sum((to - a) ** 2 for to, a in zip((x, y, z), at, strict=True)) ** 0.5
        self._moving = True
        self._go((x, y, z), length / lasts_s if lasts_s else 1.0, self._stand)
        if self.new and not self._blocking:
            self._say("done.")

    def _stand(self) -> None:
        self._moving = False
        if not self.new or self._blocking:
            self._say("done." if not self.new else "stopped")
        self._go_on()

    def _alarm(self) -> None:
        """A Sangaboard knows no alarm; the worst that it does is to start anew."""
        self.restart()

    def _counts(self) -> list[int]:
        zero = self._zero or (0.0, 0.0, 0.0)
        return [
            round((at - z) * count / 1000)
            for at, z, count in zip(self._sent(), zero, self.mechanics.steps_per_mm, strict=True)
        ]


BOARD = EmulatedSangaboard
