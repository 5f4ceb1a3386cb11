"""How well a plane through the numbers of lines is known, where neither segments nor lines are off independently.

Segments scatter by the picture's noise. Beyond that every line may be off as a whole (the ruler's making, the lens,
edges on square pixels), and so may what lies at one level of all lines: where spacing is near whole pixels, sharp edges
fall on all lines alike, and drift over the pixels slowly where lines run nearly straight up. How much either is, the
means of lines and of levels say; enlarged while they are few, and where neighbours are off alike (slow drift, a lens'
distortion), for their number then counts for less.

Sources: random effects, Scheffé 1959, The Analysis of Variance, 7.2; few degrees of freedom, GUM, annex G;
neighbours that are alike, Bayley and Hammersley 1946, J. R. Stat. Soc. Suppl. 8:184.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from calibration.measured import COVERAGE

Numbers = NDArray[np.float64]
Whole = NDArray[np.intp]

LEAST = 0.6  # of what noise alone gives, that the mean square of lines' means is taken for
ALIKE_FROM = 10  # lines or levels, before neighbours can be said to be off alike
MOST_ALIKE = 0.9
# Eight bits, pixels and interpolated colours leave so much between the two ends of lines, the same for all of them:
# found over drawn pictures.
SURE_PX = 0.0007


def covariance(x: Numbers, off: Numbers, line: Whole, level: Whole, gradient: Numbers) -> Numbers:
    """Return the covariance, 2×2, of a gradient (per px) that was fitted to segments.

    x: N×3, the fit's columns: place in px, and 1.  off: N, how far off the fit, in spacings.
    line, level: which line each is of, and how far along it, in steps that all lines share.
    """
    inverse = np.linalg.inv(x.T @ x)
    within = off - _means(off, line)
    free = len(off) - len(np.unique(line)) - 1
    noise = float(within @ within) / max(1, free)
    whole = noise * inverse * (free / (free - 2) if free > 2 else 3.0)
    whole = whole + _together(x @ inverse, off, line, noise, LEAST - 1)
    whole = whole + _together(x @ inverse, within, level, noise, 0.0)
    spacings = float(np.hypot(*gradient))
    along = np.array([-gradient[1], gradient[0]]) / spacings
    span = max(1.0, float(np.ptp(x[:, :2] @ along)))
    return np.asarray(whole[:2, :2] + (spacings * SURE_PX / span) ** 2 * np.outer(along, along))


def _together(each_moves: Numbers, off: Numbers, group: Whole, noise: float, least: float) -> Numbers:
    """What is added where the segments of a group are off together. least: of the noise, that it may be."""
    _, member, counts = np.unique(group, return_inverse=True, return_counts=True)
    groups = len(counts)
    means = np.bincount(member, weights=off) / counts
    free = max(1, groups - 2)
    # Seen in few groups, the variance may be larger: as far as Student's 95 % interval allows (GUM, annex G).
    pooled = float(counts @ means**2) / free * (float(stdtrit(free, 0.975)) / COVERAGE) ** 2
    beyond = max(least * noise, pooled - noise) / float(counts.mean())
    if groups >= ALIKE_FROM and beyond > 0:
        alike = min(max(float(means[1:] @ means[:-1] / (means @ means)), 0.0), MOST_ALIKE)
        beyond *= (1 + alike) / (1 - alike)
    together = np.zeros((groups, each_moves.shape[1]))
    np.add.at(together, member, each_moves)
    return np.asarray(beyond * together.T @ together)


def _means(off: Numbers, group: Whole) -> Numbers:
    """For every segment the mean of its group."""
    _, member, counts = np.unique(group, return_inverse=True, return_counts=True)
    return np.asarray((np.bincount(member, weights=off) / counts)[member])
