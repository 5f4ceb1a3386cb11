"""The simulated microscope of the settings: a perfect one, or one that is only known by its calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.cameras.camera import CameraSetting
from appliance.cameras.freshness import FreshnessLimits
from appliance.counting_scale import in_force, recorded
from appliance.errors import ApplianceRefused
from appliance.picture_axes import ALONG, axes_of
from appliance.simulator.imperfect import Imperfect
from appliance.simulator.instrument import (
    CORNER,
    OBJECTIVE,
    SETTING,
    Known,
    SimulatedInstrument,
    counting_scale,
    simulated_instrument,
)
from appliance.simulator.mixture import Mixture
from calibration import Scale
from calibration.setup import Setup

if TYPE_CHECKING:
    from appliance.config import Config


def imperfect_of(config: Config) -> Imperfect | None:
    """Return what is wrong with the simulated instrument of the settings; None for a perfect one."""
    number = config.simulator.instrument
    return Imperfect.drawn(number) if number else None


def simulated_setup(config: Config) -> Setup:
    """Return the setup to which calibrations of the simulated instrument belong.

    Raises ApplianceRefused for a perfect one, which has none.
    """
    imperfect = imperfect_of(config)
    if imperfect is None:
        raise ApplianceRefused(
            "A perfect simulated microscope knows its scale, and there is nothing to calibrate. Give [simulator] "
            "instrument, as in 7: one that has errors."
        )
    setting = setting_of(config)
    return Setup(OBJECTIVE, imperfect.name, config.camera.binning, (setting.width_px, setting.height_px))


def simulated_scale(config: Config | None) -> Scale:
    """Return the scale of a simulated count: stated by a perfect instrument, and otherwise of what is in force.

    Raises CalibrationRefused where nothing is.
    """
    if config is None or imperfect_of(config) is None:
        return counting_scale()
    return in_force(config, simulated_setup(config)).scale


def open_simulated(config: Config | None, seed: int, mixture: Mixture) -> SimulatedInstrument:
    """Switch the simulated instrument of the settings on, to count with. Raises as `simulated_scale` does."""
    if config is None:
        return simulated_instrument(seed, mixture)
    imperfect, known = imperfect_of(config), None
    if imperfect is not None:
        record = recorded(config, simulated_scale(config))
        known = Known(
            simulated_scale(config),
            setting_of(config),
            (config.stage.x.backlash_um, config.stage.y.backlash_um, config.stage.z.backlash_um),
            axes_of(record),
            focus_um=_focus_um(config),
            overview_aside_um=config.microscope.overview.aside_um,
        )
    return _switched_on(config, seed, mixture, imperfect, known)


def open_simulated_to_calibrate(
    config: Config, seed: int, mixture: Mixture, scale: Scale, limits: FreshnessLimits
) -> SimulatedInstrument:
    """Switch it on with nothing known but a guess at its scale, and no backlash made up for.

    Raises ApplianceRefused for a perfect one.
    """
    simulated_setup(config)
    known = Known(
        scale,
        setting_of(config),
        axes=ALONG,
        limits=limits,
        focus_um=_focus_um(config),
        overview_aside_um=config.microscope.overview.aside_um,
    )
    return _switched_on(config, seed, mixture, imperfect_of(config), known)


def _switched_on(
    config: Config, seed: int, mixture: Mixture, imperfect: Imperfect | None, known: Known | None
) -> SimulatedInstrument:
    return simulated_instrument(
        seed,
        mixture,
        rate=config.simulator.rate,
        slide_name=config.simulator.slide,
        imperfect=imperfect,
        known=known,
    )


def _focus_um(config: Config) -> float:
    stated = config.microscope.focus_um
    return CORNER.z_um if stated is None else stated


def setting_of(config: Config) -> CameraSetting:
    """Return how the camera of an imperfect simulated instrument is set: as the settings say, else as it usually is."""
    camera = config.camera
    return CameraSetting(
        camera.width_px or SETTING.width_px,
        camera.height_px or SETTING.height_px,
        camera.exposure_us or SETTING.exposure_us,
        camera.gain,
        camera.colour_gains,
    )
