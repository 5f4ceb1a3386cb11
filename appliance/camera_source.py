"""The words for a camera and for the order of its fields, as settings, commands and plans write them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from appliance.errors import ApplianceRefused
from appliance.file_name import printable

NATURAL = "natural"


@dataclass(frozen=True, slots=True)
class FolderSource:
    """Images of a folder: ``folder:DIR``."""

    folder: Path


@dataclass(frozen=True, slots=True)
class SimulatedSource:
    """A smear under the simulated microscope: ``simulated`` or ``simulated:SEED``."""

    seed: int


def parse_camera(text: object) -> FolderSource | SimulatedSource:
    """Return what a camera's text names. Raises ApplianceRefused where it names none."""
    kind, colon, rest = text.partition(":") if isinstance(text, str) else ("", "", "")
    if kind == "folder" and colon:
        if not rest:
            raise ApplianceRefused(f'The camera "{text}" names no folder. Write folder:DIR.')
        return FolderSource(Path(rest))
    if kind == "simulated" and (not colon or _is_whole(rest)):
        return SimulatedSource(int(rest or 0))
    said = printable(str(text))
    raise ApplianceRefused(
        f'There is no camera "{said}". Use folder:DIR (images), or simulated[:SEED] (a simulated microscope).'
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
