"""Where each short piece of a ruled line lies: samples near the lines, what a line looks like, and how far aside it is.

Every line is cut into short segments; each segment's samples, at their own distances from where the line is thought
to be (no picture is turned or resampled), are fitted with the picture of a line, its derivative, a level and a slope.
The derivative's share is how far aside the segment lies: the efficient estimate where noise is even.

Source: the bound for a shift, Robinson and Milanfar 2004, IEEE Trans. Image Process. 13:1185.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.special import ndtr

from calibration.edge_directions import LEAST_DEPTH
from calibration.errors import CalibrationRefused
from calibration.line_comb import FEWEST_LINES

Plane = NDArray[np.float32]
Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]

FEWEST_SEGMENTS = 12
SOFTEST = 0.15  # of the spacing, an edge's standard deviation: beyond it neighbours' feet overlap
SEGMENT_PX = 16
LEAST_UNUSUAL = 0.003  # of the light
SHAPE_FROM = 30_000  # samples: enough for a line's shape, which is only a template


@dataclass(frozen=True, slots=True)
class LineShape:
    """What a line looks like, across: how wide it is, how soft its edges are (standard deviation, px), how dark."""

    width_px: float
    soft_px: float
    depth: float


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Pixels near lines: L lines × S segments × R rows × N columns.

    aside_px: how far across from where the line is thought to be.  dark: what the pixel is; NaN beyond the picture.
    x, y: of each row of pixels' place on the line, L × S × R.
    """

    number: NDArray[np.intp]
    aside_px: Numbers
    dark: Numbers
    x: Numbers
    y: Numbers
    plane: Numbers


