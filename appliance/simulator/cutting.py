"""Cut the labelled middle cell out of a small photograph, as the light that passes it.

A watershed (Meyer's, as OpenCV has it) floods from the nucleus in the middle on one side, and from bright ground,
red cells and every other nucleus on the other; where they meet is the cell's border.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.simulator.sprites import DRAWN_UM_PER_PX

Mask = NDArray[np.uint8]
LOOKED_AT_UM_PER_PX = 0.20
GROUND = 0.07  # below this, bright ground
MIDDLE_UM = 2.5  # so near the middle lies the nucleus
LOBE_GAP_UM, FAR_LOBE_UM = 1.0, 4.0  # from lobe to lobe of one nucleus: surely, and where they are small
LOBES_WITHIN_UM = 7.0  # of the middle
LARGEST_LOBE_UM2, LARGEST_LOBES_UM2 = 40.0, 95.0  # where they are small
LARGEST_NEAR_LOBE_UM2 = 60.0
LARGEST_UM = 13.0  # a cell's border is nowhere farther from its nucleus' middle
SMALLEST_AREA_UM2 = 22.0
MOST_CUT_UM = 0.5  # of a cell's outline may be the picture's border
LEAST_SOLID = 0.90  # a cell fills this share of its convex hull, or it is cut wrongly
LEAST_CYTOPLASM, MOST_CYTOPLASM = (0.14, 0.22, 0.0), (0.8, 0.9, 0.5)  # optical densities that it may have
FAINTEST = 0.06  # below it a colour says nothing about a cytoplasm's border
FEATHER_UM = 0.25
RIM_UM = 0.35  # around a cell, kept in any case
HALO_UM = 2.0  # around a cell, kept where no other nucleated cell is near: networks look at a cell's surroundings too
NEIGHBOUR_UM = 4.0  # so far around another nucleus may be its cell


class NotCut(ValueError):
    """The middle cell could not be told from what surrounds it."""


@dataclass(frozen=True, slots=True, eq=False)
class CutOut:
    """One cell alone. light: share that passes, H×W×3 at `DRAWN_UM_PER_PX`, 1 beside it; its middle is its centre."""

    light: NDArray[np.float32]
    radius_um: float


def cut_out(pixels: NDArray[np.uint8], um_per_px: float) -> CutOut:
    """Return the middle cell of a photograph (H×W×3, RGB). Raises NotCut."""
    factor = um_per_px / LOOKED_AT_UM_PER_PX
    shrunk = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    small = np.asarray(shrunk, dtype=np.uint8)
    ground = bright_ground(small)
    density = -np.log(np.clip(cv2.GaussianBlur(small, (0, 0), 1.0) / ground, 0.02, 1.0)).astype(np.float32)
    mask = _middle_cell(density)
    x, y, area = _middle_and_area(mask)
    radius = math.sqrt(area / math.pi) * LOOKED_AT_UM_PER_PX
    shown = _shown(mask, density)
    return CutOut(_alone(pixels, um_per_px, ground, shown, (x, y)), radius)


def _shown(mask: Mask, density: NDArray[np.float32]) -> Mask:
    """A cell with a little of what lies around it, but nothing of another nucleated cell or of a red one.

    The slide has red cells of its own; slices of others lie around no cell.
    """
    rim = _grown(mask, RIM_UM)
    other = (density[..., 1] > 0.5).astype(np.uint8) & (1 - rim)
    theirs = _grown(_opened(other, 0.9), NEIGHBOUR_UM)
    reds = _grown(_opened(_like_red(density) & (1 - rim), 0.4), 0.5)
    return np.asarray(rim | (_grown(mask, HALO_UM) & (1 - theirs) & (1 - reds)), dtype=np.uint8)


def bright_ground(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the colour of the empty ground: of the brightest thirtieth of a picture."""
    green = pixels[..., 1]
    return np.asarray(np.median(pixels[green >= np.percentile(green, 97)], axis=0), dtype=np.float32)


def _middle_cell(density: NDArray[np.float32]) -> Mask:
    stained, nucleus = _nuclei(density)
    cytoplasm = _beside(density, nucleus)
    markers = np.zeros(nucleus.shape, dtype=np.int32)
    beside = _other_things(density, stained, nucleus)
    markers[(beside | _empty(density, nucleus, cytoplasm)) > 0] = 2
    markers[_grown(nucleus, 0.2) > 0] = 1
    # What is deeper than cytoplasm is shown as cytoplasm, or the flood would stop where the nucleus ends.
    flat = np.minimum(density, cytoplasm) / np.maximum(cytoplasm, FAINTEST) * 255
    flooded = cv2.watershed(cv2.GaussianBlur(flat.astype(np.uint8), (0, 0), 1.0), markers)
    mask = (flooded == 1).astype(np.uint8)
    mask = _opened(mask, 0.7) | nucleus
    mask = _filled(_part_under(mask, nucleus))
    mask = _rounded(mask) & (1 - beside) | mask
    mask = _filled(_part_under(_opened(mask, 0.9) | nucleus, nucleus))
    border = sum(
        int(side.sum()) for side in (mask[1], mask[-2], mask[:, 1], mask[:, -2])
    )  # the flood's own is 0
    if border * LOOKED_AT_UM_PER_PX > MOST_CUT_UM:
        raise NotCut("it leaves the picture")
    if mask.sum() * LOOKED_AT_UM_PER_PX**2 < SMALLEST_AREA_UM2:
        raise NotCut("it is too small")
    if _solidity(mask) < LEAST_SOLID:
        raise NotCut("its outline is no cell's")
    return mask


