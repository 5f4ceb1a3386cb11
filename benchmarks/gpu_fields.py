"""The fields that the benchmark on a GPU counts: simulated ones, crowded like marrow, the same for the same seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SEED = 1
WHITE_PER_MM2 = 1700.0
WAYS = 4  # as it is, mirrored both ways, turned by half: to draw a field takes longer than to count it
WHAT = f"simulated fields, every one drawn shown in {WAYS} ways"


@dataclass(frozen=True, slots=True, eq=False)
class Fields:
    """Fields of one size. pixels: N×H×W×3 uint8.  um_per_px: their scale."""

    pixels: NDArray[np.uint8]
    um_per_px: float

    def __len__(self) -> int:
        """How many."""
        return len(self.pixels)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of each, px."""
        return int(self.pixels.shape[2]), int(self.pixels.shape[1])


def draw_fields(count: int, data: Path | None = None) -> Fields:
    """Draw so many fields. data: the folder of labelled images whose cells are blended in; None draws all."""
    from appliance.simulator.mixture import Mixture
    from appliance.simulator.objectives import objective_named
    from appliance.simulator.still import still_fields

    mixture = Mixture(white_per_mm2=WHITE_PER_MM2, cells=None if data is None else data / "cells")
    drawn = still_fields(SEED, mixture=mixture)
    pictures: list[NDArray[np.uint8]] = []
    while len(pictures) < count:
        pictures += ways(next(drawn).pixels)
    return Fields(np.stack(pictures[:count]), objective_named("100x").um_per_px)


def ways(pixels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Return a field in every way that keeps its size."""
    return [pixels, pixels[:, ::-1], pixels[::-1], pixels[::-1, ::-1]]


def keep(fields: Fields, path: Path) -> None:
    """Write fields where other processes read them."""
    with path.open("wb") as file:
        np.savez(file, pixels=fields.pixels, um_per_px=fields.um_per_px)


def read_fields(path: Path) -> Fields:
    """Return fields that were kept."""
    with np.load(path) as held:
        return Fields(held["pixels"], float(held["um_per_px"]))
