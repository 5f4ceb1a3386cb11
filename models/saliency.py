"""The classical detector: HSV contrast, spectral-residual saliency, clusters by size, morphology, watershed.

The steps are those of the published counting system (J. W. Choi et al. 2017, PLoS ONE 12(12):e0189259, and
Choi's thesis); it is the baseline that every benchmark compares with. What is published and what is ours:

- Published (X. Hou and L. Zhang, CVPR 2007, and their own program of it): the residual of the log spectrum
  from its 3×3 mean, the phase kept, the squared inverse transform smoothed by a Gaussian of σ 2.5 px, an
  input 64 px wide; objects are where the saliency exceeds 3 times its mean.
- Ours, because we could not check Choi's own numbers against the full text: everything else below.
  The 64 px are kept as a scale (0.8 µm/px, so a field of 51 µm is 64 px wide), since fields differ in size
  and cells do not. Lengths are in µm, and were chosen on the train splits of BCCD and Raabin-WBC.

Saliency weighs the score and never vetoes: in a field that one cell fills, only the cell's rim is salient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.cells import Detection
from models.distinct import distinct
from models.errors import ModelRefused
from models.resample import to_scale

AVERAGED_PX = 3  # Hou & Zhang 2007: local average of the log spectrum
SMOOTHING_PX = 2.5  # Hou & Zhang 2007: σ of the Gaussian over the saliency map (their program)
SALIENT_OVER_MEAN = 3.0  # Hou & Zhang 2007: threshold of a proto-object

SALIENCY_UM_PER_PX = 0.8  # ours: their 64 px for a field of 51 µm
WORKING_UM_PER_PX = 0.4
STAIN_HUES = (105, 168)  # ours: blue to magenta, in OpenCV's half degrees
OTHER_HUES_WEIGH = 0.25
LEAST_CONTRAST = 40  # of 255: weaker clusters are red cells or background
OPENING_UM = 0.6  # removes what is thinner: granules, rims
CLOSING_UM = 1.5  # joins the lobes of one nucleus
LOBE_UM = 3.0  # an inscribed radius under this is a lobe or a small nucleus
LOBES_WITHIN_UM = 10.0  # a lobe this near to a larger part belongs to it
OVERLAP = 0.9  # parts nearer than this share of their radii are one
SEED = 0.8  # a part's marker for the watershed, as a share of its radius
LEAST_RADIUS_UM = 1.6  # smaller clusters are platelets and stain
CYTOPLASM_UM = 1.8  # added around the nucleus
HALF_A_CELL = 0.5  # its radii are guesses: nearer than this share of both, two are one
FULL_SCORE_AREA_UM2 = 30.0

Grey = NDArray[np.float32]
Mask = NDArray[np.uint8]


class SaliencyDetector:
    """White cells by colour contrast and saliency, without any training."""

    name = "saliency"

    def detect(self, pixels: NDArray[np.uint8], um_per_px: float) -> list[Detection]:
        """Every white cell of a field, best first.

        pixels: uint8, H×W×3, RGB.  um_per_px: the field's pixel size.  Centres are in the field's own pixels.
        Raises ModelRefused for other pixels or a scale that is no positive number.
        """
        _refuse_unless_a_field(pixels, um_per_px)
        picture = to_scale(pixels, um_per_px, WORKING_UM_PER_PX)
        stain = hsv_contrast(picture)
        salient = spectral_residual(stain, WORKING_UM_PER_PX)
        nuclei = _nuclear_clusters(stain)
        regions, count = _split(nuclei)
        to_x, to_y = pixels.shape[1] / picture.shape[1], pixels.shape[0] / picture.shape[0]
        found = []
        for label in range(1, count + 1):
            nucleus = _measure((regions == label).astype(np.uint8), stain, salient)
            if nucleus is not None:
                found.append(nucleus.detection(to_x, to_y))
        return distinct(found, um_per_px, HALF_A_CELL)


def hsv_contrast(pixels: NDArray[np.uint8]) -> Grey:
    """How strongly each pixel is stained like a nucleus, 0 to 255: saturation, weighted by hue."""
    hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV).astype(np.float32)
    low, high = STAIN_HUES
    off = np.maximum(0, np.maximum(low - hsv[..., 0], hsv[..., 0] - high))
    weight = np.clip(1 - off / 10, OTHER_HUES_WEIGH, 1)
    return np.asarray(cv2.GaussianBlur(hsv[..., 1] * weight, (0, 0), 1.0), dtype=np.float32)


def spectral_residual(grey: Grey, um_per_px: float) -> Grey:
    """Spectral-residual saliency of H×W, as multiples of its mean (Hou and Zhang 2007, section 2).

    Computed at 0.8 µm/px and returned at the size of the input; zero everywhere for a uniform picture.
    """
    factor = um_per_px / SALIENCY_UM_PER_PX
    height, width = grey.shape
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    if float(np.ptp(small)) < 1e-3:
        return np.zeros_like(grey)
    spectrum = np.fft.fft2(small)
    log_amplitude = np.log(np.abs(spectrum) + 1e-6)
    mean = cv2.blur(log_amplitude, (AVERAGED_PX, AVERAGED_PX), borderType=cv2.BORDER_REPLICATE)
    back = np.fft.ifft2(np.exp(log_amplitude - mean + 1j * np.angle(spectrum)))
    saliency = cv2.GaussianBlur((np.abs(back) ** 2).astype(np.float32), (0, 0), SMOOTHING_PX)
    return np.asarray(cv2.resize(saliency / saliency.mean(), (width, height)), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class _Nucleus:
    """One cluster, in working pixels and µm."""

    x: float
    y: float
    radius_um: float
    score: float

    def detection(self, to_x: float, to_y: float) -> Detection:
        """Return the cell around it, in the field's pixels."""
        return Detection(
            x=(self.x + 0.5) * to_x - 0.5,
            y=(self.y + 0.5) * to_y - 0.5,
            radius_um=self.radius_um + CYTOPLASM_UM,
            score=self.score,
        )


