"""A camera that reads its fields from a folder of images."""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

from appliance.camera_source import parse_order
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.file_name import printable
from appliance.frame import Frame, Point, SkippedField
from appliance.image_file import ImageRefused, find_images, read_image
from appliance.image_setup import check_setup, scale_in_metadata
from calibration import CalibrationRefused, Scale
from calibration.file import Calibration


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
                f"There is no folder {printable(folder)}. A folder camera reads images from a folder."
            )
        self._folder = folder
        images = find_images([folder])
        self._setup = Calibration(scale or _scale_in_metadata(folder, images), region=region)
        self._images = _in_order(images, order)

    @property
    def name(self) -> str:
        """``folder:`` and the folder."""
        return f"folder:{printable(self._folder)}"

    @property
    def scale(self) -> Scale:
        """The one scale of all its frames."""
        return self._setup.scale

    @property
    def planned(self) -> int:
        """How many images there are."""
        return len(self._images)

    @property
    def digest(self) -> str:
        """SHA-256 of the images' names and sizes, in the order in which they are read."""
        listed = [(self._name(path), _size(path)) for path in self._images]
        return hashlib.sha256(json.dumps(listed).encode()).hexdigest()

    survey = None

    def prepare(self, survey: object) -> Iterator[str]:
        """Nothing has to be made ready: the images are there."""
        return iter(())

    def fields(self, first: int = 0) -> Iterator[Frame | SkippedField]:
        """Every image from number ``first`` on, in order; one that cannot be used is a SkippedField.

        Raises ApplianceError when the folder itself is gone.
        """
        for index, path in enumerate(self._images[first:], start=first):
            yield self._field(index, path)

    def halt(self) -> None:
        """Nothing: an image is read in no time."""

    def close(self) -> None:
        """Nothing is held between two images."""

    def _field(self, index: int, path: Path) -> Frame | SkippedField:
        name = self._name(path)
        began = time.monotonic_ns()
        try:
            image = read_image(path)
            check_setup(path, image, self._setup)
        except ImageRefused as error:
            if not self._folder.is_dir():
                raise ApplianceError(
                    f"The folder {printable(self._folder)} is gone. Connect it again, then resume."
                ) from error
            return SkippedField(index, name, error.reason, str(error))
        return Frame(
            index=index,
            name=name,
            pixels=image.pixels,
            # An image file does not say where on the slide it was taken: every field is its own origin.
            position=Point(0.0, 0.0),
            exposure_start_ns=began,
            exposure_us=None,
            gain=None,
            calibration_id=self.scale.id,
        )

    def _name(self, path: Path) -> str:
        return printable(path.relative_to(self._folder))


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _scale_in_metadata(folder: Path, images: list[Path]) -> Scale:
    for path in images:
        name = printable(path.relative_to(folder))
        try:
            scale = scale_in_metadata(path, read_image(path), name)
        except ImageRefused:
            continue
        if scale is None:
            raise CalibrationRefused(
                f"Nothing says how many micrometres a pixel of {printable(folder)} is: no metadata in {name}. "
                "Give --um-per-px, a calibration file, or [camera] um_per_px in the settings."
            )
        return scale
    none = "The only image" if len(images) == 1 else f"None of the {len(images)} images"
    can = "cannot" if len(images) == 1 else "can"
    raise ApplianceRefused(
        f"{none} in {printable(folder)} {can} be used. "
        "hemadiff analyse names each file and what is wrong with it."
    )


def _in_order(images: list[Path], order: str) -> list[Path]:
    seed = parse_order(order)
    return images if seed is None else random.Random(seed).sample(images, len(images))
