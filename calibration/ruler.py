"""The pixel size from a stage micrometer: lines at a known pitch, at any angle, in one picture or many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from calibration.edge_directions import directions
from calibration.errors import CalibrationRefused
from calibration.even_light import darkness, green_of
from calibration.measured import Measured
from calibration.ruled_lines import RuledLines, ruled_lines
from calibration.scale import PLAUSIBLE_UM_PER_PX

FAR_OFF = 1.2  # times the expected pixel size: lens tubes and adapters do less, another ruler or objective does more
SHARPEST_UM = 0.05  # an edge's standard deviation: half of what an oil lens of NA 1.4 in blue light leaves
USUAL_PITCHES = (0.1, 0.2, 0.5, 2.0, 5.0, 10.0)  # times the stated one: what rulers lie about
ONE_WAY = 0.45  # of edges that are parallel; dirt has none, a grid none
TWO_WAYS = 0.5
UNLIKE_BELOW = 0.01  # chance


@dataclass(frozen=True, slots=True, eq=False)
class RulerFit:
    """What a ruler said.

    um_per_px: across its lines.
    rotation_deg: which way it runs, −90 to 90°, from the picture's x axis towards its y.
    residual_um: root mean square distance of the lines' segments from evenly spaced straight ones.
    lines: what was measured, one for each picture.
    """

    um_per_px: Measured
    rotation_deg: Measured
    residual_um: float
    pitch_um: float
    lines: tuple[RuledLines, ...]


def measure_ruler(
    images: Sequence[NDArray[np.uint8]],
    pitch_um: float = 10.0,
    *,
    pitch_uncertainty_um: float = 0.0,
    expected_um_per_px: float | None = None,
) -> RulerFit:
    """Return the pixel size that pictures of a ruler tell.

    images: uint8, H×W×3, RGB, of one camera and objective.
    pitch_um: from line to line; its standard uncertainty as the certificate states it.
    expected_um_per_px: what objective and camera promise, so that another ruler is noticed.
    The uncertainty is that of the mean over the field (see `ruled_lines`); a distorted lens has another in its middle.
    Raises CalibrationRefused: no ruler, too few or unresolved lines, blurred, or not the ruler or objective as stated.
    """
    refuse_pitch(pitch_um, pitch_uncertainty_um)
    found = tuple(_lines(image, name) for image, name in named(images))
    scales = [each.spacing_px for each in found]
    values = [pitch_um / scale for scale in scales]
    um_per_px = averaged(values, [v * each.spacing_relative for v, each in zip(values, found, strict=True)])
    refuse_implausible(
        um_per_px.value, pitch_um, min(each.shape.soft_px for each in found), expected_um_per_px
    )
    first = found[0].across_deg
    turned = [(each.across_deg - first + 90.0) % 180.0 - 90.0 for each in found]
    rotation = averaged(turned, [each.across_deg_uncertainty for each in found], "°")
    residual = math.sqrt(np.mean([each.residual_px**2 for each in found])) * um_per_px.value
    return RulerFit(
        with_pitch(um_per_px, pitch_uncertainty_um / pitch_um),
        Measured((rotation.value + first + 90.0) % 180.0 - 90.0, rotation.uncertainty, "°"),
        residual,
        pitch_um,
        found,
    )


def _lines(image: NDArray[np.uint8], name: str) -> RuledLines:
    dark = darkness(green_of(image, name))
    edges = directions(dark, name)
    if edges.one_way < ONE_WAY:
        if edges.two_ways > TWO_WAYS:
            raise CalibrationRefused(
                f"{name} shows lines in two directions, as a grid has, and no ruler. Measure it as a "
                "grid, or move to the "
                "ruler."
            )
        raise CalibrationRefused(
            f"{name} shows no ruler: what is dark in it runs in no direction. Bring the ruled lines into view and into "
            "focus."
        )
    return ruled_lines(dark, edges.across_deg, name)


def named(images: Sequence[NDArray[np.uint8]]) -> list[tuple[NDArray[np.uint8], str]]:
    """Return pictures with what to call them. Raises CalibrationRefused for none, and for different sizes."""
    if len(images) == 0:
        raise CalibrationRefused("There is no picture to measure. Take one of the ruler.")
    if len({image.shape for image in images}) > 1:
        raise CalibrationRefused(
            "The pictures have different sizes, so they are not of one camera setting. Take them again."
        )
    if len(images) == 1:
        return [(images[0], "The picture")]
    return [(image, f"Picture {n} of {len(images)}") for n, image in enumerate(images, 1)]


def averaged(values: Sequence[float], uncertainties: Sequence[float], unit: str = "µm/px") -> Measured:
    """Return the weighted mean of one value measured several times.

    Where they differ by more than their uncertainties explain, it is enlarged to what their scatter says (Birge 1932,
    Phys. Rev. 40:207).
    """
    value, sure = np.asarray(values, dtype=np.float64), np.maximum(uncertainties, 1e-12)
    weight = 1 / sure**2
    mean = float(weight @ value / weight.sum())
    uncertainty = 1 / math.sqrt(weight.sum())
    free = len(value) - 1
    squares = float(weight @ (value - mean) ** 2)
    if free and chi2.sf(squares, free) < UNLIKE_BELOW:
        uncertainty *= math.sqrt(squares / free * (free / (free - 2) if free > 2 else 3.0))
    return Measured(mean, uncertainty, unit)


def with_pitch(value: Measured, relative: float) -> Measured:
    """Return a value with the ruler's own relative uncertainty added in squares."""
    return Measured(value.value, math.hypot(value.uncertainty, value.value * relative), value.unit)


