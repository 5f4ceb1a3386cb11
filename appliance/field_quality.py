"""Whether a field is worth counting, from its own pixels and its scale. Each answer has its reason for a person."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.cover import Cover, Kind, find_cover
from calibration.edge_width import edge_width_um

EMPTY_BELOW = 0.02
SOFT_FROM_UM = 1.25  # a disc of confusion of 0.85 µm's radius; sharp fields have 0.5 to 0.9
THICK_LAYERS = 0.72  # red cells over a place on average; 0.65 where they still lie side by side
THICK_STACKED = (0.04, 0.10)  # the share where they lie on each other: with so many layers, and in any case
THICK_GROUND = 0.10  # with less free ground than this cells cannot be told apart
BUBBLE_EXTENT_UM = 20.0
BUBBLE_AREA_UM2 = 150.0
HOLE_RADIUS_UM = 20.0
EDGE_SHARE = 0.20


class FieldVerdict(StrEnum):
    """Whether to count a field, or in a few words why not: the same words for every such field."""

    GOOD = "good"
    EMPTY = "empty"
    OUT_OF_FOCUS = "out of focus"
    TOO_THICK = "too thick"
    EDGE = "edge of the smear"
    BUBBLE = "bubble"


@dataclass(frozen=True, slots=True)
class FieldQuality:
    """What was found of a field.

    detail: one sentence for a person.  covered: the share that is not ground.  layers: of red cells on average.
    stacked: the share where they lie on each other.  edge_um: how wide the sharper edges are; None without edges.
    """

    verdict: FieldVerdict
    detail: str
    covered: float
    layers: float
    stacked: float
    edge_um: float | None

    @property
    def countable(self) -> bool:
        """Whether the field is to be counted."""
        return self.verdict is FieldVerdict.GOOD

    @property
    def sharp(self) -> bool:
        """Whether it shows something, and in focus, whether or not that can be counted."""
        return self.edge_um is not None and self.edge_um <= SOFT_FROM_UM


def judge_field(
    pixels: NDArray[np.uint8], um_per_px: float, white: tuple[float, float, float] | None = None
) -> FieldQuality:
    """Judge a frame (uint8, H×W×3, RGB).

    white: RGB of empty glass where a calibration knows it; without it a field that is covered all over in one even
    shade cannot be told from an empty one, and is called empty.
    Raises ValueError for a frame that is too small, or black.
    """
    cover = find_cover(pixels, um_per_px, white)
    edge = edge_width_um(pixels, um_per_px)
    verdict, detail = _verdict(cover, edge)
    return FieldQuality(verdict, detail, cover.covered, cover.layers, cover.share(Kind.STACK), edge)


def _verdict(cover: Cover, edge: float | None) -> tuple[FieldVerdict, str]:
    if _has_bubble(cover):
        return FieldVerdict.BUBBLE, "A black rim crosses the field: a bubble in the oil, or thick dirt."
    if cover.covered < EMPTY_BELOW:
        return (
            FieldVerdict.EMPTY,
            f"Cells cover {100 * cover.covered:.1f} % of the field: nothing lies here, or focus is far off.",
        )
    bare = _bare_share(cover)
    if bare > EDGE_SHARE:
        return (
            FieldVerdict.EDGE,
            f"One bare place takes up {100 * bare:.0f} % of the field: the smear ends here.",
        )
    if edge is None or edge > SOFT_FROM_UM:
        width = "too wide to measure" if edge is None else f"{edge:.1f} µm wide"
        return FieldVerdict.OUT_OF_FOCUS, f"Edges are {width}; in focus they are below {SOFT_FROM_UM:g} µm."
    stacked, ground = cover.share(Kind.STACK), cover.share(Kind.GROUND)
    # Blue cytoplasm counts as a layer too: many layers alone are no thick field in a marrow.
    deep = cover.layers > THICK_LAYERS and stacked > THICK_STACKED[0]
    if deep or stacked > THICK_STACKED[1] or ground < THICK_GROUND:
        return (
            FieldVerdict.TOO_THICK,
            f"Red cells lie {cover.layers:.2f} deep on average and on each other in {100 * stacked:.0f} % of "
            f"the field; cells can be counted up to {THICK_LAYERS:g} deep.",
        )
    return FieldVerdict.GOOD, "Cells lie side by side and in focus."


def _has_bubble(cover: Cover) -> bool:
    black = (cover.kinds == Kind.BLACK).astype(np.uint8)
    if not black.any():
        return False
    joined = cv2.morphologyEx(black, cv2.MORPH_CLOSE, np.ones((3, 3), dtype=np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    scale = cover.um_per_px
    for _, _, width, height, area in stats[1:]:
        if max(width, height) * scale >= BUBBLE_EXTENT_UM and area * scale**2 >= BUBBLE_AREA_UM2:
            return True
    return False


def _bare_share(cover: Cover) -> float:
    """Return the share of the field that lies in bare places as wide as a disc of `HOLE_RADIUS_UM`.

    The field is mirrored at its borders, where what lies beyond is not known. One under four such radii across
    cannot tell the end of a smear from a gap between cells: 0.
    """
    radius = round(HOLE_RADIUS_UM / cover.um_per_px)
    if min(cover.kinds.shape) < 4 * radius:
        return 0.0
    # Single pixels of noise and platelets do not fill a hole.
    solid = cv2.morphologyEx(
        (cover.kinds != Kind.GROUND).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)
    )
    bare = cv2.copyMakeBorder(1 - solid, radius, radius, radius, radius, cv2.BORDER_REFLECT)
    core = cv2.distanceTransform(bare, cv2.DIST_L2, 3) >= radius
    if not core.any():
        return 0.0
    grown = cv2.distanceTransform((~core).astype(np.uint8), cv2.DIST_L2, 3) <= radius
    return float(grown[radius:-radius, radius:-radius].mean())
