"""A plane through the numbers of lines, k = a·x + b·y + c, where neither segments nor lines are off independently.

Segments scatter by the picture's noise. Beyond that every line may be off as a whole (the ruler's making, the lens),
and so may what lies at one level of all lines: where spacing is near whole pixels, sharp edges fall on all lines alike,
and drift over the pixels slowly where lines run nearly straight up. The more lines are off as a whole, the more a line
counts as one, however long it is, and the direction is taken from within the lines: generalised least squares. How much
lines and levels are off, their means say; enlarged while they are few, and where neighbours are off alike (slow drift,
a lens' distortion), for their number then counts for less.

Sources: random effects, Scheffé 1959, The Analysis of Variance, 7.2, with weights after Fuller and Battese 1973, J. Am.
Stat. Assoc. 68:626; effective degrees of freedom, Satterthwaite 1946, Biometrics 2:110, and few of them, GUM, annex G;
neighbours that are alike, Bayley and Hammersley 1946, J. R. Stat. Soc. Suppl. 8:184.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from calibration.measured import COVERAGE

Numbers = NDArray[np.float64]
Whole = NDArray[np.intp]

WEIGHINGS = 2  # of lines against segments: the first are judged by a fit that has them all alike
MOST_BEYOND = 1e6  # times a segment's variance: past that a line counts as one in any case
ALIKE_FROM = 10  # lines or levels, before neighbours can be said to be off alike
BY_CHANCE = 1.64  # standard deviations of their correlation: less is chance
MOST_ALIKE = 0.9
TOLD = 1e-6  # of their number: what groups must say of themselves, once the fit has taken its part
# Eight bits, pixels and interpolated colours leave so much between the two ends of lines, the same for all of them:
# found over drawn pictures.
SURE_PX = 0.0007


@dataclass(frozen=True, slots=True, eq=False)
class NumberPlane:
    """What numbers of lines tell.

    plane: a, b (per px) and c.  covariance: 2×2, of a and b.  off: how far off each segment is, in spacings.
    """

    plane: Numbers
    covariance: Numbers
    off: Numbers


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    """Which segments belong together: for each its group, and how many each group has."""

    of: Whole
    counts: Whole

    @classmethod
    def named(cls, names: Whole) -> _Groups:
        _, of, counts = np.unique(names, return_inverse=True, return_counts=True)
        return cls(of, counts)

    def sums(self, values: Numbers) -> Numbers:
        """Of each group: G, or G×C for columns."""
        total = np.zeros((len(self.counts), *values.shape[1:]))
        np.add.at(total, self.of, values)
        return total

    def means(self, values: Numbers) -> Numbers:
        """Of each group."""
        return np.asarray((self.sums(values).T / self.counts).T)


def fitted(x: Numbers, number: Numbers, line: Whole, level: Whole) -> NumberPlane:
    """Fit the plane, and say how well its gradient is known.

    x: N×3, of every segment: place in px, and 1.  number: N, of its line.
    line, level: which line each is of, and how far along it, in steps that all lines share.
    """
    lines, levels = _Groups.named(line), _Groups.named(level)
    moves = _moves(x, lines, 0.0)
    plane = moves.T @ number
    spacings = float(np.hypot(plane[0], plane[1]))
    along = np.array([-plane[1], plane[0]]) / spacings
    place = x[:, :2] @ along
    span = max(1.0, float(np.ptp(place)))
    place = place - lines.means(place)[lines.of]
    within = number - x @ plane
    within = within - lines.means(within)[lines.of]
    within = within - place * (place @ within) / (place @ place)
    noise, levels_beyond = _noise_and_levels(within, place, lines, levels)
    for _ in range(WEIGHINGS):
        beyond = _lines_beyond(x, moves, number - x @ plane, lines, noise, few=False)
        moves = _moves(x, lines, min(beyond / noise, MOST_BEYOND) if noise > 0 else 0.0)
        plane = moves.T @ number
    off = number - x @ plane
    beyond = _lines_beyond(x, moves, off, lines, noise) * _alike(lines.means(off))
    levels_beyond *= _alike(levels.means(within))
    by_line, by_level = lines.sums(moves), levels.sums(moves)
    known = noise * moves.T @ moves + beyond * by_line.T @ by_line + levels_beyond * by_level.T @ by_level
    sure = (spacings * SURE_PX / span) ** 2 * np.outer(along, along)
    return NumberPlane(plane, np.asarray(known[:2, :2] + sure), off)


def _moves(x: Numbers, lines: _Groups, beyond: float) -> Numbers:
    """By how much each segment moves the fit, N×3. beyond: lines' own variance, in that of a segment."""
    part = 1 - 1 / np.sqrt(1 + beyond * lines.counts)

    def less_means(columns: Numbers) -> Numbers:
        return np.asarray(columns - (part[:, None] * lines.means(columns))[lines.of])

    even = less_means(x)
    return less_means(even @ np.linalg.inv(even.T @ even))