def refuse_pitch(pitch_um: float, uncertainty_um: float) -> None:
    """Raise CalibrationRefused for a pitch that no ruler has."""
    if not (math.isfinite(pitch_um) and 0.5 <= pitch_um <= 5000):
        raise CalibrationRefused(
            f"A pitch of {pitch_um:g} µm is not plausible for a ruler. State micrometres from line to "
            "line, 0.5 to 5000."
        )
    if not 0 <= uncertainty_um <= 0.05 * pitch_um:
        raise CalibrationRefused(
            f"A pitch known to ± {uncertainty_um:g} µm is no ruler. State the standard uncertainty of the certificate."
        )


def refuse_implausible(um_per_px: float, pitch_um: float, soft_px: float, expected: float | None) -> None:
    """Raise CalibrationRefused where the ruler, as stated, gives a pixel size that cannot be.

    soft_px: how soft the lines' edges are. No lens draws an edge sharper than diffraction lets it, so lines that would
    be that sharp belong to a coarser ruler.
    """
    low, high = PLAUSIBLE_UM_PER_PX
    if not low <= um_per_px <= high or soft_px * um_per_px < SHARPEST_UM:
        coarser = um_per_px < high
        raise CalibrationRefused(
            f"With a pitch of {pitch_um:g} µm a pixel would be {um_per_px:.3g} µm, "
            + (
                "and lines sharper than light can draw them: the ruler is coarser"
                if coarser
                else "the ruler is finer"
            )
            + " than stated. State its real pitch."
        )
    if expected is not None:
        refuse_unexpected(um_per_px, pitch_um, expected)


def refuse_unexpected(um_per_px: float, pitch_um: float, expected: float) -> None:
    """Raise CalibrationRefused where the ruler, as stated, gives another pixel size than is expected."""
    if 1 / FAR_OFF < um_per_px / expected < FAR_OFF:
        return
    ratio = expected / um_per_px
    nearest = min(USUAL_PITCHES, key=lambda times: abs(math.log(ratio / times)))
    likely = abs(math.log(ratio / nearest)) < math.log(1.1)
    raise CalibrationRefused(
        f"With a pitch of {pitch_um:g} µm a pixel is {um_per_px:.4g} µm, where {expected:.4g} is "
        "expected: the ruler is "
        + ("coarser" if ratio > 1 else "finer")
        + " than stated"
        + (f" (a pitch of {pitch_um * nearest:g} µm would fit)" if likely else "")
        + ", or another objective is in place. Check both."
    )