def _nuclei(density: NDArray[np.float32]) -> tuple[Mask, Mask]:
    """Everything stained like a nucleus, and the nucleus in the middle with all its lobes."""
    green = density[..., 1]
    limit = float(np.clip(0.55 * np.percentile(green, 97), 0.5, 1.0))
    stained = _opened((green > limit).astype(np.uint8), 0.35)
    height, width = stained.shape
    y, x = np.ogrid[:height, :width]
    off = np.hypot(x - (width - 1) / 2, y - (height - 1) / 2) * LOOKED_AT_UM_PER_PX
    _, parts = cv2.connectedComponents(stained)
    near = np.where(stained > 0, off, np.inf)
    if near.min() > MIDDLE_UM:
        raise NotCut("there is no nucleus in the middle")
    nucleus = (parts == parts.flat[int(near.argmin())]).astype(np.uint8)
    others = np.unique(parts[(stained > 0) & (off < LOBES_WITHIN_UM) & (nucleus == 0)]).tolist()
    for part in sorted(others, key=lambda part: float(off[parts == part].min())):
        lobe = (parts == part).astype(np.uint8)
        if off[lobe > 0].mean() < LOBES_WITHIN_UM and _is_a_lobe(lobe, nucleus, density):
            nucleus |= lobe
    return stained, nucleus


def _is_a_lobe(lobe: Mask, nucleus: Mask, density: NDArray[np.float32]) -> bool:
    """Whether two stained parts are lobes of one nucleus: next to each other, or both small with cytoplasm between."""
    areas = [float(part.sum()) * LOOKED_AT_UM_PER_PX**2 for part in (lobe, nucleus)]
    if (_grown(nucleus, LOBE_GAP_UM) & lobe).any():
        return areas[0] < LARGEST_NEAR_LOBE_UM2
    if (
        areas[0] > LARGEST_LOBE_UM2
        or sum(areas) > LARGEST_LOBES_UM2
        or not (_grown(nucleus, FAR_LOBE_UM) & lobe).any()
    ):
        return False
    ends = [_middle_and_area(part)[:2] for part in (lobe, nucleus)]
    line = np.zeros_like(lobe)
    start, stop = ((round(x), round(y)) for x, y in ends)
    cv2.line(line, start, stop, (1,))
    between = (line > 0) & (lobe == 0) & (nucleus == 0)
    if not between.any():
        return True
    return float((density[..., 1] < 1.3 * GROUND)[between].mean()) < 0.15


def _solidity(mask: Mask) -> float:
    """The share of its convex hull that a mask fills."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.convexHull(np.concatenate(outlines))
    filled = cv2.fillConvexPoly(np.zeros_like(mask), hull, (1,))
    return float(mask.sum()) / float(filled.sum())


def _beside(density: NDArray[np.float32], nucleus: Mask) -> NDArray[np.float32]:
    """How dense the cytoplasm beside the nucleus is, in each colour; a fair guess where there is hardly any."""
    ring = (_grown(nucleus, 1.3) & (1 - _grown(nucleus, 0.5))) > 0
    ring &= density[..., 1] > GROUND
    if ring.sum() < 20:
        return np.array(LEAST_CYTOPLASM, dtype=np.float32)
    seen = np.percentile(density[ring], 60, axis=0)
    return np.asarray(np.clip(seen, LEAST_CYTOPLASM, MOST_CYTOPLASM), dtype=np.float32)


def _empty(density: NDArray[np.float32], nucleus: Mask, cytoplasm: NDArray[np.float32]) -> Mask:
    """Bright ground, pale gaps within a cytoplasm left aside, and whatever lies too far from the nucleus."""
    limit = max(GROUND, 0.35 * float(cytoplasm[1]))
    bright = (cv2.GaussianBlur(density[..., 1], (0, 0), 1.5) < limit).astype(np.uint8)
    bright = _opened(bright, 0.6) & (1 - _grown(nucleus, 0.6))
    return np.asarray(bright | _too_far(nucleus), dtype=np.uint8)


def _other_things(density: NDArray[np.float32], stained: Mask, nucleus: Mask) -> Mask:
    """Red cells and other nuclei."""
    away = cv2.distanceTransform(1 - nucleus, cv2.DIST_L2, 5) * LOOKED_AT_UM_PER_PX
    others = _opened(((stained > 0) & (nucleus == 0)).astype(np.uint8), 1.1)
    reds = _opened(((_like_red(density) > 0) & (away > 0.5)).astype(np.uint8), 1.0)
    return np.asarray(_shrunk(others, 0.3) | _not_around(reds, nucleus), dtype=np.uint8)


def _like_red(density: NDArray[np.float32]) -> Mask:
    """Where the colour is a red cell's: grey-pink, less violet than anything a nucleated cell holds."""
    red, green, blue = density[..., 0], density[..., 1], density[..., 2]
    like = (green > 0.12) & (green < 0.75) & (green - red < 0.22) & (blue > 0.36 * green)
    like &= red + blue > 1.10 * green
    return np.asarray(like, dtype=np.uint8)


