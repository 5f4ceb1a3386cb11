"""Focus, found with a stage and a camera: the searches of `autofocus` driven by real moves and pictures."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.autofocus import (
    Focus,
    FocusFailed,
    Look,
    Looks,
    Outcome,
    Search,
    drive,
    refine_focus,
    search_focus,
)
from appliance.errors import ApplianceError
from appliance.focus_map import FocusMap, fit_focus_map
from appliance.microscope import Microscope
from calibration.contrast import contrast
from firmware_bridge.point import Point


class Focusing:
    """Finds focus where the stage stands, and maps it over a slide."""

    def __init__(self, microscope: Microscope, search: Search | None = None) -> None:
        """Take the microscope to focus with."""
        self._microscope = microscope
        self._search = search or Search()

    def search(self, place: Point) -> Outcome:
        """Search from scratch around a place's height, coarse to fine."""
        return self._driven(place, search_focus(place.z_um, self._microscope.heights, self._search))

    def refine(self, place: Point) -> Outcome:
        """Look finely around a place's height, which a map predicted."""
        return self._driven(place, refine_focus(place.z_um, self._microscope.heights, self._search))

    def map(self, places: Sequence[Point]) -> tuple[FocusMap, list[str]]:
        """Find focus at several places and fit a surface; return it with what a person should know.

        The first place with a focus tells the height at which the next is looked for.
        Raises ApplianceError where too few places have one.
        """
        found: list[Point] = []
        failed: list[FocusFailed] = []
        for place in places:
            expected = found[-1].z_um if found else self._microscope.expected_um
            at = Point(place.x_um, place.y_um, expected)
            outcome = self.refine(at) if found else self.search(at)
            if isinstance(outcome, Focus):
                found.append(Point(place.x_um, place.y_um, outcome.z_um))
            else:
                failed.append(outcome)
        if not found:
            raise ApplianceError(
                f"Focus was found at none of {len(places)} places of the smear. {failed[-1].detail} "
                "Check the slide, the objective and the lamp, then resume."
            )
        surface = fit_focus_map(found)
        remarks = [outlier.detail for outlier in surface.outliers]
        if failed:
            remarks.append(
                f"Focus was not found at {len(failed)} of {len(places)} places; the others were enough."
            )
        return surface, remarks

    def _driven(self, place: Point, looks: Looks) -> Outcome:
        def contrast_at(look: Look) -> float:
            for height in (look.via, look.height):
                if height is not None:
                    self._microscope.go_to(Point(place.x_um, place.y_um, height.z_um))
            return self._contrast()

        return drive(looks, contrast_at)

    def _contrast(self) -> float:
        um_per_px = self._microscope.counting.scale.um_per_px
        return contrast(self._microscope.look().pixels, um_per_px)
