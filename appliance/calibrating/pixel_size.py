"""The pixel size, guided: a ruler or a grid is found, lit, focused and measured at several places."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.calibrating.looking import focused, lit, sought
from appliance.calibrating.steps import Confirm, Finding, Known, Lay, Routine, Tell, seen_at
from calibration.errors import CalibrationRefused
from calibration.grid import GridFit, measure_grid
from calibration.measured import Measured
from calibration.record import PIXEL_SIZE, Evidence, Residuals, Ruler
from calibration.ruled_lines import RuledLines
from calibration.ruler import RulerFit, measure_ruler, refuse_unexpected

PLACES_UM = (
    0.0,
    -13.0,
    17.0,
)  # along the ruler: no whole number of divisions, so that lines fall between pixels anew
LEVEL_DEG = 2.0
WORST_RELATIVE = 0.003
LINE_COLOUR = (220, 40, 40)


@dataclass(frozen=True, slots=True)
class RulerOnStage:
    """What the engineer says of the ruler. pitch_uncertainty_um: standard, of its certificate."""

    pitch_um: float = 10.0
    grid: bool = False
    serial: str = ""
    certificate: str = ""
    pitch_uncertainty_um: float = 0.0

    @property
    def record(self) -> Ruler:
        """As a calibration keeps it."""
        kind, known = "grid" if self.grid else "stage micrometer", self.pitch_uncertainty_um or None
        return Ruler(kind, self.pitch_um, self.serial, self.certificate, known)


def pixel_size(known: Known, ruler: RulerOnStage) -> Routine[Finding]:
    """Measure the pixel size. Raises CalibrationRefused where there is no ruler, or none that can be measured."""
    what = "the grid" if ruler.grid else "the ruler"
    slide = "grid" if ruler.grid else "micrometer"
    yield Lay(
        slide,
        f"Put {what} ({ruler.pitch_um:g} µm from line to line) on the stage, its lines upward, and oil it.",
    )
    known = yield from lit(known)
    place = known.start if ruler.grid else (yield from sought(known, what))
    # A ruler that fills the picture leaves less light than the glass beside it.
    known = yield from lit(replace(known, start=place))
    yield Tell("Focusing.")
    place = yield from focused(known, place)
    pictures = []
    for along in PLACES_UM:
        pictures.append((yield from seen_at(replace(place, x_um=place.x_um + along))).pixels)
    known_to = ruler.pitch_uncertainty_um
    fit: RulerFit | GridFit
    if ruler.grid:
        fit = measure_grid(pictures, ruler.pitch_um, pitch_uncertainty_um=known_to)
    else:
        fit = measure_ruler(pictures, ruler.pitch_um, pitch_uncertainty_um=known_to)
    yield from _confirmed(ruler, fit.um_per_px.value, known.expected_um_per_px)
    if not known_to:
        yield Tell(
            f"The pitch of {ruler.pitch_um:g} µm is taken as exact. Its certificate says how well it is known: "
            "state its uncertainty with the ruler."
        )
    turned = fit.rotation_deg.value
    turned = turned if abs(turned) <= 45 else turned - 90 * np.sign(turned)
    if abs(turned) > LEVEL_DEG:
        yield Tell(
            f"{what.capitalize()} lies askew in the picture. It is measured at any angle; to lay it level, turn it by "
            f"{abs(turned):.0f}° {'anticlockwise' if turned > 0 else 'clockwise'}, as the picture shows it."
        )
    return _found(ruler, fit, pictures[0])


def _confirmed(ruler: RulerOnStage, um_per_px: float, expected: float | None) -> Routine[None]:
    """Have a first pixel size confirmed, or one far from that in force: another pitch gives one that is as plausible.

    Raises CalibrationRefused where it is not right.
    """
    if expected is not None:
        try:
            refuse_unexpected(um_per_px, ruler.pitch_um, expected)
        except CalibrationRefused as refusal:
            if not (
                yield Confirm(
                    f"{refusal} Or the calibration in force is wrong, and this is right.", usual=False
                )
            ):
                raise
        return
    right = yield Confirm(
        f"With {ruler.pitch_um:g} µm from line to line a pixel is {um_per_px:.4g} µm, and no calibration is in "
        "force that it could be held against. The sensor's pixels, divided by the magnification, should give that."
    )
    if not right:
        raise CalibrationRefused(
            f"A pixel is not {um_per_px:.4g} µm: the ruler has another pitch than {ruler.pitch_um:g} µm, or "
            "another objective is in place. State the real pitch with the ruler, or change it."
        )


def _found(ruler: RulerOnStage, fit: RulerFit | GridFit, picture: NDArray[np.uint8]) -> Finding:
    values: dict[str, Measured] = {PIXEL_SIZE: fit.um_per_px}
    if isinstance(fit, GridFit):
        values |= {"um_per_px_x": fit.um_per_px_x, "um_per_px_y": fit.um_per_px_y, "shear_deg": fit.shear_deg}
        lines: tuple[RuledLines, ...] = fit.lines[0]
    else:
        lines = (fit.lines[0],)
    values["ruler_rotation_deg"] = fit.rotation_deg
    claimed = ruler.record.claimed(fit.um_per_px)
    relative = claimed.relative
    exact = "" if ruler.pitch_uncertainty_um else ", pitch taken as exact"
    said = [
        f"Pixel size: {claimed} (95 %; standard uncertainty {100 * relative:.2f} %{exact}), lines off the fit by "
        f"{fit.residual_um:.3f} µm."
    ]
    if relative > WORST_RELATIVE:
        raise CalibrationRefused(
            f"{said[0]} That is known too badly: {100 * WORST_RELATIVE:g} % are needed. Clean the ruler, focus, and "
            "show more of its lines."
        )
    said.append("Passed.")
    at, left = _by_line(lines[0], fit.um_per_px.value)
    return Finding(
        tuple(said),
        values,
        {"pixel_size": Residuals(at, "line", left, "µm")},
        [Evidence.of("ruler", "The lines that were found, drawn over the picture.", _drawn(picture, lines))],
        ruler=ruler.record,
    )


def _by_line(lines: RuledLines, um_per_px: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    numbers = np.unique(lines.number)
    off = [float(np.mean(lines.off_px[lines.number == each])) * um_per_px for each in numbers]
    return tuple(float(each) for each in numbers), tuple(off)


def _drawn(picture: NDArray[np.uint8], lines: tuple[RuledLines, ...]) -> NDArray[np.uint8]:
    drawn = picture.copy()
    wide = max(1, max(picture.shape) // 480)
    for family in lines:
        a, b = family.gradient
        length = np.hypot(a, b) ** 2
        for number in np.unique(family.number):
            off = (number - family.offset) / length
            reach = max(picture.shape) / np.sqrt(length)
            ends = [(a * off + side * b * reach, b * off - side * a * reach) for side in (-1, 1)]
            start, end = ((round(x), round(y)) for x, y in ends)
            cv2.line(drawn, start, end, LINE_COLOUR, wide, cv2.LINE_AA)
    return drawn
