"""A camera that reads its fields from a folder of images."""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

from appliance.errors import ApplianceError, ApplianceRefused
from appliance.frame import Frame, Point, SkippedField
from appliance.image_file import ImageFile, ImageRefused, agree, find_images, read_image
from calibration import CalibrationRefused, Scale

# As far as two statements of one pixel size may differ; an estimate from red cells is no better than this.
SAME_SCALE_WITHIN = 0.08


class FolderCamera:
    """Every image below a folder, one field each, in natural or in seeded random order.

    folder: read recursively.  order: ``natural`` or ``random:SEED``.
    scale: None takes the pixel size from the metadata of the first readable image (in natural order).
    region: width and height that every frame must have (from a calibration file), px.

    Raises ApplianceRefused for a folder without images, and CalibrationRefused where nothing says the scale.
    """

    simulated = False

    def __init__(
        self,
        folder: Path,
        order: str = "natural",
        scale: Scale | None = None,
        region: tuple[int, int] | None = None,
    ) -> None:
        if not folder.is_dir():
            raise ApplianceRefused(
                f"There is no folder {folder}. A folder camera reads images from a folder."
            )
        self._folder = folder
        images = find_images([folder])
        self._scale = scale or _scale_in_metadata(folder, images)
        self._region = region
        self._images = _in_order(images, order)

    @property
    def name(self) -> str:
        """``folder:`` and the folder."""
        return f"folder:{self._folder}"

    @property
    def scale(self) -> Scale:
        """The one scale of all its frames."""
        return self._scale

    @property
    def planned(self) -> int:
        """How many images there are."""
        return len(self._images)

    @property
    def digest(self) -> str:
        """SHA-256 of the images' names and sizes, in the order in which they are read."""
        listed = [(self._name(path), _size(path)) for path in self._images]
        return hashlib.sha256(json.dumps(listed).encode()).hexdigest()

    def fields(self, first: int = 0) -> Iterator[Frame | SkippedField]:
        """Every image from number ``first`` on, in order; one that cannot be used is a SkippedField.

        Raises ApplianceError when the folder itself is gone.
        """
        for index, path in enumerate(self._images[first:], start=first):
            yield self._field(index, path)

    def close(self) -> None:
        """Nothing is held between two images."""

    def _field(self, index: int, path: Path) -> Frame | SkippedField:
        name = self._name(path)
        began = time.monotonic_ns()
        try:
            image = read_image(path)
        except ImageRefused as error:
            if not self._folder.is_dir():
                raise ApplianceError(
                    f"The folder {self._folder} is gone. Connect it again, then resume."
                ) from error
            return SkippedField(index, name, error.reason, str(error))
        if problem := self._other_setup(image):
            reason, sentence = problem
            return SkippedField(index, name, reason, f"{path}: {sentence}")
        return Frame(
            index=index,
            name=name,
            pixels=image.pixels,
            # An image file does not say where on the slide it was taken: every field is its own origin.
            position=Point(0.0, 0.0),
            exposure_start_ns=began,
            exposure_us=None,
            gain=None,
            calibration_id=self._scale.id,
        )

    def _name(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()

    def _other_setup(self, image: ImageFile) -> tuple[str, str] | None:
        """Reason and sentence for an image of another scale or another frame size."""
        stated = image.um_per_px
        if stated is not None and not agree(stated, self._scale.um_per_px, SAME_SCALE_WITHIN):
            return "other scale", (
                f"Its metadata says {stated:.4g} µm/px, the run has {self._scale.um_per_px:.4g} µm/px "
                f"({self._scale.source}). Count images of one scale at a time."
            )
        height, width = image.pixels.shape[:2]
        if self._region is not None and self._region != (width, height):
            return "other setup", (
                f"The picture has {width} × {height} px; the calibration belongs to frames of "
                f"{self._region[0]} × {self._region[1]} px."
            )
        return None


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _scale_in_metadata(folder: Path, images: list[Path]) -> Scale:
    for path in images:
        try:
            image = read_image(path)
        except ImageRefused:
            continue
        name = path.relative_to(folder).as_posix()
        if image.um_per_px is None:
            raise CalibrationRefused(
                f"Nothing says how many micrometres a pixel of {folder} is: no metadata in {name}. "
                "Give --um-per-px, a calibration file, or [camera] um_per_px in the settings."
            )
        return Scale.stated(image.um_per_px, f"metadata of {name}")
    raise ApplianceRefused(
        f"None of the {len(images)} images in {folder} can be read. "
        "hemadiff analyse names each file and what is wrong with it."
    )


def _in_order(images: list[Path], order: str) -> list[Path]:
    kind, _, seed = order.partition(":")
    if order == "natural":
        return images
    if kind == "random" and seed.isascii() and seed.isdecimal():
        return random.Random(int(seed)).sample(images, len(images))
    raise ApplianceRefused(
        f'There is no order "{order}". Give natural or random:SEED, with a whole number as the seed.'
    )
