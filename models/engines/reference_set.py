"""The pictures by which an engine is judged, and what a cascade and whoever analyses fields say of them.

Whole fields, and cells cut from them and from elsewhere, each as all eight symmetries of the square show it: many cells
from few, near ties among them. Who has pictures brings them: simulated ones from a fixed seed, a laboratory's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from models.cells import Patch, Probabilities
from models.views import AS_IT_IS, TURNS, turned

BATCHES = (256, 1, 64, 8, 37, 3)
"""Sizes of the batches in which cells are asked about, in turn: an engine may run each size by other code."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceCell:
    """A cell at the canonical scale. patch: H×W×3 uint8 RGB.  label: what it really is, None where nobody knows."""

    patch: Patch
    label: str | None


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceSet:
    """What an engine is judged by. fields: H×W×3 uint8 RGB of one size.  um_per_px: theirs.  own: of `cells`, how
    many are the laboratory's.
    """

    fields: tuple[NDArray[np.uint8], ...]
    um_per_px: float
    cells: tuple[ReferenceCell, ...]
    own: int = 0

    @property
    def patches(self) -> NDArray[np.uint8]:
        """Every cell as every symmetry shows it, N×H×W×3: first all as they are."""
        if not self.cells:
            return np.empty((0, 1, 1, 3), np.uint8)
        return np.stack([turned(cell.patch, turn) for turn in (AS_IT_IS, *TURNS) for cell in self.cells])

    @property
    def truth(self) -> tuple[str | None, ...]:
        """What each of `patches` really is."""
        return tuple(cell.label for _ in (AS_IT_IS, *TURNS) for cell in self.cells)

    @property
    def digest(self) -> str:
        """The SHA-256 of all of it."""
        digest = hashlib.sha256(repr((self.um_per_px, self.truth)).encode())
        for pixels in (*self.fields, *(cell.patch for cell in self.cells)):
            digest.update(np.ascontiguousarray(pixels).tobytes())
        return digest.hexdigest()


def in_batches(
    probabilities: Callable[[NDArray[np.uint8]], Probabilities],
    patches: NDArray[np.uint8],
    done: Callable[[int], object] = lambda cells: None,
) -> Probabilities:
    """Return what a cascade says of patches, asked in batches of every size of BATCHES.

    done: is told of each batch how many cells it had. Raises AnalysisError as the cascade does.
    """
    answers = []
    for part in _parts(patches, cycle(BATCHES)):
        answers.append(probabilities(part))
        done(len(part))
    return np.concatenate(answers) if answers else np.empty((0, 0), np.float32)


def _parts(patches: NDArray[np.uint8], sizes: Iterable[int]) -> Sequence[NDArray[np.uint8]]:
    parts, first = [], 0
    for size in sizes:
        if first >= len(patches):
            break
        parts.append(patches[first : first + size])
        first += size
    return parts
