"""Flat field, white balance, exposure, linearity and focus against the truth of random simulated instruments.

Run by `python -m benchmarks.calibration --only light`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from appliance.simulator.lens import Lens
from appliance.simulator.microscope import Microscope
from appliance.simulator.mount import Mount
from appliance.simulator.sensor import STRIP_ROWS
from appliance.simulator.service_slides import Blank
from appliance.simulator.trail import Trail
from appliance.simulator.view import View
from benchmarks.calibration_geometry import Trial
from benchmarks.random_instrument import LENS, Eye, Instrument, Picture, Speckled
from calibration.contrast import contrast
from calibration.errors import CalibrationRefused
from calibration.flat_field import measure_flat_field
from calibration.focus_checks import FocusHeight, measure_focus_depth, measure_parfocal, measure_tilt
from calibration.focus_curve import Peak, Sample, find_peak
from calibration.light import AIM, BRIGHTEST, advise_exposure, measure_white_balance
from calibration.linearity import measure_linearity
from calibration.measured import Measured
from firmware_bridge.point import Point

SIZE_PX = (512, 384)
STACK_PX = (192, 144)
BLANKS = 7
STEPS = 10
HEIGHTS = 17
FINE_HEIGHTS = 80
TOP_HEIGHTS = 21
PLACES = 15
FLICKER = 0.002  # of a lamp, from exposure to exposure
FOCUS_UM = 0.15  # standard deviation of one focus search
MIDDLE_UM = (500.0, 500.0)


@dataclass(slots=True)
class Lamp:
    """An eye with exposures of any length and a lamp that flickers a little.

    fresh: whether each picture's noise is drawn anew, for every other strip of its rows. The simulated sensor lays one
    table of noise over all of its pictures, at random places: means have that table's own noise, which no more pixels
    lessen. No sensor does so.
    """

    eye: Eye
    rng: np.random.Generator
    steadiness: float = 0.0
    fresh: bool = False

    def look(
        self, exposure_us: float, z_um: float | None = None, size_px: tuple[int, int] = SIZE_PX
    ) -> Picture:
        """Return a picture of the slide's middle."""
        self.eye.taken += 1
        instrument = self.eye.instrument
        place = Point(*MIDDLE_UM, instrument.away_um if z_um is None else z_um)
        light = 1 + float(self.rng.normal(0, self.steadiness)) if self.steadiness else 1.0
        view = View(
            LENS,
            Trail.still(place, light),
            *size_px,
            round(exposure_us),
            1.0,
            instrument.colour_gains,
            index=self.eye.taken,
        )
        if not self.fresh:
            return self.eye.microscope.render(view)
        picture, other = (self._anew(side).render(view) for side in (0, 1))
        odd = np.arange(size_px[1]) // STRIP_ROWS % 2 == 1
        picture[odd] = other[odd]
        return picture

    def _anew(self, side: int) -> Microscope:
        mine = self.eye.microscope
        seed = 1000 * self.eye.instrument.number + 2 * self.eye.taken + side
        return Microscope(mine.slide, mine.mount, mine.sensor, seed, mine._turret)


def light_trials(numbers: Iterable[int]) -> Iterator[Trial]:
    """Yield every value of every instrument."""
    for number in numbers:
        instrument = Instrument.drawn(number)
        rng = np.random.default_rng([number, 0x116E])
        yield from _refusals(number, "light", lamp_trials(instrument, rng))
        yield from _refusals(number, "depth of focus", depth_trials(instrument, rng))
        yield from _refusals(number, "tilt", tilt_trials(number, rng))


def _refusals(number: int, what: str, trials: Iterator[Trial]) -> Iterator[Trial]:
    try:
        yield from trials
    except CalibrationRefused as refusal:
        yield Trial(f"{what}: refused", number, float("nan"), None, str(refusal))


