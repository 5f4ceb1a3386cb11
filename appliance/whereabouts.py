"""Whether the stage is where it counts itself to be: proven by pictures, because motors without encoders cannot tell.

A blocked axis shows the same cells again, and they would be counted again. So no field may show what the field before
it showed. Before the first field, and wherever the way to a field was not one step to a neighbour, the stage goes back
to a place that it knows, returns, and steps half a field aside: all three pictures have to be what was expected.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from appliance.cameras.camera import Exposure
from appliance.cause import Cause
from appliance.displacement import Sight, Within, displacement, sight
from appliance.errors import ApplianceError
from appliance.microscope import Microscope
from firmware_bridge.point import Point

ALIKE = 0.80  # parts of one place: 0.88 and more; neighbours on a smear: up to 0.47
LEAST_OVERLAP_UM = (
    15.0  # a cell within 9.6 µm of the border is not counted: fields that overlap by 19 share none
)
OFF_UM = 8.0  # more than backlash and drift, less than would count a cell twice
A_STEP = 1.5  # fields: a longer way is not one step to a neighbour


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen where the stage was said to be."""

    place: Point
    sight: Sight


class Whereabouts:
    """What was seen where, since the stage was homed.

    in_focus: gives a place at the height where it is in focus now.
    """

    def __init__(self, microscope: Microscope, in_focus: Callable[[Point], Point]) -> None:
        """Take the microscope whose stage is watched."""
        self._microscope = microscope
        self._in_focus = in_focus
        self._known: Seen | None = None
        self._last: Seen | None = None
        self._proven = False
        self._axes = microscope.counting.axes

    def remember(self, place: Point, exposure: Exposure) -> None:
        """Take a place in focus for the one to come back to. What was seen before is forgotten."""
        self._known, self._last, self._proven = self._seen(place, exposure), None, False

    def arrived(self, place: Point, exposure: Exposure, *, sharp: bool = True) -> None:
        """Compare a field's picture with that of the field before. Raises ApplianceError where it shows the same.

        sharp: whether it shows anything in focus. Nothing can be told by one that does not.
        """
        before, self._last = self._last, self._seen(place, exposure) if sharp else None
        if before is None or self._last is None:
            self._proven = False
            return
        self._proven = self._proven and self._neighbours(before.place, place)
        sent = self._axes.to_picture(place.x_um - before.place.x_um, place.y_um - before.place.y_um)
        found = displacement(before.sight, self._last.sight, LEAST_OVERLAP_UM, _on_the_way(*sent))
        if found is not None and found.alike >= ALIKE:
            raise ApplianceError(
                f"The stage was sent {_way(*sent)} and went {_way(found.x_um, found.y_um)}: its picture at "
                f"{_mm(place)} shows what the field before showed. {_BLOCKED}",
                cause=Cause.BLOCKED,
            )

    def prove(self, place: Point) -> None:
        """See to it that the stage, which took the picture last given to `arrived` at this place, really is there.

        It is there again afterwards. Raises ApplianceError where it was not, and as the microscope does.
        """
        if self._proven or self._known is None or self._last is None:
            return
        here = self._last.sight
        width_um, height_um = self._microscope.counting.field_um
        area = self._microscope.area
        aside = Point(  # towards the middle of the area, where the stage can go
            place.x_um + (width_um if place.x_um < (area.left_um + area.right_um) / 2 else -width_um) / 2,
            place.y_um + (height_um if place.y_um < (area.top_um + area.bottom_um) / 2 else -height_um) / 2,
        )
        self._expect(self._known.place, self._known.sight, self._known.place)
        self._expect(place, here, place)
        self._expect(aside, here, place)
        self._microscope.go_to(self._in_focus(place))
        self._proven = True

    def _expect(self, place: Point, before: Sight, taken_at: Point) -> None:
        """Go to a place and see there what a picture taken at another says of it."""
        self._microscope.go_to(self._in_focus(place))
        found = displacement(before, self._seen(place, self._microscope.look()).sight, LEAST_OVERLAP_UM)
        sent = self._axes.to_picture(place.x_um - taken_at.x_um, place.y_um - taken_at.y_um)
        if found is None or found.alike < ALIKE:
            raise ApplianceError(
                f"At {_mm(place)} the stage does not see what it saw there before. {_BLOCKED}",
                cause=Cause.BLOCKED,
            )
        off_um = found.x_um - sent[0], found.y_um - sent[1]
        if max(map(abs, off_um)) > OFF_UM:
            raise ApplianceError(
                f"At {_mm(place)} the stage is {_way(*off_um)} from where it counts itself to be. {_BLOCKED}",
                cause=Cause.BLOCKED,
            )

    def _seen(self, place: Point, exposure: Exposure) -> Seen:
        return Seen(place, sight(exposure.pixels, self._microscope.counting.scale.um_per_px))

    def _neighbours(self, one: Point, other: Point) -> bool:
        """Whether the way is one step along one axis: lost steps then show in the overlap."""
        width_um, height_um = self._microscope.counting.field_um
        x_um, y_um = abs(one.x_um - other.x_um), abs(one.y_um - other.y_um)
        return (x_um <= OFF_UM and y_um <= A_STEP * height_um) or (
            y_um <= OFF_UM and x_um <= A_STEP * width_um
        )


_BLOCKED = (
    "An axis is blocked or loses steps, or the slide moved (where a microscope was just set up: or its camera is "
    "turned, or the pixel size wrong). Look at them, then resume: the stage homes first."
)


def _on_the_way(x_um: float, y_um: float) -> Within:
    """Where a stage can end that did not go the whole way."""
    return (min(0.0, x_um) - OFF_UM, max(0.0, x_um) + OFF_UM), (
        min(0.0, y_um) - OFF_UM,
        max(0.0, y_um) + OFF_UM,
    )


def _way(x_um: float, y_um: float) -> str:
    return f"{x_um:.0f} µm in x and {y_um:.0f} µm in y"


def _mm(place: Point) -> str:
    return f"x {place.x_um / 1000:.3f}, y {place.y_um / 1000:.3f} mm"
