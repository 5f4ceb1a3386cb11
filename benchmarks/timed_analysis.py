"""The analyser that counts, with a note of where its time goes; and one that says nothing and costs nothing."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from appliance.frame import Analyser, Frame
from appliance.network_analyser import NetworkAnalyser
from calibration import Scale
from models import Cell, Detection, Opinion
from models.card import BUNDLED
from models.cascade import Cascade
from models.cascade_file import read_cascade
from models.cells import Patch, Probabilities
from models.detector import Detector, NetworkDetector
from models.views import Picture, View

WHOLE, DETECTION, NAMING, SECOND_LOOKS = "analysis", "detection", "classification", "second looks"


class Spent(defaultdict[str, float]):
    """Seconds by what they were spent on. One thread writes it."""

    def __init__(self) -> None:
        """Nothing has been spent."""
        super().__init__(float)

    @contextlib.contextmanager
    def on(self, what: str) -> Iterator[None]:
        """Add the time of what is done within."""
        began_s = time.monotonic()
        try:
            yield
        finally:
            self[what] += time.monotonic() - began_s


class TimedAnalyser:
    """An analyser; spent: what it took in all."""

    def __init__(self, analyser: Analyser, spent: Spent) -> None:
        """Take the analyser, and where to note."""
        self._analyser, self._spent = analyser, spent
        self.engine, self.weights, self.outputs = analyser.engine, analyser.weights, analyser.outputs

    def check(self, scale: Scale) -> None:
        """As the analyser does."""
        self._analyser.check(scale)

    def analyse(self, frame: Frame, scale: Scale) -> list[Cell]:
        """As the analyser does."""
        with self._spent.on(WHOLE):
            return self._analyser.analyse(frame, scale)


class Silent:
    """It finds no cell, at once. It calls itself what another analyser does."""

    def __init__(self, instead_of: Analyser) -> None:
        """Take the names of another."""
        self.engine, self.weights, self.outputs = instead_of.engine, instead_of.weights, instead_of.outputs

    def check(self, scale: Scale) -> None:
        """Any scale will do."""

    def analyse(self, frame: Frame, scale: Scale) -> list[Cell]:
        """Nothing."""
        return []


class TimedDetector:
    """A detector; its time is noted."""

    def __init__(self, detector: Detector, spent: Spent) -> None:
        """Take the detector, and where to note."""
        self._detector, self._spent = detector, spent
        self.name = detector.name

    def detect(self, pixels: NDArray[np.uint8], um_per_px: float) -> list[Detection]:
        """As the detector does."""
        with self._spent.on(DETECTION):
            return self._detector.detect(pixels, um_per_px)


class TimedCascade(Cascade):
    """The bundled cascade; the time of first and of second looks is noted apart."""

    def __init__(self, panel: str, specimen: str, spent: Spent) -> None:
        """Load it, as `load_cascade` does, and say where to note."""
        super().__init__(read_cascade(panel, BUNDLED).at(None), specimen)
        self._spent = spent

    def examine(
        self, pixels: NDArray[np.uint8], um_per_px: float, centres: Sequence[tuple[float, float]]
    ) -> list[tuple[Patch, Opinion] | None]:
        """As the cascade does."""
        again_s = self._spent[SECOND_LOOKS]
        with self._spent.on(NAMING):
            answers = super().examine(pixels, um_per_px, centres)
        self._spent[NAMING] -= self._spent[SECOND_LOOKS] - again_s
        return answers

    def _look_again(
        self,
        picture: Picture,
        doubtful: dict[int, tuple[float, float]],
        views: dict[int, View],
        single: dict[int, Probabilities],
    ) -> tuple[dict[int, Probabilities], dict[int, int]]:
        with self._spent.on(SECOND_LOOKS):
            return super()._look_again(picture, doubtful, views, single)


def timed_analyser(panel: str, specimen: str, spent: Spent) -> TimedAnalyser:
    """Load and warm the bundled networks. Raises ModelRefused where there are none for the panel."""
    networks = NetworkAnalyser(TimedDetector(NetworkDetector(), spent), TimedCascade(panel, specimen, spent))
    networks.warm()
    spent.clear()
    return TimedAnalyser(networks, spent)
