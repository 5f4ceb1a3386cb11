"""Red cells as a ruler: they lie in every smear, and are 7.2 to 7.5 µm wide on dried glass.

Of the single round cells of many pictures (`calibration.single_cells`), those are red cells whose rim takes away as
much blue light as haemoglobin does (nuclei and platelets, stained with azure, let blue through), which hold nothing
much darker than their rim, and which belong to the commonest kind: no size in pixels is known beforehand. Their
diameter is a biweight mean; a cell counts by the inverse of its chance to lie clear of the border, so that small
pictures give no smaller cells than large ones.

What the ruler cannot know is the patient. Sources: 7.2-7.5 µm on dried smears (Dacie and Lewis, Practical
Haematology; Price-Jones 1933, Red Blood Cell Diameters: a mean of 7.2 µm, healthy people's means from 6.7 to
7.7 µm); a volume of 65 fL goes with a diameter about 15 % smaller, one of 115 fL with one 13 % larger. Biweight
location: Mosteller and Tukey 1977.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.errors import CalibrationRefused
from calibration.measured import Measured
from calibration.single_cells import SingleCell, find_single_cells

EXPECTED_UM = (7.2, 7.5)
# The lower end: the steepest part of an edge lies a little inside the outline that an eye follows.
DIAMETER_UM = 7.2
DIAMETER_UNCERTAINTY_UM = (EXPECTED_UM[1] - EXPECTED_UM[0]) / math.sqrt(3)  # to one side, all as likely
BETWEEN_PATIENTS = 0.05  # standard deviation of the mean diameter among patients, as a share

FEWEST_CELLS = 12
LEAST_DENSITY = 0.03  # of a rim in green: fainter is a ghost, a drop or a shadow
LEAST_BLUE = 0.33  # of the density in green: haemoglobin has 0.4 to 0.7, azure 0.1 to 0.3
MOST_RED = 1.0  # of the density in green: dirt takes all colours alike
DARKEST = 1.7  # times the rim
DENSITIES = (0.5, 2.0)  # times the middle density: what overlaps, is stained, or is hardly there
KIND = 0.30  # how far from the commonest diameter the same kind of cell may be
KERNEL = 0.08  # of the logarithm of diameters: the commonest is sought with it
WIDEST_SCATTER = 0.16  # of one kind of red cell; a sick patient's are 0.10 to 0.14 in area-diameter
LEAST_SHARE = 0.5  # of all that looks like red cells must be of the commonest kind
CUT = 6.0  # biweight: in median absolute deviations, beyond which a cell counts for nothing


@dataclass(frozen=True, slots=True)
class RedCellRuler:
    """What single red cells say of the pixel size.

    um_per_px: with all that is not known: the measurement, the expected diameter and the patient.
    diameter_px: the mean, with the standard uncertainty of its measurement alone.
    median_px: of the same cells.  scatter: standard deviation between cells, as a share.
    cells: how many were measured, in so many of `images` pictures.
    """

    um_per_px: Measured
    diameter_px: Measured
    median_px: float
    scatter: float
    cells: int
    images: int

    @property
    def of_measurement(self) -> float:
        """Standard uncertainty of um_per_px from the measurement and the expected diameter, without the patient."""
        share = math.hypot(self.diameter_px.relative, DIAMETER_UNCERTAINTY_UM / DIAMETER_UM)
        return self.um_per_px.value * share

    @property
    def between_patients(self) -> float:
        """Standard uncertainty of um_per_px because patients' red cells differ."""
        return self.um_per_px.value * BETWEEN_PATIENTS


def measure_red_cells(images: Iterable[NDArray[np.uint8]]) -> RedCellRuler:
    """Return what the red cells of pictures of one scale say of it.

    images: uint8, H×W×3, RGB; of any size, looked at one by one.
    Raises CalibrationRefused where too few red cells lie alone, or they are not of one size.
    """
    return red_cell_ruler([find_single_cells(image) for image in images])


def red_cell_ruler(cells: Sequence[Sequence[SingleCell]]) -> RedCellRuler:
    """Return what the single cells of pictures of one scale say of it: a sequence of cells a picture.

    Raises CalibrationRefused as `measure_red_cells` does.
    """
    chosen = [(cell, number) for number, image in enumerate(cells) for cell in image if looks_red(cell)]
    if len(chosen) < FEWEST_CELLS:
        raise _too_few(len(chosen), len(cells))
    chosen = _of_one_density(chosen)
    diameters = np.array([cell.diameter_px for cell, _ in chosen])
    chances = np.array([cell.chance for cell, _ in chosen])
    pictures = np.array([number for _, number in chosen])
    kind = _commonest_kind(diameters, chances)
    if int(kind.sum()) < FEWEST_CELLS:
        raise _too_few(int(kind.sum()), len(cells))
    _refuse_a_mixture(diameters, kind)
    return _ruler(diameters[kind], chances[kind], pictures[kind], len(cells))