def _not_around(reds: Mask, nucleus: Mask) -> Mask:
    """Red cells, without what lies around the nucleus: the cytoplasm of a ripe erythroblast looks like one."""
    ring = _grown(nucleus, 1.4) & (1 - _grown(nucleus, 0.6))
    near = _grown(nucleus, 4.5) > 0
    _, parts = cv2.connectedComponents(reds)
    kept = np.zeros_like(reds)
    for part in np.unique(parts[reds > 0]).tolist():
        mine = parts == part
        if ring[mine].sum() < 0.30 * ring.sum() or near[mine].mean() < 0.8:
            kept |= _shrunk(mine.astype(np.uint8), 0.4)
    return kept


def _too_far(nucleus: Mask) -> Mask:
    x, y, _ = _middle_and_area(nucleus)
    rows, columns = np.ogrid[: nucleus.shape[0], : nucleus.shape[1]]
    return np.asarray(np.hypot(columns - x, rows - y) * LOOKED_AT_UM_PER_PX > LARGEST_UM, dtype=np.uint8)


def _rounded(mask: Mask) -> Mask:
    """A cell's outline without the bites that pale patches at its border leave."""
    reach = round(3.0 / LOOKED_AT_UM_PER_PX)
    wide = cv2.copyMakeBorder(mask, reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=0)
    closed = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, _disc(2.0))
    return np.asarray(closed[reach:-reach, reach:-reach], dtype=np.uint8)


def _part_under(mask: Mask, nucleus: Mask) -> Mask:
    _, parts = cv2.connectedComponents(mask)
    mine = np.bincount(parts[nucleus > 0]).argmax()
    return np.asarray(parts == mine, dtype=np.uint8)


def _filled(mask: Mask) -> Mask:
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(np.zeros_like(mask), outlines, -1, 1, -1), dtype=np.uint8)


def _middle_and_area(mask: Mask) -> tuple[float, float, float]:
    moments = cv2.moments(mask, binaryImage=True)
    return moments["m10"] / moments["m00"], moments["m01"] / moments["m00"], moments["m00"]


def _alone(
    pixels: NDArray[np.uint8],
    um_per_px: float,
    ground: NDArray[np.float32],
    shown: Mask,
    middle: tuple[float, float],
) -> NDArray[np.float32]:
    """The cell's own light, resampled around its centre; everything beside it fades to bright."""
    widest = float(np.ptp(np.nonzero(shown), axis=1).max()) * LOOKED_AT_UM_PER_PX
    reach = math.ceil((0.65 * widest + 1.5) / DRAWN_UM_PER_PX)
    side = 2 * reach + 1
    light = _around(pixels.astype(np.float32) / ground, um_per_px, middle, side, (1.0, 1.0, 1.0))
    soft = _around(shown.astype(np.float32), LOOKED_AT_UM_PER_PX, middle, side, (0.0,))
    feathered = cv2.GaussianBlur(soft, (0, 0), FEATHER_UM / DRAWN_UM_PER_PX)
    return np.asarray(1 - feathered[..., None] * (1 - np.clip(light, 0, 1.06)), dtype=np.float32)


def _around(
    picture: NDArray[np.float32],
    um_per_px: float,
    middle: tuple[float, float],
    side: int,
    beside: tuple[float, ...],
) -> NDArray[np.float32]:
    """A square of a picture at the drawing's scale around a place given at the scale that was looked at."""
    factor = DRAWN_UM_PER_PX / um_per_px
    x, y = ((at + 0.5) * LOOKED_AT_UM_PER_PX / um_per_px - 0.5 for at in middle)
    half = (side - 1) / 2 * factor
    matrix = np.array([[factor, 0, x - half], [0, factor, y - half]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    if factor == 1.0:  # whole pixels: a photograph at this scale is not resampled at all
        matrix[:, 2] = np.round(matrix[:, 2])
    return np.asarray(
        cv2.warpAffine(picture, matrix, (side, side), flags=flags, borderValue=beside), dtype=np.float32
    )


def _grown(mask: Mask, by_um: float) -> Mask:
    return np.asarray(cv2.dilate(mask, _disc(by_um)), dtype=np.uint8)


def _shrunk(mask: Mask, by_um: float) -> Mask:
    return np.asarray(cv2.erode(mask, _disc(by_um)), dtype=np.uint8)


def _opened(mask: Mask, by_um: float) -> Mask:
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, _disc(by_um)), dtype=np.uint8)


def _disc(radius_um: float) -> Mask:
    reach = max(1, round(radius_um / LOOKED_AT_UM_PER_PX))
    return np.asarray(
        cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)), dtype=np.uint8
    )
