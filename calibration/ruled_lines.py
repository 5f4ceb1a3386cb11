"""Parallel lines in a picture, to a hundredth of a pixel: which way they run, how far apart, and how surely.

Every line is cut into short segments; each segment's samples, at their own distances from where the line is thought
to be (no picture is turned or resampled), are fitted with the picture of a line, its derivative, a level and a slope.
The derivative's share is how far aside the segment lies: the efficient estimate where noise is even. A plane through
the numbers of the lines, k = a·x + b·y + c, robust against segments with dirt on them, gives spacing and direction.

How well that plane is known: `calibration.line_scatter`.

Sources: the bound for a shift, Robinson and Milanfar 2004, IEEE Trans. Image Process. 13:1185; robust weights, Beaton
and Tukey 1974, Technometrics 16:147.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.signal import find_peaks
from scipy.special import ndtr

from calibration.edge_directions import LEAST_DEPTH
from calibration.errors import CalibrationRefused
from calibration.line_comb import FEWEST_LINES, evenly_spaced
from calibration.line_scatter import covariance

Plane = NDArray[np.float32]
Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]

FEWEST_SEGMENTS = 12
SOFTEST = 0.15  # of the spacing, an edge's standard deviation: beyond it neighbours' feet overlap
SEGMENT_PX = 16
TUKEY = 4.685
NEAR_ENOUGH = 0.15  # of an edge's softness, that a line may lie off where its derivative is to tell how far
ODD_FROM = 12  # lines, before one of them can be said to be odd
FURTHER_PASSES = 3
# Which percentile of the segments must show a finer line. A ruler's finer ones may be short; what crosses a grid's
# lines is seen beside some of them.
SEEN, CROSSED_SEEN = 75.0, 25.0
LEAST_UNUSUAL = 0.003  # of the light
SHAPE_FROM = 30_000  # samples: enough for a line's shape, which is only a template
FINER_DEPTH = 0.03  # of the light that a finer line between the lines takes at least


@dataclass(frozen=True, slots=True)
class LineShape:
    """What a line looks like, across: how wide it is, how soft its edges are (standard deviation, px), how dark."""

    width_px: float
    soft_px: float
    depth: float


@dataclass(frozen=True, slots=True, eq=False)
class RuledLines:
    """A family of parallel, evenly spaced lines in one picture.

    gradient: (a, b) of k = a·x + b·y + c, per px: it points across the lines and is as long as 1/spacing.
    covariance: 2×2, of the gradient.  offset: c.  number, across_px, along_px, off_px: of every segment that was
    measured: which line, where (x and y of its middle, px, the first pixel's middle is 0), how far off the fit.
    left_out: the share of segments that were not believed (dirt, a line's end).
    """

    gradient: Numbers
    covariance: Numbers
    offset: float
    number: NDArray[np.intp]
    x_px: Numbers
    y_px: Numbers
    off_px: Numbers
    left_out: float
    shape: LineShape

    @property
    def spacing_px(self) -> float:
        """How far apart lines are."""
        return 1 / float(np.hypot(*self.gradient))

    @property
    def spacing_relative(self) -> float:
        """The spacing's standard uncertainty, as a share of it."""
        across = self.gradient / np.hypot(*self.gradient)
        return math.sqrt(float(across @ self.covariance @ across)) * self.spacing_px

    @property
    def across_deg(self) -> float:
        """Which way the ruler runs (across its lines), −90 to 90°, from the picture's x towards its y."""
        return math.degrees(math.atan2(self.gradient[1], self.gradient[0]))

    @property
    def across_deg_uncertainty(self) -> float:
        """The standard uncertainty of that direction."""
        along = np.array([-self.gradient[1], self.gradient[0]]) / np.hypot(*self.gradient)
        return math.degrees(math.sqrt(float(along @ self.covariance @ along)) * self.spacing_px)

    @property
    def lines(self) -> int:
        """How many different lines were measured."""
        return len(np.unique(self.number))

    @property
    def residual_px(self) -> float:
        """Root mean square of the segments' distances from the fit."""
        return float(np.sqrt(np.mean(self.off_px**2)))


def ruled_lines(dark: Plane, across_deg: float, name: str, crossed: bool = False) -> RuledLines:
    """Measure the lines that run at right angles to a direction, which need be known to a degree.

    dark: H×W, share of the light that is missing.  across_deg: from the picture's x axis towards its y axis.
    crossed: whether others cross them, as in a grid.
    Raises CalibrationRefused: no even spacing, too few lines, too close together, or too soft.
    """
    turned = math.cos(math.radians(across_deg)) ** 2 < 0.5
    if turned:
        # Samples are taken along rows: lines that run along rows are looked at in the transposed picture.
        found = _measure(np.ascontiguousarray(dark.T), 90.0 - across_deg, name, crossed)
        swapped = found.gradient[::-1].copy()
        sign = -1.0 if swapped[0] < 0 or (swapped[0] == 0 and swapped[1] < 0) else 1.0
        return RuledLines(
            sign * swapped, found.covariance[::-1, ::-1].copy(), sign * found.offset,
            (found.number * int(sign)).astype(np.intp), found.y_px, found.x_px, sign * found.off_px,
            found.left_out, found.shape,
        )  # fmt: skip
    return _measure(dark, (across_deg + 90.0) % 180.0 - 90.0, name, crossed)


def _measure(dark: Plane, across_deg: float, name: str, crossed: bool) -> RuledLines:
    """Measure lines that run nearer to columns than to rows."""
    plane = evenly_spaced(dark, across_deg, name)
    shape: LineShape | None = None
    for _ in range(1 + FURTHER_PASSES):
        samples = _samples(dark, plane)
        shape = _shape(samples, shape, name, 1 / float(np.hypot(*plane[:2])))
        segments = _segments(samples, shape)
        if np.abs(segments.aside_px).max() > NEAR_ENOUGH * shape.soft_px:
            # A line's picture and its derivative tell small shifts only: look at each line from where it lies.
            samples = _samples(dark, plane, segments.aside_px)
            shape = _shape(samples, shape, name, 1 / float(np.hypot(*plane[:2])))
            segments = _segments(samples, shape)
        before, fit = plane, _fit(segments, shape, name)
        plane = np.array([*fit.gradient, fit.offset])
        corners = np.array([[0, 0, 1], [dark.shape[1], 0, 1], [0, dark.shape[0], 1], [*dark.shape[::-1], 1]])
        if np.abs(corners @ (plane - before)).max() * fit.spacing_px < 0.02:
            break
    _refuse_finer_lines(samples, segments.good, fit, name, CROSSED_SEEN if crossed else SEEN)
    return fit


@dataclass(frozen=True, slots=True, eq=False)
class _Samples:
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


def _samples(dark: Plane, plane: Numbers, aside_px: Numbers | None = None) -> _Samples:
    """Take the pixels near lines. aside_px: how far from the plane each line is thought to lie, across."""
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
    return _Samples(number, aside, values, on_line, np.broadcast_to(rows[None], on_line.shape), plane)


def line_picture(aside: Numbers, width: float, soft: float) -> Numbers:
    """Return a line's darkness at some distances across: a bar of a width, blurred."""
    return np.asarray(ndtr((aside + width / 2) / soft) - ndtr((aside - width / 2) / soft))


def _slope(aside: Numbers, width: float, soft: float) -> Numbers:
    """By how much it rises per px."""
    before, after = (aside + width / 2) / soft, (aside - width / 2) / soft
    return np.asarray((np.exp(-(before**2) / 2) - np.exp(-(after**2) / 2)) / (soft * math.sqrt(2 * math.pi)))


def _shape(samples: _Samples, was: LineShape | None, name: str, spacing: float) -> LineShape:
    """Fit one bar to what all believable segments show."""
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
        raise _too_few(name, 0)
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
class _Segments:
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


def _segments(samples: _Samples, shape: LineShape) -> _Segments:
    """Fit a line's picture, its derivative, a level and a slope to each segment."""
    told = np.isfinite(samples.dark)
    counted = told.astype(np.float64)
    values = np.where(told, samples.dark, 0.0)
    picture = line_picture(samples.aside_px, shape.width_px, shape.soft_px)
    terms = [picture * counted, -_slope(samples.aside_px, shape.width_px, shape.soft_px) * counted, counted,
             samples.aside_px * counted]  # fmt: skip
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
    return _Segments(
        samples.number[lines].astype(np.intp), which, x, y, good, 1 - len(which) / max(1, tried),
        np.where(np.abs(aside) < farthest, aside, 0.0),
    )  # fmt: skip


def _usual(values: Numbers, among: Flags) -> Flags:
    """Which values are no outlier among some."""
    if not among.any():
        return among
    off = np.abs(values - np.median(values[among]))
    return np.asarray(off < max(LEAST_UNUSUAL, 6 * float(np.median(off[among]))))


def _fit(segments: _Segments, shape: LineShape, name: str) -> RuledLines:
    """Fit the plane k = a·x + b·y + c, robustly, and say how well it is known."""
    number, left = _believed(segments)
    if len(np.unique(number[left])) < FEWEST_LINES or left.sum() < FEWEST_SEGMENTS:
        raise _too_few(name, len(np.unique(number[left])))
    k = number.astype(np.float64)
    middle = segments.x[left].mean(), segments.y[left].mean()
    columns = np.column_stack([segments.x - middle[0], segments.y - middle[1], np.ones(len(k))])
    weight = left.astype(np.float64)
    plane = np.zeros(3)
    for _ in range(12):
        weighted = columns * weight[:, None]
        plane = np.linalg.solve(weighted.T @ columns, weighted.T @ k)
        weight = _weights(k - columns @ plane, number, left)
    used = weight > 0
    x, off = columns[used], (k - columns @ plane)[used]
    known = covariance(x, off, number[used], segments.level[used], plane[:2])
    spacing = 1 / float(np.hypot(plane[0], plane[1]))
    offset = float(plane[2] - plane[0] * middle[0] - plane[1] * middle[1])
    out = 1 - (1 - segments.left_out) * used.sum() / len(used)
    return RuledLines(
        plane[:2], known, offset, number[used], segments.x[used], segments.y[used], off * spacing,
        float(out), shape,
    )  # fmt: skip


def _weights(off: Numbers, number: NDArray[np.intp], left: Flags) -> Numbers:
    """How far each segment is believed: by its distance from its own line's median, then by that line's from the fit.

    Never by its own distance from the fit alone: of five lines, each off as a whole, three may chance to lie evenly,
    and the others would pass for dirt.
    """
    _, member = np.unique(number, return_inverse=True)
    lines = int(member.max()) + 1
    told = [off[left & (member == line)] for line in range(lines)]
    middles = np.array([float(np.median(each)) if len(each) else np.nan for each in told])
    within = off - middles[member]
    weight = np.where(left, _tukey(within, left), 0.0)
    seen = np.isfinite(middles)
    if int(seen.sum()) < ODD_FROM:
        return weight
    return weight * np.where(seen, _tukey(np.where(seen, middles, 0.0), seen), 0.0)[member]


def _tukey(off: Numbers, among: Flags) -> Numbers:
    spread = 1.4826 * float(np.median(np.abs(off[among]))) + 1e-12
    return np.asarray(np.square(np.maximum(0.0, 1 - np.square(off / (TUKEY * spread)))))


def _believed(segments: _Segments) -> tuple[NDArray[np.intp], Flags]:
    """The segments' lines, and which are of a line that is more than a speck: three segments or more."""
    numbers, counts = np.unique(segments.number, return_counts=True)
    return segments.number, np.isin(segments.number, numbers[counts >= 3])


def _refuse_finer_lines(
    samples: _Samples, told: Flags, fit: RuledLines, name: str, percentile: float
) -> None:
    """Refuse lines between the lines: those that were found are then only every second, fifth or tenth."""
    spacing, shape = fit.spacing_px, fit.shape
    size = max(0.5, shape.soft_px / 2)
    most = int(0.44 * spacing / size)
    bins = np.rint(samples.aside_px[told] / size).astype(np.intp)
    inside = np.abs(bins) <= most
    index = (bins + most + (2 * most + 1) * np.arange(len(bins))[:, None, None])[inside]
    many = len(bins) * (2 * most + 1)
    count = np.bincount(index, minlength=many)
    total = np.bincount(index, weights=samples.dark[told][inside], minlength=many)
    profile = np.where(count > 0, total / np.maximum(count, 1), np.nan).reshape(len(bins), 2 * most + 1)
    seen = np.isfinite(profile).sum(axis=0) >= FEWEST_SEGMENTS
    profile, places = profile[:, seen], (np.arange(2 * most + 1) - most)[seen] * size
    usual = np.nanpercentile(profile, percentile, axis=0)
    scatter = 1.4826 * float(np.median(np.nanmedian(np.abs(profile - np.nanmedian(profile, axis=0)), axis=0)))
    noise = 1.4 * scatter / math.sqrt(len(profile))
    foot = shape.width_px / 2 + 3.5 * shape.soft_px
    tops, _ = find_peaks(usual, prominence=max(FINER_DEPTH, 6 * noise))
    between = np.abs(places[tops]) > foot
    if between.any():
        part = float(np.min(np.abs(places[tops[between]]))) / spacing
        raise CalibrationRefused(
            f"{name} shows fainter lines between the lines, at {part:.2f} of their spacing: the ruler "
            "is finer than what can "
            "be told apart here. Focus, use a stronger objective, or state the pitch of the lines that are clear."
        )


def _too_few(name: str, lines: int) -> CalibrationRefused:
    return CalibrationRefused(
        f"{name} shows {lines or 'no'} whole line{'' if lines == 1 else 's'} that can be measured, and {FEWEST_LINES} "
        "are needed. Bring more of the ruler into view, or take one with a finer pitch."
    )
