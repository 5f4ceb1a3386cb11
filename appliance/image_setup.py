"""Whether an image belongs to the setup that it is counted under: one scale, one frame size."""

from __future__ import annotations

import math
from pathlib import Path

from appliance.image_file import ImageFile, ImageRefused
from calibration import CalibrationRefused, Scale
from calibration.file import Calibration

# As far as two statements of one pixel size may differ; an estimate from red cells is no better than this.
SAME_SCALE_WITHIN = 0.08


def check_setup(path: Path, image: ImageFile, setup: Calibration) -> None:
    """Raise ImageRefused for an image whose metadata or whose size contradict the setup."""
    said, scale = image.um_per_px, setup.scale
    if said is not None and not _agree(said, scale.um_per_px):
        raise ImageRefused(
            path,
            "other scale",
            f"its metadata says {said:.4g} µm/px, not {scale.um_per_px:.4g} ({scale.source}). "
            "Work with images of one scale at a time.",
        )
    height, width = image.pixels.shape[:2]
    try:
        setup.check_frame(width, height)
    except CalibrationRefused as refusal:
        raise ImageRefused(path, "other setup", str(refusal)) from refusal


def scale_in_metadata(path: Path, image: ImageFile, name: str) -> Scale | None:
    """Return the scale that an image's own metadata says, or None where it says none.

    name: what to call the image as the source. Raises ImageRefused for a scale that no microscope has.
    """
    if image.um_per_px is None:
        return None
    try:
        return Scale.stated(image.um_per_px, f"metadata of {name}")
    except CalibrationRefused as refusal:
        raise ImageRefused(path, "implausible scale", str(refusal)) from refusal


def _agree(um_per_px: float, other: float) -> bool:
    return abs(math.log(um_per_px / other)) <= math.log1p(SAME_SCALE_WITHIN)