def looks_red(cell: SingleCell) -> bool:
    """Return whether a single cell is coloured as a red cell is: by haemoglobin, and evenly."""
    red, green, blue = cell.rim
    return (
        green >= LEAST_DENSITY
        and blue >= LEAST_BLUE * green
        and red <= MOST_RED * green
        and cell.darkest <= DARKEST * green
    )


def _of_one_density(chosen: list[tuple[SingleCell, int]]) -> list[tuple[SingleCell, int]]:
    densities = np.array([cell.rim[1] for cell, _ in chosen])
    areas = np.array([cell.diameter_px**2 for cell, _ in chosen])
    order = np.argsort(densities)
    middle = densities[order][np.searchsorted(np.cumsum(areas[order]), areas.sum() / 2)]
    low, high = (limit * middle for limit in DENSITIES)
    return [one for one, density in zip(chosen, densities, strict=True) if low <= density <= high]


def _commonest_kind(diameters: NDArray[np.float64], chances: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which cells are of the commonest size: around the peak of the density of their logarithms.

    Cells weigh by their diameter: fragments and dirt are many and small.
    """
    logs = np.log(diameters)
    weights = diameters / chances
    grid = np.linspace(logs.min(), logs.max(), 400)
    density = np.exp(-0.5 * ((grid[:, None] - logs) / KERNEL) ** 2) @ weights
    return np.asarray(np.abs(logs - grid[int(density.argmax())]) <= math.log(1 + KIND))


def _refuse_a_mixture(diameters: NDArray[np.float64], kind: NDArray[np.bool_]) -> None:
    share = float(diameters[kind].sum() / diameters.sum())
    if share < LEAST_SHARE:
        raise CalibrationRefused(
            f"Of {len(diameters)} single cells only {int(kind.sum())} are of one size: these are no red cells alone, "
            "or pictures of several scales. Give pictures of one scale from a thin part of a smear."
        )


def _ruler(
    diameters: NDArray[np.float64], chances: NDArray[np.float64], pictures: NDArray[np.int64], images: int
) -> RedCellRuler:
    mean, weights = _biweight(diameters, 1 / chances)
    residuals = weights * (diameters - mean)
    scatter = math.sqrt(float((residuals**2).sum() / (weights**2).sum())) / mean
    if scatter > WIDEST_SCATTER:
        raise CalibrationRefused(
            f"The red cells differ by {scatter:.0%} in diameter, which is too much for a ruler ({WIDEST_SCATTER:.0%}). "
            "Choose another part of the smear, or a normal slide."
        )
    # Cells of one picture share its focus, its light and its patient: the pictures are what was drawn at random.
    by_picture = np.bincount(pictures, residuals)
    drawn = len(np.unique(pictures))
    among = float((by_picture**2).sum()) * drawn / (drawn - 1) if drawn > 1 else 0.0
    uncertainty = math.sqrt(max(float((residuals**2).sum()), among)) / float(weights.sum())
    diameter = Measured(mean, uncertainty, "px")
    shares = (diameter.relative, DIAMETER_UNCERTAINTY_UM / DIAMETER_UM, BETWEEN_PATIENTS)
    um_per_px = DIAMETER_UM / mean
    return RedCellRuler(
        Measured(um_per_px, um_per_px * math.hypot(*shares), "µm/px"),
        diameter,
        float(np.median(diameters)),
        scatter,
        len(diameters),
        images,
    )


def _biweight(values: NDArray[np.float64], given: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Return the biweight mean of weighted values, and what each weighs in it."""
    centre = float(np.median(values))
    spread = max(float(np.median(np.abs(values - centre))), 1e-3 * centre)
    weights = given
    for _ in range(10):
        distance = (values - centre) / (CUT * spread)
        weights = given * np.where(np.abs(distance) < 1, (1 - distance**2) ** 2, 0.0)
        centre = float((weights * values).sum() / weights.sum())
    return centre, weights


def _too_few(found: int, images: int) -> CalibrationRefused:
    pictures = "1 picture" if images == 1 else f"{images} pictures"
    cells = "1 red cell lies" if found == 1 else f"{found} red cells lie"
    return CalibrationRefused(
        f"Only {cells} alone in {pictures}; at least {FEWEST_CELLS} are needed. "
        "Give more pictures, from a thin part of the smear where red cells do not touch."
    )
