"""Find white cells: the network that predicts their centres and radii."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from models.card import BUNDLED, read_card
from models.cells import Detection
from models.distinct import distinct
from models.engines.engine import Batch, OpenEngine
from models.engines.onnx_engine import open_on_cpu
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


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A field as the network sees it, and as it was.

    columns, rows: at the network's scale, before it was padded to a multiple of MULTIPLE_PX.
    width, height: of the field itself, px.  um_per_px: the field's own.
    """

    columns: int
    rows: int
    width: int
    height: int
    um_per_px: float


class NetworkDetector:
    """The bundled fully convolutional detector."""

    def __init__(
        self, name: str = "detector", folder: Path = BUNDLED, open_engine: OpenEngine = open_on_cpu
    ) -> None:
        """Load the network and its card. open_engine: opens it where it is to run. Raises ModelRefused."""
        card = read_card(name, folder)
        self._engine = open_engine(card.path)
        self.um_per_px = card.um_per_px
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
        small = to_scale(pixels, um_per_px, self.um_per_px)
        rows, columns = small.shape[:2]
        padded = np.pad(small, ((0, -rows % MULTIPLE_PX), (0, -columns % MULTIPLE_PX), (0, 0)), mode="edge")
        field = Shrunk(columns, rows, width, height, um_per_px)
        return self.candidates_in(padded[None], field, score_from)

    def detect_in(self, batch: Batch, field: Shrunk) -> list[Detection]:
        """Return the white cells of one field that is at the network's scale and padded by its edge, as `detect` does.

        batch: 1×H×W×3, H and W multiples of MULTIPLE_PX.  Raises AnalysisError where the network fails.
        """
        return self.candidates_in(batch, field, self.score_from)

    def candidates_in(self, batch: Batch, field: Shrunk, score_from: float) -> list[Detection]:
        """Return what `detect_in` returns, from another score on."""
        return decoded(self._engine.run(batch)[0], field, self.um_per_px, score_from)


def decoded(maps: NDArray[np.float32], field: Shrunk, um_per_px: float, score_from: float) -> list[Detection]:
    """Return the cells that the network's maps (score, radius, dx, dy; 4×rows×columns) say there are, best first.

    um_per_px: the network's scale.
    """
    across, down = field.width / field.columns, field.height / field.rows
    found = []
    for row, column in _peaks(maps[0], score_from):
        score, radius, dx, dy = (float(value) for value in maps[:, row, column])
        x = (column + 0.5) * STRIDE_PX + dx
        y = (row + 0.5) * STRIDE_PX + dy
        if 0 <= x < field.columns and 0 <= y < field.rows:
            found.append(Detection(x * across, y * down, radius * um_per_px, score))
    return distinct(found, field.um_per_px)


def _peaks(heat: NDArray[np.float32], score_from: float) -> list[tuple[int, int]]:
    highest_around = cv2.dilate(heat, np.ones((3, 3), np.uint8))
    rows, columns = np.nonzero((heat >= highest_around) & (heat >= score_from))
    return list(zip(rows.tolist(), columns.tolist(), strict=True))
