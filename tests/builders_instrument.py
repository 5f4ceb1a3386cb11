"""Fields that say what they hold, an analyser that reads it from their pixels, and instruments that count them."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from appliance.frame import Frame
from appliance.instrument import Instrument
from appliance.plan import Plan
from appliance.view import Change, RunView, Snapshot
from calibration import Scale
from models import AnalysisError, Cell, Detection, ModelRefused, Opinion
from models.panel import UNIDENTIFIED, load_panel

PANEL = load_panel("smear-13")
SAYS = (*PANEL.names, UNIDENTIFIED)
AT_BORDER = 200
UNREADABLE = 255
COARSEST_UM_PER_PX = 0.22

Look = Callable[[Frame], None]


def field(*labels: str | None) -> np.ndarray:
    """A field whose pixels say which cells it holds; None is one whose window leaves the frame."""
    pixels = np.zeros((16, 16, 3), np.uint8)
    codes = [AT_BORDER if label is None else 1 + SAYS.index(label) for label in labels]
    pixels[0, : len(codes), 0] = codes
    return pixels


def failing_field() -> np.ndarray:
    """A field on which the analyser fails."""
    return np.full((16, 16, 3), UNREADABLE, np.uint8)


def blood_field(n: int) -> np.ndarray:
    """The n-th field of a smear: two to five cells, one of them outside the count now and then."""
    labels = ["segmented_neutrophil", "lymphocyte", "segmented_neutrophil", "monocyte", "platelet"]
    return field(*labels[: 2 + n % 4], *([None] if n % 7 == 0 else []))


def folder(where: Path, fields: Iterable[np.ndarray]) -> Path:
    """A folder of fields, in this order."""
    where.mkdir(parents=True, exist_ok=True)
    for n, pixels in enumerate(fields):
        Image.fromarray(pixels).save(where / f"{n}.png")
    return where


def smear(where: Path, fields: int = 60) -> Path:
    return folder(where, (blood_field(n) for n in range(fields)))


def plan(where: Path, **changes: Any) -> Plan:
    return Plan(**{"camera": f"folder:{where.resolve()}", "um_per_px": 0.1, "watched": NOTHING, **changes})


def small(where: Path, **changes: Any) -> Plan:
    return plan(where, **{"min_cells": 60, "max_cells": 90, **changes})


NOTHING: dict[str, tuple[float, ...]] = {"blast": ()}  # so that a count ends at its least number


class PixelAnalyser:
    """Reads from the pixels what `field` wrote. ``look`` is called with every frame before it answers."""

    engine = "pixels, no device"
    outputs = SAYS

    def __init__(self, look: Look = lambda frame: None, weights: str = "pixels 1") -> None:
        self.look = look
        self.weights = weights
        self.seen: list[int] = []

    def check(self, scale: Scale) -> None:
        if scale.um_per_px > COARSEST_UM_PER_PX:
            raise ModelRefused(f"{scale.um_per_px:g} µm/px is too coarse. Use a higher magnification.")

    def analyse(self, frame: Frame, scale: Scale) -> list[Cell]:
        self.seen.append(frame.index)
        self.look(frame)
        codes = [int(code) for code in frame.pixels[0, :, 0] if code]
        if UNREADABLE in codes:
            raise AnalysisError(f"{frame.name} is dark.")
        return [_cell(x, code, scale) for x, code in enumerate(codes)]


def _cell(x: int, code: int, scale: Scale) -> Cell:
    detection = Detection(float(x), 0.0, 6.0, 0.9)
    if code == AT_BORDER:
        return Cell(detection, x * scale.um_per_px, 0.0, None, None)
    label = SAYS[code - 1]
    probabilities = np.full(len(SAYS), 0.01, np.float32)
    probabilities[code - 1] = 0.4 if label == UNIDENTIFIED else 0.9
    best = float(probabilities[code - 1])
    opinion = Opinion(label, best, probabilities, label, best, probabilities, 1)
    return Cell(detection, x * scale.um_per_px, 0.0, np.full((96, 96, 3), code, np.uint8), opinion)


def no_plan() -> Plan:
    from appliance.errors import ApplianceRefused

    raise ApplianceRefused("No camera is set.")


@contextmanager
def instrument(store: Path, analyser: Any = None, **changes: Any) -> Iterator[Instrument]:
    analyser = analyser or PixelAnalyser()
    with Instrument(store, changes.pop("configured", no_plan), lambda *_: analyser, **changes) as made:
        yield made


def until(made: Instrument, true_of: Callable[[RunView], bool], within_s: float = 60) -> RunView:
    """Wait until something is true of the run, and return it as it was then."""
    found: list[RunView] = []
    with made.broadcast.follow() as follower:
        while not found:
            message: Any = follower.next(within_s)
            assert message is not None, "nothing changed any more"
            if message["run"] is not None and true_of(message["run"]):
                found.append(message["run"])
    return found[0]


def ended(run: RunView) -> bool:
    return run["ended"]


def count_to_the_end(store: Path, asked: Plan, analyser: Any = None) -> RunView:
    with instrument(store, analyser) as made:
        made.start(asked)
        return until(made, ended)


def figures(run: RunView) -> dict[str, Any]:
    """What must be the same however a count ran: everything but its id, its time and its latest cells."""
    return {key: value for key, value in run.items() if key not in ("run", "started", "latest")}


def events(messages: Sequence[Snapshot | Change]) -> list[str]:
    return [message["event"] for message in messages]


class Gate:
    """Holds an analyser back at one field until it is opened."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.reached = threading.Event()
        self.opened = threading.Event()

    def __call__(self, frame: Frame) -> None:
        if frame.index == self.at:
            self.reached.set()
            assert self.opened.wait(60)


def killed_at(field_number: int) -> Look:
    """A power cut in the middle of the analysis of a field."""

    def look(frame: Frame) -> None:
        if frame.index == field_number:
            os.kill(os.getpid(), signal.SIGKILL)

    return look


if __name__ == "__main__":  # a process of its own, to be killed: store, folder, field at which it dies
    store, where, dies_at = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    count_to_the_end(store, plan(where), PixelAnalyser(killed_at(dies_at)))
