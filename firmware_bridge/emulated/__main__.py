"""An emulated board to try a stage on: `python -m firmware_bridge.emulated grbl`, in real time, until Ctrl+C."""

from __future__ import annotations

import importlib
import signal
import sys

from firmware_bridge.connect import known_protocols
from firmware_bridge.emulated.board import EmulatedBoard
from firmware_bridge.emulated.mechanics import Mechanics


def main(words: list[str]) -> None:
    """Switch a board on, print what its settings are, and wait."""
    name = words[0] if words else "grbl"
    if name not in known_protocols():
        sys.exit(f'There is no board "{name}". There are: {", ".join(known_protocols())}.')
    mechanics = Mechanics(backlash_um=(8.0, 8.0, 2.0))
    board: EmulatedBoard = importlib.import_module(f"firmware_bridge.emulated.{name}").BOARD(mechanics, 1.0)
    with board:
        print(f"HEMADIFF_STAGE={board.address}")
        for i, axis in enumerate("XYZ"):
            (low, high), steps, speed = board.limits_um[i], mechanics.steps_per_mm[i], board.speeds_um_s[i]
            print(f"HEMADIFF_STAGE_{axis}={low:g}:{high:g},steps_per_mm={steps:g},speed_um_s={speed:g}")
        sys.stdout.flush()
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    main(sys.argv[1:])
