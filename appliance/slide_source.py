"""Fields of a slide under the microscope: homed, looked over, focused, and then visited in the order of a tour.

Everything is in stage coordinates. A field that cannot be had is skipped with its reason; what a person has to mend (a
lost position, a dark lamp, focus that is nowhere) ends the fields with one sentence, and the run pauses.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from appliance.autofocus import Focus, Search
from appliance.cameras.camera import Exposure
from appliance.cameras.freshness import NotFresh
from appliance.cause import Cause
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.field_quality import FieldQuality, FieldVerdict, judge_field
from appliance.field_source import SlideSurvey
from appliance.focus_map import FocusMap, places_to_focus
from appliance.focus_watch import FocusWatch, Seen
from appliance.focusing import Focusing
from appliance.frame import Frame, Point, SkippedField
from appliance.looking_over import refuse_too_small, survey_slide
from appliance.microscope import Area, Microscope
from appliance.picture_axes import Axes
from appliance.region_map import DrawnRegion, RegionMap
from appliance.step import Step, said
from appliance.tour import Tour, plan_tour
from appliance.whereabouts import Whereabouts
from calibration import Scale
from calibration.contrast import contrast
from models.panel import Specimen

FOCUS_PLACES = 9
FOCUS_OVER_FIELDS = 400
"""So many fields of the tour the focus map spans: more than a count needs."""

FAILURES_PAUSE = 3
"""So many fields in a row without a fresh picture, or without focus: it is not the field."""

EMPTY_PAUSE = 20
"""So many empty fields in a row, where the survey saw cells: focus is far off, or the slide has moved."""

SEE_TO_IT = "See to the camera and the lamp, then resume."

A_LAMPS = frozenset({"dark", "saturated", "other setting", "wrong clock"})
"""Reasons of a refused picture that the next field would have too."""


@dataclass(frozen=True, slots=True)
class _Ready:
    survey: SlideSurvey
    tour: Tour
    focus: FocusMap


class SlideSource:
    """The fields of the slide under a microscope.

    specimen: decides which regions are sought.  search, focus_places: how focus is found, and at how many places.
    watch: when it is due to be refined.  region: to count in, whatever is found.
    Raises ApplianceError and ApplianceRefused as `Microscope` does, and ApplianceRefused at once for a region beyond
    where smears may lie, or where the slide is to be looked over and there is no room for that.
    """

    def __init__(
        self,
        microscope: Microscope,
        specimen: Specimen,
        search: Search | None = None,
        watch: FocusWatch | None = None,
        focus_places: int = FOCUS_PLACES,
        region: DrawnRegion | None = None,
    ) -> None:
        """Take the microscope; it is closed with this, and where this is refused."""
        try:
            if region is None:
                refuse_too_small(microscope)
            else:
                _refuse_beyond(microscope.area, region)
        except ApplianceRefused:
            microscope.close()
            raise
        self._microscope = microscope
        self._specimen = specimen
        self._focusing = Focusing(microscope, search)
        self._whereabouts = Whereabouts(microscope, self._at)
        self._focus_places = focus_places
        self._region = region
        self._ready: _Ready | None = None
        self._watch = self._unused_watch = watch or FocusWatch()
        self._without_picture = self._without_focus = self._empty = 0

    @property
    def name(self) -> str:
        """The camera's and the stage's."""
        return self._microscope.name

    @property
    def simulated(self) -> bool:
        """Whether no light ever fell on its sensor."""
        return self._microscope.simulated

    @property
    def scale(self) -> Scale:
        """The one of the objective that counts."""
        return self._microscope.counting.scale

    @property
    def planned(self) -> int | None:
        """How many fields the tour has; None before the slide was looked over."""
        return None if self._ready is None else len(self._ready.tour.stops)

    @property
    def digest(self) -> str:
        """Of what decides the tour beside the slide: the eyes, the area, the field and its overlap."""
        scope = self._microscope
        eyes = [(eye.setting, eye.scale, eye.aside_um) for eye in (scope.counting, scope.overview) if eye]
        said = repr((scope.name, eyes, scope.area, scope.field, str(self._specimen)))
        return hashlib.sha256(said.encode()).hexdigest()

    @property
    def survey(self) -> SlideSurvey | None:
        """What was found when the slide was looked over."""
        return None if self._ready is None else self._ready.survey

    def prepare(self, survey: SlideSurvey | None) -> Iterator[str]:
        """Home, look the slide over (once for a run), and map its focus."""
        try:
            yield from self._prepare(survey)
        except NotFresh as refusal:
            raise ApplianceError(f"{refusal} {SEE_TO_IT}", cause=refusal.cause) from refusal

    def fields(self, first: int = 0) -> Iterator[Frame | SkippedField]:
        """Every field of the tour from number ``first`` on. Call `prepare` before."""
        assert self._ready is not None
        for index, stop in enumerate(self._ready.tour.stops[first:], start=first):
            yield self._field(index, stop.centre)

    def halt(self) -> None:
        """Give up what is being done after the present move or picture."""
        self._microscope.halt()

    def close(self) -> None:
        """Let go of the microscope. May be called twice."""
        self._microscope.close()

    def _prepare(self, survey: SlideSurvey | None) -> Iterator[str]:
        yield said(Step.HOMING)
        self._microscope.home()
        yield said(Step.SETTING)
        self._microscope.make_ready()
        if survey is None:
            survey = yield from survey_slide(
                self._microscope, self._focusing, self._specimen, needed=self._region is None
            )
        if self._region is not None:
            survey = replace(survey, regions=self._with(self._region, survey))
        tour = self._tour(survey)
        places = places_to_focus([stop.centre for stop in tour.stops[:FOCUS_OVER_FIELDS]], self._focus_places)
        focus = yield from self._focusing.map(places)
        self._ready = _Ready(replace(survey, tour=tour.digest), tour, focus.surface)
        self._whereabouts.remember(focus.first, focus.picture)
        self._watch = self._unused_watch
        self._without_picture = self._without_focus = self._empty = 0

    def _with(self, drawn: DrawnRegion, survey: SlideSurvey) -> str:
        """Return a survey's regions with a person's in their place."""
        return RegionMap.from_json(survey.regions).drawn(drawn).to_json()

    def _tour(self, survey: SlideSurvey) -> Tour:
        """Return the tour of a survey. Raises ApplianceRefused where there is none, or it is not the run's own."""
        found = RegionMap.from_json(survey.regions)
        if not found.regions:
            raise ApplianceRefused(
                f"{' '.join(found.remarks) or 'There is no region to count in.'} Look at the slide, the lamp and the "
                "overview camera, then resume: the slide is looked over again.",
                cause=Cause.NO_SLIDE,
            )
        tour = plan_tour(found.regions, self._microscope.field)
        if survey.tour and survey.tour != tour.digest:  # its fields would be numbered, and counted, anew
            raise ApplianceRefused(
                "The run cannot go on: this version visits its fields in another order. Stop it, and start a new one."
            )
        return tour

    def _field(self, index: int, centre: Point) -> Frame | SkippedField:
        name = f"field {index + 1} at x {centre.x_um / 1000:.3f}, y {centre.y_um / 1000:.3f} mm"
        try:
            exposure, quality = self._sharp(centre)
            self._whereabouts.arrived(centre, exposure, sharp=quality.sharp)
            if quality.countable:
                self._whereabouts.prove(centre)
        except NotFresh as refusal:
            return self._no_picture(index, name, centre, refusal)
        self._without_picture = 0
        self._refuse_to_go_on(quality)
        if quality.countable:
            return self._frame(index, name, exposure, centre)
        detail = f"The {name}: {quality.detail}"
        return SkippedField(index, name, str(quality.verdict), detail, self._corner(centre))

    def _refuse_to_go_on(self, quality: FieldQuality) -> None:
        """Give up where too many fields in a row show the same trouble: it is then not the fields'."""
        self._without_focus = (
            0 if quality.sharp else self._without_focus + (quality.verdict is FieldVerdict.OUT_OF_FOCUS)
        )
        self._empty = self._empty + 1 if quality.verdict is FieldVerdict.EMPTY else 0
        if self._without_focus >= FAILURES_PAUSE:
            raise ApplianceError(
                f"{self._without_focus} fields in a row could not be brought into focus. {quality.detail} "
                "Add oil without moving the slide, then resume; if it was moved, stop the run and start anew.",
                cause=Cause.NO_FOCUS,
            )
        if self._empty >= EMPTY_PAUSE:
            raise ApplianceError(
                f"{self._empty} fields in a row show no cells where the survey saw some: focus is far off, or the "
                "slide has moved. Look at it, then resume.",
                cause=Cause.SLIDE_MOVED,
            )

    def _sharp(self, centre: Point) -> tuple[Exposure, FieldQuality]:
        """Go to a field and return its picture, refined where it is due or soft."""
        exposure, quality = self._look(centre)
        soft = quality.verdict is FieldVerdict.OUT_OF_FOCUS
        due = self._watch.due is not None and quality.verdict is not FieldVerdict.EMPTY
        if not (due or soft):
            return exposure, quality
        at = self._at(centre)
        outcome = self._focusing.refine(at)
        if isinstance(outcome, Focus):
            return self._refined(Point(centre.x_um, centre.y_um, outcome.z_um))
        if soft:
            return exposure, replace(quality, detail=outcome.detail)
        # The map has served so far: a field without a clear peak does not unsettle it.
        self._microscope.go_to(at)
        self._watch = self._watch.refined()
        return exposure, quality

    def _refined(self, found: Point) -> tuple[Exposure, FieldQuality]:
        """Return the picture at the focus that was found, where the stage stands; if it is sharp the map moves too."""
        assert self._ready is not None
        exposure = self._microscope.look()
        quality = judge_field(exposure.pixels, self.scale.um_per_px)
        if quality.sharp:
            self._ready = replace(self._ready, focus=self._ready.focus.drifted(found))
        self._watch = self._watch.refined(self._seen(exposure, quality))
        return exposure, quality

    def _look(self, centre: Point) -> tuple[Exposure, FieldQuality]:
        self._microscope.go_to(self._at(centre))
        exposure = self._microscope.look()
        quality = judge_field(exposure.pixels, self.scale.um_per_px)
        self._watch = self._watch.after(self._seen(exposure, quality))
        return exposure, quality

    def _seen(self, exposure: Exposure, quality: FieldQuality) -> Seen:
        return Seen(quality.covered, contrast(exposure.pixels, self.scale.um_per_px))

    def _at(self, centre: Point) -> Point:
        """Where a field is in focus, as far as is known; within the safe heights."""
        assert self._ready is not None
        expected = self._ready.focus.predict_um(centre.x_um, centre.y_um)
        return Point(centre.x_um, centre.y_um, self._microscope.heights.nearest(expected).z_um)

    def _no_picture(self, index: int, name: str, centre: Point, refusal: NotFresh) -> SkippedField:
        self._without_picture += 1
        if refusal.reason in A_LAMPS or self._without_picture >= FAILURES_PAUSE:
            raise ApplianceError(f"{refusal} {SEE_TO_IT}", cause=refusal.cause) from refusal
        return SkippedField(index, name, refusal.reason, f"The {name}: {refusal}", self._corner(centre))

    def _corner(self, centre: Point) -> Point:
        """The upper left corner of the field around a place."""
        width_um, height_um = self._microscope.counting.field_um
        x_um, y_um = self._axes.to_stage(width_um / 2, height_um / 2)
        return Point(centre.x_um - x_um, centre.y_um - y_um, centre.z_um)

    @property
    def _axes(self) -> Axes:
        return self._microscope.counting.axes

    def _frame(self, index: int, name: str, exposure: Exposure, centre: Point) -> Frame:
        return Frame(
            index=index,
            name=name,
            pixels=exposure.pixels,
            position=self._corner(self._microscope.where()),
            exposure_start_ns=exposure.start_ns,
            exposure_us=exposure.exposure_us,
            gain=exposure.gain,
            calibration_id=self.scale.id,
            axes=self._axes,
        )


def _refuse_beyond(area: Area, drawn: DrawnRegion) -> None:
    """Raise ApplianceRefused for a region that is not all where smears may lie."""
    bounds = drawn.bounds
    if not (
        area.left_um <= bounds.x_um
        and bounds.right_um <= area.right_um
        and area.top_um <= bounds.y_um
        and bounds.bottom_um <= area.bottom_um
    ):
        raise ApplianceRefused(
            f"The drawn region reaches beyond where smears may lie, x {area.left_um:g} to {area.right_um:g} and "
            f"y {area.top_um:g} to {area.bottom_um:g} µm. Draw it again, in a new run."
        )
