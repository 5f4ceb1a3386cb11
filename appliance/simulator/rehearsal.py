"""Pictures drawn ahead of time: a run that was rehearsed finds every picture it takes on the disk.

The same run goes to the same places, so its views are the same; one that is not there is drawn and kept.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from appliance.simulator.microscope import CellInFrame, Renderer
from appliance.simulator.sensor import Sensor
from appliance.simulator.view import View
from firmware_bridge.point import Point


class Rehearsed:
    """A renderer that keeps what another one drew.

    drawn, found: how many pictures were drawn now, and how many were there already. A measured run that drew some
    was not rehearsed.
    """

    def __init__(self, renderer: Renderer, folder: Path) -> None:
        """Keep pictures in a folder. renderer: stays the caller's."""
        self._renderer = renderer
        self._folder = folder
        self.drawn = self.found = 0

    @property
    def digest(self) -> str:
        """The renderer's."""
        return self._renderer.digest

    @property
    def sensor(self) -> Sensor:
        """The renderer's."""
        return self._renderer.sensor

    def render(self, view: View) -> NDArray[np.uint8]:
        """Return the picture of a view. Raises as the renderer does, and OSError where the disk fails."""
        place = self._folder / self._renderer.digest.rpartition(" ")[2] / f"{view.digest}.npy"
        if place.is_file():
            self.found += 1
            return np.asarray(np.load(place), dtype=np.uint8)
        pixels = self._renderer.render(view)
        self.drawn += 1
        place.parent.mkdir(parents=True, exist_ok=True)
        half_written = place.with_suffix(f".{os.getpid()}")
        with half_written.open("wb") as file:
            np.save(file, pixels)
        half_written.replace(place)
        return pixels

    def truth(self, place: Point, objective: str, width_px: int, height_px: int) -> list[CellInFrame]:
        """Return the renderer's."""
        return self._renderer.truth(place, objective, width_px, height_px)

    def close(self) -> None:
        """Nothing is held."""
