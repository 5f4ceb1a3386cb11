"""Find white cells: the network that predicts their centres and radii."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from models.card import BUNDLED, read_card
from models.cells import Detection
from models.distinct import distinct
from models.engine import Engine
from models.resample import to_scale

MULTIPLE_PX = 16  # the network halves its input four times
STRIDE_PX = 4


class Detector(Protocol):
    """Whatever finds white cells in a field."""

    @property
    def name(self) -> str:
        """What it is and, for a network, the digest of its weights."""

    def detect(self, pixels: NDArray[np.uint8], um_per_px: float) -> list[Detection]:
        """Return the white cells of an H×W×3 RGB field, best first, in its own pixels."""


class NetworkDetector:
    """The bundled fully convolutional detector."""

    def __init__(self, name: str = "detector", folder: Path = BUNDLED) -> None:
        """Load the network and its card. Raises ModelRefused."""
        card = read_card(name, folder)
        self._engine = Engine(card.path)
        self._scale = card.um_per_px
        self.score_from = card.setting("score_from")
        self.name = f"{name} {card.sha256[:12]}"
        self.engine = self._engine.name

    def detect(self, pixels: NDArray[np.uint8], um_per_px: float) -> list[Detection]:
        """Return the white cells of an H×W×3 RGB field, best first, in its own pixels.

        Raises AnalysisError where the network fails.
        """
        return self.candidates(pixels, um_per_px, self.score_from)

    def candidates(
        self, pixels: NDArray[np.uint8], um_per_px: float, score_from: float = 0.02
    ) -> list[Detection]:
        """Return what `detect` returns and everything less certain, for precision and recall curves."""
        height, width = pixels.shape[:2]
        small = to_scale(pixels, um_per_px, self._scale)
        rows, columns = small.shape[:2]
        padded = np.pad(small, ((0, -rows % MULTIPLE_PX), (0, -columns % MULTIPLE_PX), (0, 0)), mode="edge")
        maps = self._engine.run(padded[None])[0]
        across, down = width / columns, height / rows
        found = []
        for row, column in _peaks(maps[0], score_from):
            score, radius, dx, dy = (float(value) for value in maps[:, row, column])
            x = (column + 0.5) * STRIDE_PX + dx
            y = (row + 0.5) * STRIDE_PX + dy
            if 0 <= x < columns and 0 <= y < rows:
                found.append(Detection(x * across, y * down, radius * self._scale, score))
        return distinct(found, um_per_px)


def _peaks(heat: NDArray[np.float32], score_from: float) -> list[tuple[int, int]]:
    highest_around = cv2.dilate(heat, np.ones((3, 3), np.uint8))
    rows, columns = np.nonzero((heat >= highest_around) & (heat >= score_from))
    return list(zip(rows.tolist(), columns.tolist(), strict=True))
