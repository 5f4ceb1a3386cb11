"""Where focus lies all over a slide, from a few places where it was found.

A slide lies tilted and is slightly curved. A plane, or with enough points a surface of second order, predicts the
height of focus anywhere; a point that does not fit the others (a speck, a wrong peak) is left out and told.

Method: least quantile of squared residuals over small subsets, then least squares over the points that fit
(Rousseeuw and Leroy 1987, Robust Regression and Outlier Detection, chapter 3 and 5.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from appliance.errors import ApplianceRefused
from firmware_bridge.point import Point

FEWEST_POINTS = 3
FEWEST_TO_TELL_AN_OUTLIER = 5
FEWEST_FOR_A_CURVE = 9
MOST_SUBSETS = 600
PLANE_TERMS, CURVE_TERMS = 3, 6
# A curve must leave this share of the plane's squared error, tested on points left out, to be worth its terms.
CURVE_PAYS = 0.5
THIN = 0.05  # spread across a line of points over the spread along it

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outlier:
    """A point that does not fit, by how much, and a sentence for a person."""

    point: Point
    residual_um: float

    @property
    def detail(self) -> str:
        """What is wrong, where, what to do."""
        side = "above" if self.residual_um > 0 else "below"
        return (
            f"Focus at x {self.point.x_um:.0f}, y {self.point.y_um:.0f} µm lies {abs(self.residual_um):.1f} µm "
            f"{side} the surface of the other points and was left out. Look for a speck there."
        )


@dataclass(frozen=True, slots=True)
class FocusMap:
    """A surface z(x, y) through the points of focus.

    terms: 3 of a plane or 6 of second order, about ``centre`` in units of ``reach_um``.
    points: those that fit.  residuals_um: theirs, in the same order.  outliers: those that were left out.
    offset_um: how far the whole surface has drifted since.
    """

    centre: Point
    reach_um: float
    terms: tuple[float, ...]
    points: tuple[Point, ...]
    residuals_um: tuple[float, ...]
    outliers: tuple[Outlier, ...]
    offset_um: float = 0.0

    @property
    def curved(self) -> bool:
        """Whether it is of second order."""
        return len(self.terms) == CURVE_TERMS

    def predict_um(self, x_um: float, y_um: float) -> float:
        """Return the height at which focus is expected at a place."""
        return float(self._row(x_um, y_um) @ np.array(self.terms)) + self.offset_um

    def drifted(self, found: Point) -> FocusMap:
        """Return the map moved up or down so that it goes through a focus that was found later."""
        return replace(self, offset_um=self.offset_um + found.z_um - self.predict_um(found.x_um, found.y_um))

    def _row(self, x_um: float, y_um: float) -> Numbers:
        u, v = (x_um - self.centre.x_um) / self.reach_um, (y_um - self.centre.y_um) / self.reach_um
        return _row(u, v, len(self.terms))


def fit_focus_map(points: Sequence[Point], tolerance_um: float = 1.0) -> FocusMap:
    """Fit a surface to places of focus (x, y of the stage, z of focus, µm).

    tolerance_um: how far a point may lie off the others' surface before it can be an outlier at all.
    A plane; a surface of second order from nine points on, where it predicts left-out points much better.
    Raises ApplianceRefused: under three points, points on a line, and four or more that no surface fits.
    """
    if len(points) < FEWEST_POINTS:
        raise ApplianceRefused(
            f"{len(points)} points of focus make no surface; it takes {FEWEST_POINTS}. Focus at more places."
        )
    centre, reach = _frame(points)
    plane = _robust(points, centre, reach, PLANE_TERMS, tolerance_um)
    if len(points) >= FEWEST_FOR_A_CURVE:
        curve = _robust(points, centre, reach, CURVE_TERMS, tolerance_um)
        if curve is not None and (plane is None or _pays(curve, plane)):
            return curve
    if plane is None:
        raise ApplianceRefused(
            f"The points of focus fit no surface to {tolerance_um:g} µm: too many of them disagree. "
            "Check that the slide lies flat and is held, then focus at all of them again."
        )
    return plane


def tells_tilt(points: Sequence[Point]) -> bool:
    """Whether there are enough points of focus, and not on one line, to tell how the slide is tilted."""
    return len(points) >= FEWEST_POINTS and _spread(points)[1] > THIN * _spread(points)[0]


def line_focus_map(points: Sequence[Point]) -> FocusMap:
    """Return the surface through points of focus that do not tell the tilt: level across the line they lie on.

    For a region of a few fields, or of one row. Raises ApplianceRefused without any point.
    """
    if not points:
        raise ApplianceRefused("Without a point of focus there is no surface. Focus at one place.")
    middle = np.mean([(point.x_um, point.y_um) for point in points], axis=0)
    centre = Point(float(middle[0]), float(middle[1]))
    reach = max(
        1.0, *(abs(p.x_um - centre.x_um) for p in points), *(abs(p.y_um - centre.y_um) for p in points)
    )
    rows = np.vstack(
        [_row((p.x_um - centre.x_um) / reach, (p.y_um - centre.y_um) / reach, 3) for p in points]
    )
    heights = np.array([point.z_um for point in points])
    solution = np.linalg.lstsq(rows, heights, rcond=THIN)[0]  # of all planes the one that is tilted least
    return FocusMap(
        centre=centre,
        reach_um=reach,
        terms=tuple(float(term) for term in solution),
        points=tuple(points),
        residuals_um=tuple(float(residual) for residual in heights - rows @ solution),
        outliers=(),
    )


def places_to_focus(fields: Sequence[Point], count: int) -> list[Point]:
    """Choose fields, far from each other, at which to find focus: first the middle one, then the farthest ever.

    Deterministic; fewer than ``count`` where there are fewer fields.
    """
    if not fields or count < 1:
        return []
    places = np.array([(field.x_um, field.y_um) for field in fields])
    chosen = [int(np.argmin(((places - places.mean(axis=0)) ** 2).sum(axis=1)))]
    away = ((places - places[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < min(count, len(fields)):
        farthest = int(np.argmax(away))
        if away[farthest] == 0:
            break
        chosen.append(farthest)
        away = np.minimum(away, ((places - places[farthest]) ** 2).sum(axis=1))
    return [fields[index] for index in chosen]


def _frame(points: Sequence[Point]) -> tuple[Point, float]:
    """Return the middle of the points and their reach. Raises ApplianceRefused where they lie on a line."""
    places = np.array([(point.x_um, point.y_um) for point in points])
    if not (np.isfinite(places).all() and all(math.isfinite(point.z_um) for point in points)):
        raise ApplianceRefused("A point of focus has a coordinate that is not a number.")
    middle = places.mean(axis=0)
    along, across = _spread(points)
    if not across > THIN * along:
        raise ApplianceRefused(
            "The points of focus lie on one line, which says nothing of the tilt across it. "
            "Focus at one more place beside the line."
        )
    return Point(float(middle[0]), float(middle[1])), float(np.abs(places - middle).max())


def _spread(points: Sequence[Point]) -> tuple[float, float]:
    """Return how far two or more points lie apart, along the line that fits them best and across it."""
    places = np.array([(point.x_um, point.y_um) for point in points])
    along, across = np.linalg.svd(places - places.mean(axis=0), compute_uv=False)
    return float(along), float(across)


def _row(u: float, v: float, terms: int) -> Numbers:
    return np.array([1.0, u, v, u * u, u * v, v * v][:terms])


def _robust(
    points: Sequence[Point], centre: Point, reach: float, terms: int, tolerance_um: float
) -> FocusMap | None:
    rows = np.vstack(
        [_row((p.x_um - centre.x_um) / reach, (p.y_um - centre.y_um) / reach, terms) for p in points]
    )
    heights = np.array([point.z_um for point in points])
    first = _least_quantile(rows, heights, terms)
    if first is None:
        return None
    fits = _fitting(rows, heights, first, terms, tolerance_um)
    if fits is None:
        return None
    solution = np.linalg.lstsq(rows[fits], heights[fits], rcond=None)[0]
    residuals = heights - rows @ solution
    return FocusMap(
        centre=centre,
        reach_um=reach,
        terms=tuple(float(term) for term in solution),
        points=tuple(point for point, fit in zip(points, fits, strict=True) if fit),
        residuals_um=tuple(float(residual) for residual in residuals[fits]),
        outliers=tuple(
            Outlier(point, float(residual))
            for point, residual, fit in zip(points, residuals, fits, strict=True)
            if not fit
        ),
    )


def _least_quantile(rows: Numbers, heights: Numbers, terms: int) -> Numbers | None:
    """Return the exact fit of a small subset whose h-th smallest residual over all points is least."""
    count = len(heights)
    rank = min(count, (count + terms + 1) // 2) - 1
    subsets = _subsets(count, terms)
    subsets = subsets[np.linalg.cond(rows[subsets]) < 1e3]
    if not len(subsets):
        return None
    solutions = np.linalg.solve(rows[subsets], heights[subsets][..., None])[..., 0]
    away = np.sort(np.abs(heights - solutions @ rows.T), axis=1)[:, rank]
    return np.asarray(solutions[int(np.argmin(away))])


def _subsets(count: int, size: int) -> NDArray[np.intp]:
    if math.comb(count, size) <= MOST_SUBSETS:
        return np.array(list(combinations(range(count), size)), dtype=np.intp)
    rng = np.random.default_rng(0)
    return np.array([rng.choice(count, size, replace=False) for _ in range(MOST_SUBSETS)], dtype=np.intp)


def _fitting(
    rows: Numbers, heights: Numbers, first: Numbers, terms: int, tolerance_um: float
) -> NDArray[np.bool_] | None:
    """Tell which points fit; None where too few do, or where there are too few to tell which do not."""
    count = len(heights)
    away = np.abs(heights - rows @ first)
    if count < max(FEWEST_TO_TELL_AN_OUTLIER, terms + 2):
        solution = np.linalg.lstsq(rows, heights, rcond=None)[0]
        everything_fits = bool((np.abs(heights - rows @ solution) <= tolerance_um).all())
        return np.ones(count, dtype=bool) if everything_fits else None
    # 1.4826 and the small-sample factor: Rousseeuw and Leroy 1987, chapter 5, equation 1.3.
    scale = 1.4826 * (1 + 5 / max(1, count - terms)) * float(np.median(away))
    fits = away <= max(2.5 * scale, tolerance_um)
    enough = max((count + terms + 1) // 2, terms + 1)
    if int(fits.sum()) < enough or np.linalg.matrix_rank(rows[fits]) < terms:
        return None
    # What fits has to fit by the stated tolerance too: a scatter of any size is no surface.
    solution = np.linalg.lstsq(rows[fits], heights[fits], rcond=None)[0]
    rest = np.abs(heights[fits] - rows[fits] @ solution)
    return fits if float(np.median(rest)) <= tolerance_um else None


def _pays(curve: FocusMap, plane: FocusMap) -> bool:
    """Whether a curve predicts left-out points so much better, and leaves no more points out than the plane."""
    if len(curve.outliers) > len(plane.outliers):
        return False
    return _left_out_error(curve) < CURVE_PAYS * _left_out_error(plane)


def _left_out_error(surface: FocusMap) -> float:
    """Return the mean squared error of each point by a fit without it (PRESS: Allen 1974, Technometrics 16:125)."""
    rows = np.vstack([surface._row(point.x_um, point.y_um) for point in surface.points])
    hat = np.diag(rows @ np.linalg.pinv(rows))
    errors = np.array(surface.residuals_um) / np.maximum(1 - hat, 1e-3)
    kept = float((errors**2).mean())
    # Points that a surface had to leave out count against it.
    return kept + sum(outlier.residual_um**2 for outlier in surface.outliers) / len(surface.points)
