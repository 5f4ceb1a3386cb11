"""In which order fields are visited: no two overlap, the best region first, and as little travel as may be.

All fields of a tour lie on one grid, so that fields of different regions cannot overlap. The grid's pitch is the field
and the stage's uncertainty on both sides: fields do not overlap even where the stage errs.

Within a region `appliance/ploughing.py` goes to and fro. Whether rows run along x or along y, and from which corner, is
chosen by what the moves cost: their way, and an overshoot there and back for every move against the take-up side of
an axis. The trade-off: to and fro, half of the fields are entered against the take-up side and the stage has to
overshoot at each; with every row travelled alike it need not, but drives back the whole row. With a few µm of
overshoot and fields of 100 µm to and fro is far cheaper, and rows follow each other towards the take-up side where
they can. With an overshoot of a field's length and more, all rows alike wins.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise, product

from appliance.errors import ApplianceRefused
from appliance.ploughing import ploughed
from appliance.region_map import Rectangle, Region
from appliance.travel import shortest_possible_um, travel_um
from firmware_bridge.point import Point

MOST_FIELDS = 4000


@dataclass(frozen=True, slots=True)
class FieldSize:
    """What one field shows, µm, and by how much the stage may miss a place.

    overshoot_um: how far the stage goes beyond a place and comes back when it is driven against its take-up side.
    take_up_x, take_up_y: +1 where the stage takes up backlash moving towards larger coordinates, else -1.
    """

    width_um: float
    height_um: float
    uncertainty_um: float = 2.0
    overshoot_um: float = 20.0
    take_up_x: int = 1
    take_up_y: int = 1

    def __post_init__(self) -> None:
        """Raise ApplianceRefused for a field without area, and for nonsense."""
        lengths = (self.width_um, self.height_um, self.uncertainty_um, self.overshoot_um)
        if not all(math.isfinite(length) and length >= 0 for length in lengths):
            raise ApplianceRefused(
                "A field's size, its uncertainty and the overshoot must be micrometres from 0."
            )
        if not (self.width_um > 0 and self.height_um > 0):
            raise ApplianceRefused("A field without width or height cannot be visited. Check the pixel size.")
        if {self.take_up_x, self.take_up_y} - {1, -1}:
            raise ApplianceRefused("A take-up direction is 1 or -1.")

    @property
    def pitch_um(self) -> tuple[float, float]:
        """From one field's centre to the next, along x and y."""
        return self.width_um + 2 * self.uncertainty_um, self.height_um + 2 * self.uncertainty_um


@dataclass(frozen=True, slots=True)
class Stop:
    """A field of the tour. centre: on the slide, µm.  region: its number in the map, from 0."""

    centre: Point
    region: int


@dataclass(frozen=True, slots=True)
class Tour:
    """The order of the fields.

    travel_um: the straight ways from stop to stop.  bound_um: no tour through these fields can be shorter (the
    minimum spanning tree).  taken_up: the share of moves that end in the take-up direction of the axes they move.
    """

    stops: tuple[Stop, ...]
    travel_um: float
    bound_um: float
    taken_up: float

    @property
    def digest(self) -> str:
        """Names the fields and their order: two runs with the same one visit the same places (to 0.1 µm)."""
        places = [(round(stop.centre.x_um, 1), round(stop.centre.y_um, 1)) for stop in self.stops]
        return hashlib.sha256(repr(places).encode()).hexdigest()

    @property
    def over_shortest(self) -> float:
        """Travel over the lower bound; 1 where it cannot be shorter, and for a tour of one field."""
        return self.travel_um / self.bound_um if self.bound_um else 1.0


def plan_tour(
    regions: Sequence[Region],
    field: FieldSize,
    *,
    most: int = MOST_FIELDS,
) -> Tour:
    """Plan a tour through regions, the first one first.

    most: how many fields at most.
    Raises ApplianceRefused where no field fits into any region.
    """
    grid = _grid(regions, field)
    stops: list[Stop] = []
    at: Point | None = None
    for number, region in enumerate(regions):
        cells = {
            (row, column): centre
            for (row, column), centre in grid.within(region.bounds)
            if region.holds(_frame(centre, field))
        }
        ordered = ploughed(cells, field.pitch_um, partial(_cost_um, field=field), at)
        stops += [Stop(centre, number) for centre in ordered[: most - len(stops)]]
        grid.used.update(cells)
        if stops:
            at = stops[-1].centre
        if len(stops) >= most:
            break
    if not stops:
        raise ApplianceRefused(
            "No field fits into any region to count in. Survey the slide again, or make another smear."
        )
    centres = [stop.centre for stop in stops]
    return Tour(tuple(stops), travel_um(centres), shortest_possible_um(centres), _taken_up(centres, field))


@dataclass(frozen=True, slots=True)
class _Grid:
    left_um: float
    top_um: float
    pitch_um: tuple[float, float]
    used: set[tuple[int, int]]

    def within(self, bounds: Rectangle) -> Iterator[tuple[tuple[int, int], Point]]:
        """Yield every unused place of the grid whose centre lies in a rectangle, in reading order."""
        wide, high = self.pitch_um
        columns = range(
            math.floor((bounds.x_um - self.left_um) / wide),
            math.ceil((bounds.right_um - self.left_um) / wide) + 1,
        )
        rows = range(
            math.floor((bounds.y_um - self.top_um) / high),
            math.ceil((bounds.bottom_um - self.top_um) / high) + 1,
        )
        for row, column in product(rows, columns):
            if (row, column) not in self.used:
                yield (row, column), Point(self.left_um + column * wide, self.top_um + row * high)


def _grid(regions: Sequence[Region], field: FieldSize) -> _Grid:
    """Lay the grid so that the best region's own corner field touches its bounds."""
    if not regions:
        raise ApplianceRefused("There is no region to count in. Survey the slide again.")
    bounds = regions[0].bounds
    left, top = bounds.x_um + field.width_um / 2, bounds.y_um + field.height_um / 2
    wide, high = field.pitch_um
    # What is left over at the far side is shared between both.
    spare_x, spare_y = (bounds.width_um - field.width_um) % wide, (bounds.height_um - field.height_um) % high
    return _Grid(
        left + (spare_x / 2 if bounds.width_um >= field.width_um else 0),
        top + (spare_y / 2 if bounds.height_um >= field.height_um else 0),
        field.pitch_um,
        set(),
    )


def _frame(centre: Point, field: FieldSize) -> Rectangle:
    """Return what a field may show, wherever within its uncertainty the stage stands."""
    wide, high = field.pitch_um
    return Rectangle(centre.x_um - wide / 2, centre.y_um - high / 2, wide, high)


def _cost_um(order: Sequence[Point], field: FieldSize) -> float:
    """Return the way, with the overshoots of the moves that go against a take-up side, there and back."""
    against = sum(
        ((b.x_um - a.x_um) * field.take_up_x < -1e-6) + ((b.y_um - a.y_um) * field.take_up_y < -1e-6)
        for a, b in pairwise(order)
    )
    return round(travel_um(order) + 2 * field.overshoot_um * against, 3)


def _taken_up(centres: Sequence[Point], field: FieldSize) -> float:
    moves = list(pairwise(centres))
    if not moves:
        return 1.0
    good = sum(
        (b.x_um - a.x_um) * field.take_up_x >= -1e-6 and (b.y_um - a.y_um) * field.take_up_y >= -1e-6
        for a, b in moves
    )
    return good / len(moves)
