"""Which parts of a zone map to count in, the best first."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.region_map import FoundRegion, Tiles, Zone
from models.panel import Specimen

BEST_LAYERS = (0.40, 0.62)  # of red cells: about half of them touch
NEAR_PARTICLE_UM = 1500.0
LEAST_AREA_MM2 = 0.06  # room for about four fields at a hundredfold magnification
MOST_REGIONS = 12

Mask = NDArray[np.bool_]
Grid = NDArray[np.float32]


def ranked_regions(
    zones: NDArray[np.str_], layers: Grid, nuclei: Grid, tiles: Tiles, specimen: Specimen
) -> tuple[tuple[FoundRegion, ...], tuple[str, ...]]:
    """Return the regions to count in, the best first, and remarks for a person.

    zones, layers (of red cells), nuclei (share covered): rows × columns.
    Regions are disjoint. Of one kind the larger goes first; trails by how many nuclei they hold.
    """
    found: list[FoundRegion] = []
    remarks: list[str] = []
    good = zones == Zone.GOOD.value
    if specimen is Specimen.MARROW:
        trail, particle = zones == Zone.TRAIL.value, zones == Zone.PARTICLE.value
        if not particle.any():
            remarks.append("No marrow particle was found on this slide: it may hold little marrow, or blood.")
        near = _within(particle, NEAR_PARTICLE_UM / tiles.tile_um)
        found += _parts(trail & near, nuclei, tiles, "trail of a marrow particle")
        found += _parts(trail & ~near, nuclei, tiles, "many nucleated cells")
    best = good & (layers >= BEST_LAYERS[0]) & (layers <= BEST_LAYERS[1])
    best = _smooth(best, good)
    even = np.ones_like(layers)
    found += _parts(best, even, tiles, "red cells side by side, half of them touching")
    found += _parts(good & ~best, even, tiles, "red cells side by side, more or fewer touching")
    if not found:
        remarks.append("No region to count in was found on this slide.")
    return tuple(found[:MOST_REGIONS]), tuple(remarks)


def _parts(of: Mask, worth: Grid, tiles: Tiles, why: str) -> list[FoundRegion]:
    """Return the connected parts that are large enough, by their summed worth."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(of.astype(np.uint8), connectivity=4)
    least = LEAST_AREA_MM2 / (tiles.tile_um / 1000) ** 2
    parts = [part for part in range(1, count) if stats[part, cv2.CC_STAT_AREA] >= least]
    parts.sort(key=lambda part: (-round(float(worth[labels == part].sum()), 6), part))
    return [FoundRegion(why, tiles, tuple(_runs(labels == part))) for part in parts]


def _runs(mask: Mask) -> Iterator[tuple[int, int, int]]:
    for row, line in enumerate(mask):
        steps = np.flatnonzero(np.diff(np.concatenate(([False], line, [False])).astype(np.int8)))
        for first, past in zip(steps[::2], steps[1::2], strict=True):
            yield row, int(first), int(past) - 1


def _smooth(part: Mask, whole: Mask) -> Mask:
    """Return a part of a zone without its frayed border: opened, then closed, within the zone."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    closed = cv2.morphologyEx(part.astype(np.uint8), cv2.MORPH_CLOSE, disc)
    return np.asarray((cv2.morphologyEx(closed, cv2.MORPH_OPEN, disc) > 0) & whole, dtype=np.bool_)


def _within(of: Mask, reach: float) -> Mask:
    if not of.any():
        return of
    away = cv2.distanceTransform((~of).astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(away <= reach, dtype=np.bool_)
