"""Signs in the pixels that a frame is not one exposure: rows missing, rows of the frame before, a seam."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

EVERY_COLUMNS = 16  # noise makes 1 in 16 columns as telling as all of them, at a sixteenth of the work

FEW = 0.01  # of a frame's pixels

Rows = NDArray[np.uint8]
"""Some columns of every row: H×(W/16)×3."""


def some_columns(pixels: NDArray[np.uint8]) -> Rows:
    """Return a copy of every 16th column of H×W×3 pixels: enough to know a row again."""
    return pixels[:, ::EVERY_COLUMNS].copy()


def rows_alike(rows: Rows, before: Rows) -> int:
    """Return how many rows are exactly those of the frame before. Sensor noise never repeats a row.

    Rows that are black, full or of one colour from end to end are left out: there, every exposure looks the same.
    """
    if rows.shape != before.shape:
        return 0
    return int(((rows == before).all(axis=(1, 2)) & _telling(rows)).sum())


def rows_telling(rows: Rows) -> int:
    """Return how many rows could be known again: 0 where nearly all of the frame is black or full.

    A pixel of the sensor that is always bright is the same in every dark frame, so a few tell nothing.
    """
    return int(_telling(rows).sum()) if _between(rows).mean() > FEW else 0


def rows_without_light(rows: Rows) -> int:
    """Return how many rows have one colour from end to end, as buffers that were never filled have."""
    return int(_of_one_colour(rows).sum())


def _telling(rows: Rows) -> NDArray[np.bool_]:
    return np.asarray(_between(rows).any(axis=(1, 2)) & ~_of_one_colour(rows))


def _of_one_colour(rows: Rows) -> NDArray[np.bool_]:
    return np.asarray((rows == rows[:, :1]).all(axis=(1, 2)))


def _between(rows: Rows) -> NDArray[np.bool_]:
    return np.asarray((rows > 0) & (rows < 255))


def seam(pixels: NDArray[np.uint8]) -> tuple[int, float]:
    """Return the row that follows least on the one above it, and by what factor it stands out.

    The difference between a row and the one above is noise and what the lens leaves of detail, so it changes
    slowly down a frame: an edge in the picture is spread over several rows by the lens. Where two exposures
    meet, it leaps for one pair of rows alone. The factor is that leap over the largest of its near
    neighbours' (two on either side), and 0 where there are too few rows.
    """
    green = pixels[:, ::2, 1].astype(np.int16)
    step = np.abs(np.diff(green, axis=0)).mean(axis=1)
    if step.size < 7:
        return 0, 0.0
    middle = step[2:-2]
    around = np.maximum.reduce([step[:-4], step[1:-3], step[3:-1], step[4:]])
    factor = middle / np.maximum(around, 0.5)
    row = int(np.argmax(factor))
    return row + 3, float(factor[row])
