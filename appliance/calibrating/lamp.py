"""Lamp and sensor, guided: exposure and white balance, linearity, and the flat field, all on bare glass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from appliance.calibrating.steps import Expose, Finding, GoTo, Known, Lay, Routine, Shine, Take, Tell, seen_at
from appliance.cameras.camera import CameraSetting, Exposure
from appliance.correction import FLAT_FIELD
from appliance.errors import ApplianceRefused
from calibration.errors import CalibrationRefused
from calibration.flat_field import measure_flat_field
from calibration.light import advise_exposure, measure_white_balance
from calibration.linearity import measure_linearity
from calibration.measured import Measured
from calibration.record import Evidence, Residuals

TRIES = 8
STEPS, SHORTEST = 9, (0.12, 0.25, 0.4)  # of the exposure; the first that the sensor can do
BLANKS_UM = (
    (0.0, 0.0),
    (400.0, 0.0),
    (-400.0, 0.0),
    (0.0, 400.0),
    (0.0, -400.0),
    (400.0, 400.0),
    (-400.0, -400.0),
)
DARKS = 3
DIM_OR_OPEN = "Dim the lamp, or make it brighter, until such an exposure is right."
BLANK = "Put a clean slide without anything on it on the stage, and oil it."


def flat_field(known: Known) -> Routine[Finding]:
    """Lock exposure and white balance, check the sensor, and measure the flat field."""
    yield Lay("blank", BLANK)
    yield GoTo(known.start)
    known, white = yield from _balanced(known)
    straight, said = yield from _linear(known)
    yield Tell("Taking blank fields.")
    blanks = []
    for at in BLANKS_UM:
        blanks.append((yield from seen_at(known.at(*at))).pixels)
    darks = []
    if (yield Shine(0.0)):
        for _ in range(DARKS):
            darks.append((yield Take()).pixels)
    else:
        yield Tell("The lamp cannot be switched off from here: no dark frames are taken.")
    yield Shine(None)
    found = measure_flat_field(blanks, darks)
    values = {
        "exposure_us": Measured(float(known.setting.exposure_us), 0.0, "µs"),
        "red_gain": white[0],
        "blue_gain": white[1],
        "corner_light": found.corner_light,
        "sensor_linearity": straight[0],
    }
    if found.dark_level is not None:
        values["dark_level"] = found.dark_level
    red, blue = known.setting.colour_gains or (1.0, 1.0)
    green = found.gain[..., 1]
    gain = np.rint(255 * (green - green.min()) / max(float(np.ptp(green)), 1e-6)).astype(np.uint8)
    return Finding(
        (
            f"Exposure {known.setting.exposure_us} µs, gains of red {red:.3f} and blue {blue:.3f}.",
            said,
            f"Flat field: corners get {100 * found.corner_light.value:.0f} % of the middle's light; gains are known to "
            f"{100 * found.noise:.2f} %.",
            "Passed.",
        ),
        values,
        {"linearity": straight[1]},
        [
            Evidence.of("blank", "Bare glass, before the flat field.", blanks[0]),
            Evidence.of("gain", "What the flat field multiplies by: bright is more.", gain),
        ],
        {FLAT_FIELD: found.to_bytes()},
        setting=known.setting,
        settings={
            "[camera] exposure_us": str(known.setting.exposure_us),
            "[camera] colour_gains": f"[{red:.3f}, {blue:.3f}]",
        },
    )


def _balanced(known: Known) -> Routine[tuple[Known, tuple[Measured, Measured]]]:
    """Expose well, make glass grey, and expose well again."""
    known, shown = yield from _exposed(known)
    white = measure_white_balance([shown.pixels], shown.in_use.colour_gains or (1.0, 1.0))
    red, blue = (round(each, 3) for each in white.colour_gains)
    known = replace(known, setting=replace(known.setting, colour_gains=(red, blue)))
    yield Tell(f"White balance: red {red:.3f}, blue {blue:.3f}.")
    yield Expose(known.setting)
    known, _ = yield from _exposed(known)
    return known, (white.red, white.blue)


def _exposed(known: Known) -> Routine[tuple[Known, Exposure]]:
    for _ in range(TRIES):
        shown: Exposure = yield Take()
        advice = advise_exposure(shown.pixels, known.setting.exposure_us)
        yield Tell(advice.sentence)
        if advice.good:  # sensors round what they are asked for: on record is what they used
            used = replace(known.setting, exposure_us=shown.in_use.exposure_us)
            return replace(known, setting=used), shown
        known = replace(
            known, setting=replace(known.setting, exposure_us=max(1, round(advice.exposure_us.value)))
        )
        try:
            yield Expose(known.setting)
        except ApplianceRefused as refusal:
            raise CalibrationRefused(f"{refusal} {DIM_OR_OPEN}") from refusal
    raise CalibrationRefused(
        "The light does not hold still: no exposure stays good. Let the lamp warm up for half an hour."
    )


def _linear(known: Known) -> Routine[tuple[tuple[Measured, Residuals], str]]:
    """Check that twice the light gives twice the level. Raises CalibrationRefused for a sensor with a curve."""
    yield Tell("Checking that the sensor is linear.")
    exposures, pictures = [], []
    shortest = yield from _shortest(known)
    for share in np.linspace(shortest, 1.0, STEPS):
        yield Expose(_share(known, share))
        shown: Exposure = yield Take()
        exposures.append(float(shown.exposure_us))
        pictures.append(shown.pixels)
    yield Expose(known.setting)
    found = measure_linearity(exposures, pictures)
    if not found.linear:
        raise CalibrationRefused(found.sentence)
    at, left = zip(*((step.exposure_us, step.left) for step in found.steps), strict=True)
    return (found.deviation, Residuals(at, "µs", left, "of 255")), found.sentence


def _shortest(known: Known) -> Routine[float]:
    """Return the share of the exposure to begin with: not every sensor exposes for as short a time as it should."""
    for share in SHORTEST:
        try:
            yield Expose(_share(known, share))
        except ApplianceRefused as error:
            refusal = error
        else:
            return share
    raise CalibrationRefused(f"{refusal} {DIM_OR_OPEN}") from refusal


def _share(known: Known, share: float) -> CameraSetting:
    return replace(known.setting, exposure_us=max(1, round(share * known.setting.exposure_us)))
