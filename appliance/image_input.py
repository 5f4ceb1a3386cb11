"""Images that a command names, each with its scale, or the reason why it cannot be used."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.correction import flat_field_of
from appliance.file_name import printable
from appliance.frame import Frame, Point, SkippedField
from appliance.image_file import ImageFile, ImageRefused, read_image
from appliance.image_setup import check_setup, scale_in_metadata
from calibration import Scale
from calibration.file import Calibration, read_calibration

if TYPE_CHECKING:
    from appliance.config import Config


def stated_setup(um_per_px: float | None, config: Config) -> Calibration | None:
    """Return the setup that the command or the settings state; None leaves the scale to each image's metadata.

    Raises CalibrationRefused for an implausible one, or a calibration file that cannot be used.
    """
    if um_per_px is not None:
        return Calibration(Scale.stated(um_per_px, "command line"))
    if config.camera.um_per_px is not None:
        return Calibration(Scale.stated(config.camera.um_per_px, "settings"))
    if config.camera.calibration is not None:
        return read_calibration(config.camera.calibration)
    return None


def read_images(
    images: Iterable[Path], setup: Calibration | None
) -> Iterator[tuple[Path, Frame, Scale] | tuple[Path, SkippedField, None]]:
    """Yield every image with its frame and scale, or why it is skipped.

    Where the setup is a calibration that was measured, with a flat field, images are of its camera and come out even.
    """
    flat_field = None if setup is None or setup.record is None else flat_field_of(setup.record)
    for index, path in enumerate(images):
        name = printable(path)
        began = time.monotonic_ns()
        try:
            image = read_image(path)
            scale = _scale(path, image, setup)
        except ImageRefused as refusal:
            yield path, SkippedField(index, name, refusal.reason, str(refusal)), None
            continue
        pixels = image.pixels if flat_field is None else flat_field.apply(image.pixels)
        yield path, Frame(index, name, pixels, Point(0.0, 0.0), began, None, None, scale.id), scale


def _scale(path: Path, image: ImageFile, setup: Calibration | None) -> Scale:
    if setup is not None:
        check_setup(path, image, setup)
        return setup.scale
    scale = scale_in_metadata(path, image, printable(path.name))
    if scale is None:
        raise ImageRefused(
            path, "no scale", "nothing says how many micrometres a pixel is. Give --um-per-px."
        )
    return scale
