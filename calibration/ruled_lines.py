"""Parallel lines in a picture, to a hundredth of a pixel: which way they run, how far apart, and how surely.

Where their short segments lie says `calibration.line_segments`. A plane through the numbers of the lines,
k = a·x + b·y + c, robust against segments with dirt on them, gives spacing and direction: `calibration.line_plane`,
which also says how well they are known.

Source: robust weights, Beaton and Tukey 1974, Technometrics 16:147.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from calibration.errors import CalibrationRefused
from calibration.line_comb import FEWEST_LINES, evenly_spaced
from calibration.line_plane import fitted
from calibration.line_segments import (
    FEWEST_SEGMENTS,
    LineShape,
    Samples,
    Segments,
    sampled,
    segments_of,
    shape_of,
    too_few,
)

Plane = NDArray[np.float32]
Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]

TUKEY = 4.685
NEAR_ENOUGH = 0.15  # of an edge's softness, that a line may lie off where its derivative is to tell how far
ODD_FROM = 12  # lines, before one of them can be said to be odd
FURTHER_PASSES = 3
# Which percentile of the segments must show a finer line. A ruler's finer ones may be short; what crosses a grid's
# lines is seen beside some of them.
SEEN, CROSSED_SEEN = 75.0, 25.0
FINER_DEPTH = 0.03  # of the light that a finer line between the lines takes at least


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
        samples = sampled(dark, plane)
        shape = shape_of(samples, shape, name, 1 / float(np.hypot(*plane[:2])))
        segments = segments_of(samples, shape)
        if np.abs(segments.aside_px).max() > NEAR_ENOUGH * shape.soft_px:
            # A line's picture and its derivative tell small shifts only: look at each line from where it lies.
            samples = sampled(dark, plane, segments.aside_px)
            shape = shape_of(samples, shape, name, 1 / float(np.hypot(*plane[:2])))
            segments = segments_of(samples, shape)
        before, fit = plane, _fit(segments, shape, name)
        plane = np.array([*fit.gradient, fit.offset])
        corners = np.array([[0, 0, 1], [dark.shape[1], 0, 1], [0, dark.shape[0], 1], [*dark.shape[::-1], 1]])
        if np.abs(corners @ (plane - before)).max() * fit.spacing_px < 0.02:
            break
    _refuse_finer_lines(samples, segments.good, fit, name, CROSSED_SEEN if crossed else SEEN)
    return fit


def _fit(segments: Segments, shape: LineShape, name: str) -> RuledLines:
    """Fit the plane k = a·x + b·y + c, robustly, and say how well it is known."""
    number, left = _believed(segments)
    if len(np.unique(number[left])) < FEWEST_LINES or left.sum() < FEWEST_SEGMENTS:
        raise too_few(name, len(np.unique(number[left])))
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
    found = fitted(columns[used], k[used], number[used], segments.level[used])
    plane = found.plane
    spacing = 1 / float(np.hypot(plane[0], plane[1]))
    offset = float(plane[2] - plane[0] * middle[0] - plane[1] * middle[1])
    out = 1 - (1 - segments.left_out) * used.sum() / len(used)
    return RuledLines(
        plane[:2], found.covariance, offset, number[used], segments.x[used], segments.y[used], found.off * spacing,
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


def _believed(segments: Segments) -> tuple[NDArray[np.intp], Flags]:
    """The segments' lines, and which are of a line that is more than a speck: three segments or more."""
    numbers, counts = np.unique(segments.number, return_counts=True)
    return segments.number, np.isin(segments.number, numbers[counts >= 3])


def _refuse_finer_lines(samples: Samples, told: Flags, fit: RuledLines, name: str, percentile: float) -> None:
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