def _refuse_unless_a_field(pixels: NDArray[np.uint8], um_per_px: float) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise ModelRefused(
            f"The detector needs a colour field (H×W×3, 8 bit), not {pixels.dtype} of shape {pixels.shape}."
        )
    if not (math.isfinite(um_per_px) and um_per_px > 0):
        raise ModelRefused(f"A pixel size of {um_per_px} µm is no scale. Give micrometres per pixel.")


def _nuclear_clusters(stain: Grey) -> Mask:
    """Mask of the most strongly stained of three clusters, holes filled and lobes joined."""
    strong = (stain > max(_three_clusters(stain)[1], LEAST_CONTRAST)).astype(np.uint8)
    opened = cv2.morphologyEx(strong, cv2.MORPH_OPEN, _disc(OPENING_UM))
    closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, _disc(CLOSING_UM))
    framed = cv2.copyMakeBorder(closed, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(0.0,))
    outside = 2
    cv2.floodFill(framed, None, (0, 0), (outside,))
    return np.asarray(framed[1:-1, 1:-1] != outside, dtype=np.uint8)


def _three_clusters(stain: Grey) -> tuple[float, float]:
    """Two thresholds between background, red cells and nuclei (N. Otsu 1979, for three classes)."""
    bins = 64
    counts = np.bincount(np.clip(stain, 0, 255).astype(np.uint8).ravel() >> 2, minlength=bins)
    weight = np.concatenate(([0.0], np.cumsum(counts)))
    moment = np.concatenate(([0.0], np.cumsum(counts * np.arange(bins))))

    def between(first: NDArray[np.intp], last: NDArray[np.intp]) -> NDArray[np.float64]:
        inside = weight[last] - weight[first]
        return np.asarray((moment[last] - moment[first]) ** 2 / np.maximum(inside, 1e-9))

    first, second = np.meshgrid(np.arange(bins + 1), np.arange(bins + 1), indexing="ij")
    spread = (
        between(np.zeros_like(first), first)
        + between(first, second)
        + between(second, np.full_like(second, bins))
    )
    spread[second <= first] = -1
    low, high = np.unravel_index(int(np.argmax(spread)), spread.shape)
    return float(low) * 256 / bins, float(high) * 256 / bins