def sampled(dark: Plane, plane: Numbers, aside_px: Numbers | None = None) -> Samples:
    """Return the pixels near lines.

    plane: a, b, c of k = a·x + b·y + c, the lines' numbers.  aside_px: how far from it each line is thought to lie.
    """
    height, width = dark.shape
    a, b, c = map(float, plane)
    spacing = 1 / math.hypot(a, b)
    corners = [a * x + b * y + c for x in (0, width - 1) for y in (0, height - 1)]
    number = np.arange(math.ceil(min(corners)), math.floor(max(corners)) + 1)
    segment = SEGMENT_PX if height >= 300 else SEGMENT_PX // 2
    rows = np.arange(height // segment * segment).reshape(-1, segment)
    on_line = (number[:, None, None] - c - b * rows[None]) / a
    if aside_px is not None:
        on_line = on_line + aside_px[:, None, None] / (a * spacing)
    half = max(3, math.floor(0.45 * spacing / (a * spacing)))
    steps = np.arange(-half, half + 1)
    columns = np.rint(on_line).astype(np.intp)[..., None] + steps
    inside = (columns >= 0) & (columns < width)
    values = dark[rows[None, :, :, None], np.clip(columns, 0, width - 1)].astype(np.float64)
    values[~inside] = np.nan
    aside = (columns - on_line[..., None]) * (a * spacing)
    return Samples(number, aside, values, on_line, np.broadcast_to(rows[None], on_line.shape), plane)


def line_picture(aside: Numbers, width: float, soft: float) -> Numbers:
    """Return a line's darkness at some distances across: a bar of a width, blurred."""
    return np.asarray(ndtr((aside + width / 2) / soft) - ndtr((aside - width / 2) / soft))


def _templates(aside: Numbers, shape: LineShape) -> tuple[Numbers, Numbers]:
    """A line's picture and by how much it rises per px, from a table so fine that it is right to 1e-5."""
    width, soft = shape.width_px, shape.soft_px
    least, most = float(aside.min()), float(aside.max())
    at = np.linspace(least, most, 2 + math.ceil((most - least) / (0.01 * soft)))
    before, after = (at + width / 2) / soft, (at - width / 2) / soft
    rise = (np.exp(-(before**2) / 2) - np.exp(-(after**2) / 2)) / (soft * math.sqrt(2 * math.pi))
    where = (aside - least) * ((len(at) - 1) / (most - least))
    low = np.minimum(where.astype(np.intp), len(at) - 2)
    part = where - low
    picture, slope = (
        table[low] + np.diff(table)[low] * part for table in (line_picture(at, width, soft), rise)
    )
    return picture, slope


def shape_of(samples: Samples, was: LineShape | None, name: str, spacing: float) -> LineShape:
    """Fit one bar to what all believable segments show. was: the shape as an earlier pass had it.

    Raises CalibrationRefused: too few segments, or lines that are blurred beyond use.
    """
    depth = was.depth if was else float(np.nanpercentile(samples.dark, 98.5))
    aside = samples.aside_px
    reach = 0.25 * was.width_px if was else 1.5
    with np.errstate(invalid="ignore"):
        middle = np.where(np.abs(aside) < max(1.0, reach), samples.dark, np.nan)
        outer = np.where(np.abs(aside) > 0.35 * spacing, samples.dark, np.nan)
        ink, glass = (_mean(part) for part in (middle, outer))
    good = (ink > 0.5 * depth) & ~(glass > 0.4 * depth)
    if good.sum() < FEWEST_SEGMENTS:
        good = ink > 0.5 * depth
    if good.sum() < FEWEST_SEGMENTS:
        raise too_few(name, 0)
    x, y = aside[good].ravel(), samples.dark[good].ravel()
    if len(x) > SHAPE_FROM:
        some = np.random.default_rng(0).integers(0, len(x), SHAPE_FROM)
        x, y = x[some], y[some]
    bins = np.rint(x * 2).astype(int)
    seen = np.isfinite(y)
    low = int(bins.min())
    places = np.arange(low, int(bins.max()) + 1) / 2
    profile = np.array([np.median(y[seen & (bins == at)]) if (seen & (bins == at)).any() else np.nan for at in
                        range(low, int(bins.max()) + 1)])  # fmt: skip
    told = np.isfinite(profile)
    places, profile = places[told], profile[told]
    half = profile > (profile.max() + np.percentile(profile, 10)) / 2
    width = max(1.0, float(half.sum()) / 2)
    start = [width, max(0.7, 0.15 * width), float(profile.max()), float(np.percentile(profile, 10)), 0.0]

    def missing(p: Numbers) -> Numbers:
        return np.asarray(p[2] * line_picture(places - p[4], p[0], p[1]) + p[3] - profile)

    bounds = ([0.5, 0.25, 0.02, -0.5, -0.45 * spacing], [0.9 * spacing, spacing, 3.0, 0.9, 0.45 * spacing])
    start = [min(max(s, lo + 1e-3), hi - 1e-3) for s, lo, hi in zip(start, *bounds, strict=True)]
    fit = least_squares(missing, start, bounds=bounds, loss="soft_l1", f_scale=0.05, max_nfev=60)
    shape = LineShape(float(fit.x[0]), float(fit.x[1]), float(fit.x[2]))
    seen_depth = shape.depth * float(line_picture(np.zeros(1), shape.width_px, shape.soft_px)[0])
    if shape.soft_px > SOFTEST * spacing or seen_depth < LEAST_DEPTH:
        raise CalibrationRefused(
            f"The lines of {name[0].lower() + name[1:]} are blurred beyond use (their edges spread over "
            f"{100 * 2.56 * shape.soft_px / spacing:.0f} % of their spacing). Focus, clean the lens, and take it again."
        )
    return shape


def _mean(part: Numbers) -> Numbers:
    """The mean of each segment's samples, over what is not NaN; NaN where nothing is."""
    told = np.isfinite(part)
    count = told.sum(axis=(2, 3))
    return np.where(count > 0, np.where(told, part, 0.0).sum(axis=(2, 3)) / np.maximum(count, 1), np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Each believable segment: its line's number, which part of the line it is, its middle on the line (px).

    good: which of the samples' segments they are.  aside_px: how far each of the samples' lines lies from where it was
    thought to be.
    """

    number: NDArray[np.intp]
    level: NDArray[np.intp]
    x: Numbers
    y: Numbers
    good: Flags
    left_out: float
    aside_px: Numbers


def segments_of(samples: Samples, shape: LineShape) -> Segments:
    """Fit a line's picture, its derivative, a level and a slope to each segment."""
    told = np.isfinite(samples.dark)
    counted = told.astype(np.float64)
    values = np.where(told, samples.dark, 0.0)
    picture, slope = _templates(samples.aside_px, shape)
    terms = [picture * counted, -slope * counted, counted, samples.aside_px * counted]
    flat = [term.reshape(*term.shape[:2], -1) for term in [*terms, values]]
    products = [[np.einsum("lsp,lsp->ls", one, other) for other in flat] for one in flat[:4]]
    normal = np.moveaxis(np.array([row[:4] for row in products]), (0, 1), (-2, -1))
    right = np.moveaxis(np.array([row[4] for row in products]), 0, -1)
    whole = told.all(axis=(2, 3))
    normal[~whole] = np.eye(4)
    solved = np.linalg.solve(normal, right[..., None])[..., 0]
    squares = np.einsum("lsp,lsp->ls", flat[4], flat[4]) - np.sum(solved * right, axis=-1)
    rough = np.sqrt(np.maximum(squares, 0.0) / samples.dark[0, 0].size)
    size, shifted = solved[..., 0], solved[..., 1]
    inked = whole & (size > 0.6 * shape.depth) & (size < 1.5 * shape.depth)
    off = np.where(inked, shifted / np.where(inked, size, 1.0), 0.0)
    usual = float(np.median(rough[inked])) if inked.any() else 0.0
    farthest = max(1.5, 0.1 * shape.width_px + shape.soft_px)
    aside = np.array([np.median(o[i]) if i.sum() >= 3 else 0.0 for o, i in zip(off, inked, strict=True)])
    # Glass beside the line that is darker, or darker on one side, than elsewhere: dirt, or another line crosses.
    beside = [_usual(solved[..., 2], inked), _usual(solved[..., 3] * shape.width_px, inked)]
    good = inked & beside[0] & beside[1] & (rough < 2.0 * usual + 1e-4) & (np.abs(off) < farthest)
    a, b, _ = samples.plane
    across = np.array([a, b]) / math.hypot(a, b)
    lines, which = np.nonzero(good)
    x = samples.x.mean(axis=2)[good] + off[good] * across[0]
    y = samples.y.mean(axis=2)[good] + off[good] * across[1]
    tried = int((whole & (size > 0.3 * shape.depth)).sum())
    return Segments(
        samples.number[lines].astype(np.intp), which, x, y, good, 1 - len(which) / max(1, tried),
        np.where(np.abs(aside) < farthest, aside, 0.0),
    )  # fmt: skip


def _usual(values: Numbers, among: Flags) -> Flags:
    """Which values are no outlier among some."""
    if not among.any():
        return among
    off = np.abs(values - np.median(values[among]))
    return np.asarray(off < max(LEAST_UNUSUAL, 6 * float(np.median(off[among]))))


def too_few(name: str, lines: int) -> CalibrationRefused:
    """Return the refusal of a picture with so few lines."""
    return CalibrationRefused(
        f"{name} shows {lines or 'no'} whole line{'' if lines == 1 else 's'} that can be measured, and {FEWEST_LINES} "
        "are needed. Bring more of the ruler into view, or take one with a finer pitch."
    )
