"""Images that a command names, each with its scale, or the reason why it cannot be used."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.folder_camera import SAME_SCALE_WITHIN
from appliance.frame import Frame, Point, SkippedField
from appliance.image_file import ImageRefused, agree, read_image
from calibration import Scale

if TYPE_CHECKING:
    from appliance.config import Config


def stated_scale(um_per_px: float | None, config: Config) -> Scale | None:
    """Return the scale that the command or the settings state; None leaves it to each image's metadata.

    Raises CalibrationRefused for an implausible one, or a calibration file that cannot be used.
    """
    if um_per_px is not None:
        return Scale.stated(um_per_px)
    if config.camera.um_per_px is not None:
        return Scale.stated(config.camera.um_per_px, "settings")
    if config.camera.calibration is not None:
        from calibration.file import read_calibration

        return read_calibration(config.camera.calibration).scale
    return None


def read_images(
    images: Iterable[Path], scale: Scale | None
) -> Iterator[tuple[Path, Frame, Scale] | tuple[Path, SkippedField, None]]:
    """Yield every image with its frame and scale, or why it is skipped."""
    for index, path in enumerate(images):
        began = time.monotonic_ns()
        try:
            image = read_image(path)
        except ImageRefused as refusal:
            yield path, SkippedField(index, str(path), refusal.reason, str(refusal)), None
            continue
        found = image.um_per_px
        if scale is None and found is None:
            detail = f"{path}: nothing says how many micrometres a pixel is. Give --um-per-px."
            yield path, SkippedField(index, str(path), "no scale", detail), None
        elif scale is not None and found is not None and not agree(found, scale.um_per_px, SAME_SCALE_WITHIN):
            detail = (
                f"{path}: its metadata says {found:.4g} µm/px, not {scale.um_per_px:.4g} ({scale.source}). "
                "Analyse images of one scale at a time."
            )
            yield path, SkippedField(index, str(path), "other scale", detail), None
        else:
            used = scale or Scale.stated(found or 0.0, f"metadata of {path.name}")
            yield (
                path,
                Frame(index, str(path), image.pixels, Point(0.0, 0.0), began, None, None, used.id),
                used,
            )
