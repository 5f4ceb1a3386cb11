"""What frames the settings' camera will give, as far as that is known before it is opened."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.card import read_card
from models.engines.profiles import FieldSize, field_size
from models.weights_digest import DETECTOR

if TYPE_CHECKING:
    from appliance.config import Config


@dataclass(frozen=True, slots=True)
class FrameSize:
    """What frames a run will have. width, height: px."""

    width: int
    height: int
    um_per_px: float

    def seen_at(self, um_per_px: float) -> FieldSize:
        """Return how large a detector of that scale sees them."""
        return field_size((self.width, self.height), self.um_per_px, um_per_px)


def expected_frames(config: Config) -> FrameSize | None:
    """Return what frames the settings' camera gives; None where they do not say, or nothing is calibrated yet.

    Raises ApplianceRefused or CalibrationRefused for settings that are wrong.
    """
    from appliance.camera_source import SimulatedSource, is_sensor, parse_camera

    source, camera = config.camera.source, config.camera
    if source is not None and not is_sensor(source) and isinstance(parse_camera(source), SimulatedSource):
        return _simulated(config)
    if camera.width_px is None or camera.height_px is None:
        return None
    um_per_px = _um_per_px(config)
    return None if um_per_px is None else FrameSize(camera.width_px, camera.height_px, um_per_px)


def detector_fields(frames: FrameSize | None) -> tuple[FieldSize, ...]:
    """Return how large the detector sees a run's fields, for plans; none where nobody knows."""
    return () if frames is None else (frames.seen_at(read_card(DETECTOR).um_per_px),)


def _simulated(config: Config) -> FrameSize | None:
    from appliance.simulated_microscope import imperfect_of, setting_of, simulated_scale
    from appliance.simulator.instrument import SETTING
    from calibration import CalibrationRefused

    try:
        um_per_px = simulated_scale(config).um_per_px
    except CalibrationRefused:  # it has to be calibrated first
        return None
    setting = SETTING if imperfect_of(config) is None else setting_of(config)
    return FrameSize(setting.width_px, setting.height_px, um_per_px)


def _um_per_px(config: Config) -> float | None:
    """The scale that is stated, that of a calibration file, or of what is in force; None where there is none."""
    from appliance.calibrations import Calibrations
    from appliance.counting_scale import measured_in_force
    from appliance.store import Store
    from calibration.file import read_calibration

    if config.camera.um_per_px is not None:
        return config.camera.um_per_px
    if config.camera.calibration is not None:
        return read_calibration(config.camera.calibration).scale.um_per_px
    record = measured_in_force(config)
    if record is None:
        return None
    with closing(Store.read_only(config.store.path)) as store:
        return Calibrations(store).get(record).record.um_per_px.value
