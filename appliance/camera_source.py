"""The words for a camera and for the order of its fields, as settings, commands and plans write them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from appliance.errors import ApplianceRefused
from appliance.file_name import printable

NATURAL = "natural"
SENSORS = ("picamera2", "v4l2", "remote")


@dataclass(frozen=True, slots=True)
class FolderSource:
    """Images of a folder: ``folder:DIR``."""

    folder: Path


@dataclass(frozen=True, slots=True)
class SimulatedSource:
    """A smear under the simulated microscope: ``simulated`` or ``simulated:SEED``."""

    seed: int


@dataclass(frozen=True, slots=True)
class MicroscopeSource:
    """The microscope that the settings describe: ``microscope``."""


Source = FolderSource | SimulatedSource | MicroscopeSource
MICROSCOPE = "microscope"


def is_sensor(text: str) -> bool:
    """Whether a text begins as the name of a microscope's sensor does, as in ``picamera2`` or ``v4l2:/dev/video0``.

    Raises ApplianceRefused for one that begins so and names none.
    """
    if text.partition(":")[0] not in SENSORS:
        return False
    from appliance.cameras.open_driver import parse_sensor

    parse_sensor(text)
    return True


def parse_camera(text: object) -> Source:
    """Return what a camera's text names. Raises ApplianceRefused where it names none."""
    if text == MICROSCOPE:
        return MicroscopeSource()
    kind, colon, rest = text.partition(":") if isinstance(text, str) else ("", "", "")
    if kind == "folder" and colon:
        if not rest:
            raise ApplianceRefused(f'The camera "{text}" names no folder. Write folder:DIR.')
        return FolderSource(Path(rest))
    if kind == "simulated" and (not colon or _is_whole(rest)):
        return SimulatedSource(int(rest or 0))
    said = printable(str(text))
    raise ApplianceRefused(
        f'There is no camera "{said}". '
        "Use folder:DIR (images), microscope, or simulated[:SEED]; "
        "in the settings also a sensor: picamera2[:N], v4l2:/dev/videoN or remote:HOST."
    )


def parse_order(text: object) -> int | None:
    """Return the seed of a random order, or None for the natural one. Raises ApplianceRefused for any other."""
    kind, _, rest = text.partition(":") if isinstance(text, str) else ("", "", "")
    if text == NATURAL:
        return None
    if kind == "random" and _is_whole(rest):
        return int(rest)
    raise ApplianceRefused(
        f'There is no order "{text}". Use natural, or random:SEED with a whole number from 0 as the seed.'
    )


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit()