def _lines_beyond(
    x: Numbers, moves: Numbers, off: Numbers, lines: _Groups, noise: float, few: bool = True
) -> float:
    """The variance of lines as wholes: what the means of their segments scatter by beyond noise."""
    means, sums = lines.means(x), lines.sums(moves)
    own = 1 / lines.counts
    common = means @ (sums * own[:, None]).T
    blurred = (
        float(own.sum()) - 2 * float(np.trace(common)) + float(np.sum((means @ (moves.T @ moves)) * means))
    )
    mixing = np.eye(len(own)) - means @ sums.T
    square = mixing @ mixing.T
    total = float(np.trace(square))
    if total < TOLD * len(own):
        return 0.0
    seen = lines.means(off)
    larger = _for_few(square) if few else 1.0
    return max(0.0, (larger * float(seen @ seen) - noise * blurred) / total)


def _noise_and_levels(
    within: Numbers, place: Numbers, lines: _Groups, levels: _Groups
) -> tuple[float, float]:
    """The variance of segments, and that of levels as wholes: lines' means and the slope along them are taken out."""
    free = max(1, len(within) - len(lines.counts) - 1)
    noise = float(within @ within) / free
    many = np.zeros((len(levels.counts), len(lines.counts)))
    np.add.at(many, (levels.of, lines.of), 1.0)
    slope = levels.sums(place)
    left = np.diag(levels.counts) - many / lines.counts @ many.T - np.outer(slope, slope) / (place @ place)
    weight = 1 / np.sqrt(levels.counts)
    mixing = weight[:, None] * left
    square = mixing @ mixing.T
    blurred = float(weight**2 @ np.diag(left))
    # Levels are in the segments' variance too: two sums of squares for two unknowns.
    share = float(np.trace(left)) / free
    total = float(np.trace(square)) - blurred * share
    if total < TOLD * len(within):
        return noise, 0.0
    seen = weight * levels.sums(within)
    beyond = max(0.0, (float(seen @ seen) - blurred * noise) / total)
    noise = max(0.0, noise - share * beyond)
    return noise, max(
        0.0, (_for_few(square) * float(seen @ seen) - blurred * noise) / float(np.trace(square))
    )


def _for_few(square: Numbers) -> float:
    """How much larger a variance may be that is seen in few groups: as far as Student's 95 % interval allows."""
    free = max(1.0, float(np.trace(square)) ** 2 / float(np.sum(square**2)))
    return float(stdtrit(free, 0.975) / COVERAGE) ** 2


def _alike(means: Numbers) -> float:
    """By how much neighbours that are off alike make the variance of a fit larger."""
    squares = float(means @ means)
    if len(means) < ALIKE_FROM or squares == 0:
        return 1.0
    alike = float(means[1:] @ means[:-1]) / squares
    if alike < BY_CHANCE / np.sqrt(len(means)):
        return 1.0
    return (1 + min(alike, MOST_ALIKE)) / (1 - min(alike, MOST_ALIKE))