def lamp_trials(instrument: Instrument, rng: np.random.Generator) -> Iterator[Trial]:
    """Follow the advised exposure, then measure white balance, flat field and linearity at it."""
    lamp = Lamp(instrument.under(Blank(1_000.0, 1_000.0)), rng, fresh=True)
    number, sensor = instrument.number, lamp.eye.microscope.sensor
    shading = Lens(lamp.eye.microscope._turret[LENS], lamp.eye.microscope.mount).shading(*SIZE_PX)
    tried = float(rng.uniform(2_000, 7_000))
    advice = advise_exposure(lamp.look(tried), round(tried))
    bright = float(np.mean(shading[shading >= np.quantile(shading, 1 - BRIGHTEST)]))
    highest = max(sensor.levels(1_000_000, 1.0, instrument.colour_gains)) / 1e6
    yield Trial("exposure", number, AIM / (highest * bright), advice.exposure_us)
    exposure_us = advice.exposure_us.value * 0.97
    blanks = [lamp.look(exposure_us) for _ in range(BLANKS)]
    balance = measure_white_balance(blanks[:3], instrument.colour_gains)
    yield Trial("white balance: red", number, sensor.neutral[0], balance.red)
    yield Trial("white balance: blue", number, sensor.neutral[1], balance.blue)
    field = measure_flat_field(blanks)
    rows, columns = (side // 8 for side in shading.shape)
    corner = np.mean(
        [
            shading[y, x].mean()
            for y in (slice(rows), slice(-rows, None))
            for x in (slice(columns), slice(-columns, None))
        ]
    )
    middle = shading[
        SIZE_PX[1] * 3 // 8 : SIZE_PX[1] * 5 // 8, SIZE_PX[0] * 3 // 8 : SIZE_PX[0] * 5 // 8
    ].mean()
    yield Trial("flat field: corner light", number, float(corner / middle), field.corner_light)
    ratio = field.gain.astype(np.float64) * shading[..., None]
    ratio /= ratio.mean(axis=(0, 1))
    at = int(rng.integers(0, ratio.size))
    yield Trial(
        "flat field: gain of a pixel",
        number,
        1.0,
        Measured(float(ratio.flat[at]), field.noise, ""),
    )
    steady = replace(lamp, steadiness=FLICKER)
    exposures = np.rint(np.linspace(0.08, 0.97, STEPS) * exposure_us)
    found = measure_linearity(exposures.tolist(), [steady.look(each) for each in exposures])
    yield Trial("linearity: deviation", number, 0.0, found.deviation)


def depth_trials(instrument: Instrument, rng: np.random.Generator) -> Iterator[Trial]:
    """Measure a stack of specks; the truth is a fine stack of the same through a sensor without noise."""
    slide = Speckled(
        instrument.number, MIDDLE_UM, 0.75 * STACK_PX[0] * instrument.um_per_px, instrument.um_per_px
    )
    lamp = Lamp(instrument.under(slide), rng)
    still = replace(instrument, full_well_e=1e9)
    calm = Lamp(still.under(slide), rng)
    coarse = _stack(lamp, np.linspace(-5, 5, HEIGHTS) + rng.uniform(-0.2, 0.2))
    # Over as far as it reaches: a depth is read half-way down to the lower end of its stack.
    true = find_peak(_stack(calm, np.linspace(coarse[0].z_um, coarse[-1].z_um, FINE_HEIGHTS)))
    # The lens is in focus at about 0: a parabola through a cap that lay unevenly about its peak would be off.
    top = find_peak(_stack(calm, np.linspace(-1.5, 1.5, TOP_HEIGHTS)))
    if not isinstance(true, Peak) or true.width_um is None or not isinstance(top, Peak):
        return
    found = measure_focus_depth(coarse)
    yield Trial("depth of focus", instrument.number, true.width_um, found.depth)
    yield Trial("height of best focus", instrument.number, top.z_um, found.peak)


def _stack(lamp: Lamp, heights: Iterable[float]) -> list[Sample]:
    um = lamp.eye.instrument.um_per_px
    return [Sample(float(z), contrast(lamp.look(9_000, float(z), STACK_PX), um)) for z in heights]


def tilt_trials(number: int, rng: np.random.Generator) -> Iterator[Trial]:
    """Focus at places of a slide that lies as people leave it, waves of its glass included, with two objectives."""
    mount = Mount.drawn(number, 20_000.0, 10_000.0)
    places = rng.uniform([1_000, 1_000], [19_000, 9_000], (PLACES, 2))
    middle = places.mean(axis=0)
    heights = [mount.surface_um(*map(float, at)) + float(rng.normal(0, FOCUS_UM)) for at in places]
    found = measure_tilt(
        [FocusHeight(float(at[0]), float(at[1]), z) for at, z in zip(places, heights, strict=True)]
    )
    off_x, off_y = (middle[0] - mount.middle_x_um) / 1000, (middle[1] - mount.middle_y_um) / 1000
    yield Trial("tilt along x", number, mount.tilt_x + 2 * mount.bow * off_x, found.x)
    yield Trial("tilt along y", number, mount.tilt_y + 2 * mount.bow * off_y, found.y)
    yield Trial("bow", number, mount.bow, found.bow)
    offset = float(rng.uniform(-10, 10))
    pairs = rng.normal(0, FOCUS_UM, (2, 8)) + np.array([[0.0], [offset]])
    yield Trial("parfocal offset", number, offset, measure_parfocal(*pairs.tolist()).offset)
