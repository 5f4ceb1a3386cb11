"""Focus, found with a stage and a camera: the searches of `autofocus` driven by real moves and pictures."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

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
from appliance.cameras.camera import Exposure
from appliance.cause import Cause
from appliance.errors import ApplianceError
from appliance.focus_map import FEWEST_POINTS, FocusMap, fit_focus_map, line_focus_map, tells_tilt
from appliance.microscope import Microscope
from appliance.step import Step, said
from calibration.contrast import contrast
from firmware_bridge.point import Point


@dataclass(frozen=True, slots=True, eq=False)
class Mapped:
    """Where focus lies. first, picture: the first place in focus, and how it looked."""

    surface: FocusMap
    first: Point
    picture: Exposure


class Focusing:
    """Finds focus where the stage stands, and maps it over a slide."""

    def __init__(self, microscope: Microscope, search: Search | None = None) -> None:
        """Take the microscope to focus with."""
        self._microscope = microscope
        self._search = search or Search()
        reach_um = max(self._search.reach_um, microscope.focus_within_um)
        self._first_search = replace(self._search, reach_um=reach_um)
        self._latest: Exposure | None = None

    def search(self, place: Point) -> Outcome:
        """Search from scratch around a place's height, coarse to fine, as far as a slide may differ from the last."""
        return self._driven(place, search_focus(place.z_um, self._microscope.heights, self._first_search))

    def refine(self, place: Point) -> Outcome:
        """Look finely around a place's height, which a map predicted."""
        return self._driven(place, refine_focus(place.z_um, self._microscope.heights, self._search))

    def map(self, places: Sequence[Point]) -> Generator[str, None, Mapped]:
        """Find focus at several places and fit a surface; yield what is done and found, a sentence each, and return it.

        The places with a focus tell the height at which the next is looked for.
        Raises ApplianceError where too few places have one.
        """
        found: list[Point] = []
        failed: list[FocusFailed] = []
        picture: Exposure | None = None
        for number, place in enumerate(places, 1):
            yield said(Step.FOCUSING, number, len(places))
            at = Point(place.x_um, place.y_um, self._expected_um(place, found))
            outcome = self.refine(at) if found else self.search(at)
            if isinstance(outcome, Focus):
                found.append(Point(place.x_um, place.y_um, outcome.z_um))
                picture = picture or self._latest
            else:
                failed.append(outcome)
        if len(found) < min(FEWEST_POINTS, len(places)) or picture is None:
            raise ApplianceError(
                f"Focus was found at {len(found) or 'none'} of {len(places)} places of the smear. "
                f"{failed[-1].detail} Check the slide, the objective and the lamp, then resume.",
                cause=Cause.NO_FOCUS,
            )
        surface = fit_focus_map(found) if tells_tilt(found) else line_focus_map(found)
        yield from (outlier.detail for outlier in surface.outliers)
        if failed:
            yield f"Focus was not found at {len(failed)} of {len(places)} places; the others were enough."
        return Mapped(surface, found[0], picture)

    def _expected_um(self, place: Point, found: Sequence[Point]) -> float:
        """The height at which focus is looked for: over a tilted slide far from that of the place before."""
        if not found:
            return self._microscope.expected_um
        predicted_um = line_focus_map(found).predict_um(place.x_um, place.y_um)
        return self._microscope.heights.nearest(predicted_um).z_um

    def _driven(self, place: Point, looks: Looks) -> Outcome:
        def contrast_at(look: Look) -> float:
            for height in (look.via, look.height):
                if height is not None:
                    self._microscope.go_to(Point(place.x_um, place.y_um, height.z_um))
            return self._contrast()

        return drive(looks, contrast_at)

    def _contrast(self) -> float:
        self._latest = self._microscope.look()
        return contrast(self._latest.pixels, self._microscope.counting.scale.um_per_px)
