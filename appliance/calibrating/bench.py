"""The microscope of the settings, opened to be calibrated: nothing of it is believed that a routine shall measure."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from appliance.calibrating.again import until_mended
from appliance.calibrating.runner import Engineer, Runner
from appliance.calibrating.steps import TAKE_UP_UM, Known, Lens, Routine, T
from appliance.cameras.freshness import FreshnessLimits
from appliance.counting_scale import in_force, setup_in_use
from appliance.microscope import Microscope
from calibration.errors import CalibrationRefused
from calibration.scale import Scale
from calibration.setup import Setup
from firmware_bridge.point import Point

if TYPE_CHECKING:
    from appliance.config import Config
    from appliance.simulator.instrument import SimulatedInstrument

GUESS_UM_PER_PX = 0.10
NAMED, GUESSED = "not calibrated", "a guess"
ROOM_UM = 3.0
LIMITS = FreshnessLimits(late_after_s=None, dark_below=None, saturated_share=None, torn_rows=None, seam=None)
"""Lines are as sharp as seams, a dark frame is wanted dark, and too much light is told to the engineer."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What routines run on. setup: to which their calibration belongs.  known: to begin with."""

    runner: Runner
    known: Known
    setup: Setup
    firmware: str

    def run(self, known: Known, begin: Callable[[], Routine[T]]) -> T:
        """Run a routine to its end, and again where it refuses and that is put right. Raises as `until_mended` does."""
        return self.runner.run(until_mended(known, begin))


def _as_it_is(setup: Setup) -> None:
    """Refuse none."""


class SimulatedEngineer:
    """Lays the slides of a simulated microscope itself, and can mend nothing. says: what hears the rest.

    left: a service slide that somebody left on the stage, and that stays there.
    """

    def __init__(self, says: Engineer, instrument: SimulatedInstrument, seed: int, left: str | None) -> None:
        self._says, self._instrument, self._seed, self._left = says, instrument, seed, left

    def tell(self, sentence: str) -> None:
        """As it is told."""
        self._says.tell(sentence)

    def lay(self, slide: str, sentence: str) -> None:
        """Put a simulated one there."""
        from appliance.simulator.mixture import blood
        from appliance.simulator.service_slides import service_slide
        from appliance.simulator.smear import Smear

        if self._left is not None:
            self.tell(
                f"{sentence} (Simulated: a {self._left} slide lies there and stays, as [simulator] slide has it.)"
            )
            return
        self.tell(f"{sentence} (Simulated: done.)")
        made = Smear(self._seed, blood()) if slide == "smear" else service_slide(slide, self._seed, blood())
        self._instrument.lay(made)

    def mend(self, sentence: str) -> bool:
        """Nothing can be mended."""
        return False

    def confirm(self, sentence: str, usual: bool) -> bool:
        """What is usual is right."""
        self.tell(f"{sentence} (Simulated: {'yes' if usual else 'no'}.)")
        return usual


@contextlib.contextmanager
def simulated_bench(
    config: Config,
    seed: int,
    engineer: Engineer,
    at_um: tuple[float, float] | None = None,
    check: Callable[[Setup], object] = _as_it_is,
) -> Iterator[Bench]:
    """Open the simulated instrument of the settings, homed and lit. Raises ApplianceRefused for a perfect one.

    check: what may refuse a setup before anything moves.
    """
    from appliance.simulated_microscope import open_simulated_to_calibrate, simulated_setup
    from appliance.simulator.instrument import mixture_of
    from models.panel import Specimen

    setup = simulated_setup(config)
    check(setup)
    scale = _believed(config, setup)
    instrument = open_simulated_to_calibrate(config, seed, mixture_of(Specimen.BLOOD), scale, LIMITS)
    left = None if config.simulator.slide == "smear" else config.simulator.slide
    engineer = SimulatedEngineer(engineer, instrument, seed, left)
    with contextlib.closing(instrument.microscope):
        runner = Runner(instrument.microscope, engineer, wait=instrument.rest)
        yield _ready(instrument.microscope, runner, setup, at_um, config)


@contextlib.contextmanager
def perfect_bench(config: Config, seed: int, engineer: Engineer) -> Iterator[Bench]:
    """Open a perfect simulated instrument, homed and lit, to look and to move: there is nothing on it to calibrate."""
    from appliance.simulated_microscope import open_simulated
    from appliance.simulator.instrument import OBJECTIVE, mixture_of
    from models.panel import Specimen

    microscope = open_simulated(config, seed, mixture_of(Specimen.BLOOD)).microscope
    setting = microscope.counting.setting
    setup = Setup(OBJECTIVE, microscope.name, config.camera.binning, (setting.width_px, setting.height_px))
    with contextlib.closing(microscope):
        yield _ready(microscope, Runner(microscope, engineer), setup, None, config)


@contextlib.contextmanager
def real_bench(
    config: Config,
    engineer: Engineer,
    at_um: tuple[float, float] | None = None,
    at_reference: bool = False,
    check: Callable[[Setup], object] = _as_it_is,
) -> Iterator[Bench]:
    """Open the microscope of the settings, homed and lit. Raises as `open_microscope` does.

    check: what may refuse a setup, once the camera has said its name and before anything moves.
    """
    from appliance.real_microscope import open_to_calibrate

    def scale_of(setup: Setup) -> Scale:
        check(setup)
        return _believed(config, setup)

    microscope = open_to_calibrate(config, scale_of, LIMITS, at_reference)
    with contextlib.closing(microscope):
        runner = Runner(microscope, engineer)
        yield _ready(microscope, runner, setup_in_use(config, microscope.name), at_um, config)


def _believed(config: Config, setup: Setup) -> Scale:
    """The scale that is in force, to go on from, or a guess."""
    try:
        return replace(in_force(config, setup).scale, id=NAMED)
    except CalibrationRefused:
        return Scale(GUESS_UM_PER_PX, GUESSED, NAMED)


def _expected(believed: Scale) -> float | None:
    """The pixel size in force; None for a guess."""
    return None if believed.source == GUESSED else believed.um_per_px


def _ready(
    microscope: Microscope, runner: Runner, setup: Setup, at_um: tuple[float, float] | None, config: Config
) -> Bench:
    runner.tell("Homing the stage.")
    microscope.home()
    microscope.make_ready()
    area, above = microscope.area, microscope.overview
    x_um, y_um = at_um or ((area.left_um + area.right_um) / 2, (area.top_um + area.bottom_um) / 2)
    known = Known(
        Point(x_um, y_um, microscope.expected_um),
        area,
        microscope.heights,
        microscope.counting.setting,
        microscope.counting.scale.um_per_px,
        microscope.focus_within_um,
        # Nothing is made up for along z: a search for focus begins below all that the settings know of.
        take_up_um=max(TAKE_UP_UM, config.stage.z.backlash_um + ROOM_UM),
        expected_um_per_px=_expected(microscope.counting.scale),
        overview=None if above is None else Lens(above.scale.um_per_px, above.aside_um),
    )
    return Bench(runner, known, setup, microscope.firmware)