def _split(nuclei: Mask) -> tuple[NDArray[np.int32], int]:
    """Regions numbered from 1, touching cells parted by a watershed; and how many there are."""
    distance = cv2.distanceTransform(nuclei, cv2.DIST_L2, 5)
    depth: Grey = np.asarray(cv2.GaussianBlur(distance, (0, 0), 1.0), dtype=np.float32)
    count, clumps = cv2.connectedComponents(nuclei)
    markers = np.zeros(nuclei.shape, dtype=np.int32)
    regions = 0
    for clump in range(1, count):
        here = clumps == clump
        cells = _cells_of(_parts(depth, here))
        if len(cells) < 2:
            regions += 1
            markers[here] = regions
            continue
        for parts in cells:
            regions += 1
            for part in parts:
                disc = np.zeros(nuclei.shape, dtype=np.uint8)
                at = (round(part.x_um / WORKING_UM_PER_PX), round(part.y_um / WORKING_UM_PER_PX))
                cv2.circle(disc, at, max(1, int(SEED * part.radius_um / WORKING_UM_PER_PX)), (1,), -1)
                markers[(disc > 0) & here] = regions
    markers[nuclei == 0] = regions + 1
    # OpenCV floods where neighbours differ least: a flat clump in a far background lets only the discs grow.
    terrain = np.where(nuclei > 0, 0, 255).astype(np.uint8)
    cv2.watershed(cv2.merge([terrain, terrain, terrain]), markers)
    return markers, regions


@dataclass(frozen=True, slots=True)
class _Part:
    """A largest disc that fits into a clump: a lobe or a whole nucleus."""

    x_um: float
    y_um: float
    radius_um: float


def _parts(depth: Grey, clump: NDArray[np.bool_]) -> list[_Part]:
    """Return the local maxima of the distance to the clump's edge, largest first."""
    peaks = (depth >= cv2.dilate(depth, _disc(1.0)) - 1e-6) & clump & (depth * WORKING_UM_PER_PX > 1.0)
    count, labels, _, centres = cv2.connectedComponentsWithStats(peaks.astype(np.uint8))
    parts = [
        _Part(
            x_um=float(centres[label][0]) * WORKING_UM_PER_PX,
            y_um=float(centres[label][1]) * WORKING_UM_PER_PX,
            radius_um=float(depth[labels == label].max()) * WORKING_UM_PER_PX,
        )
        for label in range(1, count)
    ]
    return sorted(parts, key=lambda part: -part.radius_um)


def _cells_of(parts: list[_Part]) -> list[list[_Part]]:
    """Group parts by size: a lobe joins a larger part within reach, a nucleus stands for itself."""
    cells: list[list[_Part]] = []
    for part in parts:
        for cell in cells:
            largest = cell[0]
            apart = math.hypot(part.x_um - largest.x_um, part.y_um - largest.y_um)
            same_disc = apart < OVERLAP * (part.radius_um + largest.radius_um)
            if same_disc or (part.radius_um < LOBE_UM and apart < LOBES_WITHIN_UM):
                cell.append(part)
                break
        else:
            cells.append([part])
    return cells


def _measure(region: Mask, stain: Grey, salient: Grey) -> _Nucleus | None:
    """Centre, radius and score of one region, or None where it is too small for a nucleus."""
    area_um2 = float(region.sum()) * WORKING_UM_PER_PX**2
    if area_um2 < math.pi * LEAST_RADIUS_UM**2:
        return None
    points = np.argwhere(region > 0)[:, ::-1].astype(np.float32)
    (x, y), radius = cv2.minEnclosingCircle(points)
    box_x, box_y = (points.min(axis=0) + points.max(axis=0)) / 2
    strength = float(stain[region > 0].mean()) / 255
    saliency = float(salient[cv2.dilate(region, _disc(0.8)) > 0].max()) / SALIENT_OVER_MEAN
    score = min(1.0, strength) * min(1.0, saliency) * min(1.0, area_um2 / FULL_SCORE_AREA_UM2)
    return _Nucleus((x + float(box_x)) / 2, (y + float(box_y)) / 2, radius * WORKING_UM_PER_PX, score)


def _disc(radius_um: float) -> Mask:
    side = 2 * round(radius_um / WORKING_UM_PER_PX) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), dtype=np.uint8)
