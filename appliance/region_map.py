"""Where on a slide what lies, and which regions to count in: the answer of a survey, for the tour, page and store.

A map of square tiles, each of one zone, and regions in the order in which they are to be visited. A region is a set
of tiles, or an outline that a person drew, which goes before all others. Coordinates are the slide's, µm,
y downward.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Protocol

from appliance.errors import ApplianceRefused

VERSION = 1


class Zone(StrEnum):
    """What lies in a tile."""

    EMPTY = "empty"
    THICK = "thick"
    GOOD = "good"
    FEATHERED = "feathered"
    EDGE = "edge"
    BUBBLE = "bubble"
    PARTICLE = "particle"
    TRAIL = "trail"


LETTERS: Mapping[str, Zone] = MappingProxyType(
    {
        ".": Zone.EMPTY,
        "T": Zone.THICK,
        "g": Zone.GOOD,
        "f": Zone.FEATHERED,
        "e": Zone.EDGE,
        "b": Zone.BUBBLE,
        "P": Zone.PARTICLE,
        "t": Zone.TRAIL,
    }
)
LETTER_OF: Mapping[Zone, str] = MappingProxyType({zone: letter for letter, zone in LETTERS.items()})


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A rectangle on the slide, µm: its upper left corner and its size."""

    x_um: float
    y_um: float
    width_um: float
    height_um: float

    @property
    def right_um(self) -> float:
        """Its right side."""
        return self.x_um + self.width_um

    @property
    def bottom_um(self) -> float:
        """Its lower side."""
        return self.y_um + self.height_um


class Region(Protocol):
    """A part of the slide to count in. why: a few words for a person."""

    @property
    def why(self) -> str:
        """What it is."""

    @property
    def area_mm2(self) -> float:
        """Its area."""

    @property
    def bounds(self) -> Rectangle:
        """The rectangle around it."""

    def holds(self, field: Rectangle) -> bool:
        """Whether a field lies wholly inside."""

    def table(self) -> dict[str, Any]:
        """It as JSON has it."""


@dataclass(frozen=True, slots=True)
class Tiles:
    """How a map's tiles lie: the upper left corner of the first, and the side of each, µm."""

    x_um: float
    y_um: float
    tile_um: float


@dataclass(frozen=True, slots=True)
class FoundRegion:
    """A region of tiles. runs: row, first and last column of tiles side by side, ascending."""

    why: str
    tiles: Tiles
    runs: tuple[tuple[int, int, int], ...]

    @property
    def area_mm2(self) -> float:
        """Its area."""
        return sum(last - first + 1 for _, first, last in self.runs) * (self.tiles.tile_um / 1000) ** 2

    @property
    def bounds(self) -> Rectangle:
        """The rectangle around it."""
        side = self.tiles.tile_um
        left, right = min(run[1] for run in self.runs), max(run[2] for run in self.runs) + 1
        top, bottom = self.runs[0][0], self.runs[-1][0] + 1
        return Rectangle(
            self.tiles.x_um + left * side,
            self.tiles.y_um + top * side,
            (right - left) * side,
            (bottom - top) * side,
        )

    def holds(self, field: Rectangle) -> bool:
        """Whether every tile that a field touches belongs to the region."""
        side = self.tiles.tile_um
        first, last = _touched(field.x_um - self.tiles.x_um, field.width_um, side)
        top, bottom = _touched(field.y_um - self.tiles.y_um, field.height_um, side)
        rows = {
            row for row, left, right in self.runs if top <= row <= bottom and left <= first and last <= right
        }
        return len(rows) == bottom - top + 1

    def table(self) -> dict[str, Any]:
        """It as JSON has it."""
        return {
            "why": self.why,
            "area_mm2": round(self.area_mm2, 3),
            "runs": [list(run) for run in self.runs],
        }


@dataclass(frozen=True, slots=True)
class DrawnRegion:
    """A region that a person drew: the corners of its outline in order, µm.

    Raises ApplianceRefused for an outline of fewer than three corners, without area, or that crosses itself.
    """

    outline: tuple[tuple[float, float], ...]
    why: str = "drawn by a person"

    def __post_init__(self) -> None:
        """Refuse what encloses nothing."""
        if len(self.outline) < 3 or not all(math.isfinite(v) for corner in self.outline for v in corner):
            raise ApplianceRefused(
                "A drawn region needs three corners or more, in micrometres. Draw it again."
            )
        sides = list(_sides(self.outline))
        for k, one in enumerate(sides):
            for other in sides[k + 2 : len(sides) - (k == 0)]:
                if _cross(*one, *other):
                    raise ApplianceRefused(
                        "The drawn region's sides cross. Draw it again, its corners in order."
                    )
        if self.area_mm2 == 0:
            raise ApplianceRefused("The drawn region encloses nothing. Draw it again.")

    @property
    def area_mm2(self) -> float:
        """Its area (Gauss's trapezium formula)."""
        twice = sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in _sides(self.outline))
        return abs(twice) / 2e6

    @property
    def bounds(self) -> Rectangle:
        """The rectangle around it."""
        xs, ys = [x for x, _ in self.outline], [y for _, y in self.outline]
        return Rectangle(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))

    def holds(self, field: Rectangle) -> bool:
        """Whether a field lies inside: its middle does, and no side of the outline enters it."""
        middle = field.x_um + field.width_um / 2, field.y_um + field.height_um / 2
        return self._contains(*middle) and not any(
            _enters(side[0], side[1], field) for side in _sides(self.outline)
        )

    def table(self) -> dict[str, Any]:
        """It as JSON has it."""
        return {
            "why": self.why,
            "area_mm2": round(self.area_mm2, 3),
            "outline": [list(corner) for corner in self.outline],
        }

    def _contains(self, x: float, y: float) -> bool:
        inside = False
        for (x1, y1), (x2, y2) in _sides(self.outline):
            if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
                inside = not inside
        return inside


@dataclass(frozen=True, slots=True)
class RegionMap:
    """A survey's answer.

    rows: a letter of `LETTERS` for each tile, rows of equal length.  regions: the best first.
    source: what it was made from ("overview at 8 µm/px").  remarks: what a person should know, in sentences.
    """

    tiles: Tiles
    rows: tuple[str, ...]
    regions: tuple[Region, ...]
    source: str
    remarks: tuple[str, ...] = ()

    def zone(self, x_um: float, y_um: float) -> Zone:
        """What lies at a place; beside the map nothing does."""
        column = math.floor((x_um - self.tiles.x_um) / self.tiles.tile_um)
        row = math.floor((y_um - self.tiles.y_um) / self.tiles.tile_um)
        if 0 <= row < len(self.rows) and 0 <= column < len(self.rows[row]):
            return LETTERS[self.rows[row][column]]
        return Zone.EMPTY

    @property
    def areas_mm2(self) -> dict[Zone, float]:
        """The area of every zone that there is."""
        tile = (self.tiles.tile_um / 1000) ** 2
        counts = {zone: sum(row.count(letter) for row in self.rows) for letter, zone in LETTERS.items()}
        return {zone: count * tile for zone, count in counts.items() if count}

    def drawn(self, region: DrawnRegion) -> RegionMap:
        """Return the map with a person's region in place of those that were found."""
        return replace(self, regions=(region,))

    def to_json(self) -> str:
        """Return it as one JSON object."""
        return json.dumps(
            {
                "hemadiff_regions": VERSION,
                "source": self.source,
                "x_um": self.tiles.x_um,
                "y_um": self.tiles.y_um,
                "tile_um": self.tiles.tile_um,
                "legend": {letter: str(zone) for letter, zone in LETTERS.items()},
                "rows": list(self.rows),
                "regions": [region.table() for region in self.regions],
                "remarks": list(self.remarks),
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str) -> RegionMap:
        """Return the map that `to_json` wrote. Raises ApplianceRefused for anything else."""
        try:
            table = json.loads(text)
            if table["hemadiff_regions"] != VERSION:
                raise ApplianceRefused(
                    f"This region map is of version {table['hemadiff_regions']}, not {VERSION}. Survey the slide again."
                )
            tiles = Tiles(float(table["x_um"]), float(table["y_um"]), float(table["tile_um"]))
            rows = tuple(str(row) for row in table["rows"])
            if len({len(row) for row in rows}) > 1 or not set("".join(rows)) <= set(LETTERS):
                raise ValueError("rows")
            regions = tuple(_region(each, tiles) for each in table["regions"])
            return cls(
                tiles, rows, regions, str(table["source"]), tuple(str(each) for each in table["remarks"])
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, ApplianceRefused):
                raise
            raise ApplianceRefused("This is no region map. Survey the slide again.") from error


def drawn_region(corners: Any) -> DrawnRegion:
    """Return the region of corners (x, y, µm) as a plan or a command has them.

    Raises ApplianceRefused for what are no corners, and as `DrawnRegion` does.
    """
    try:
        return DrawnRegion(tuple((float(x), float(y)) for x, y in corners))
    except (TypeError, ValueError) as error:
        if isinstance(error, ApplianceRefused):
            raise
        raise ApplianceRefused(
            "A drawn region is corners, each x and y in micrometres. Draw it again."
        ) from error


def _region(table: Mapping[str, Any], tiles: Tiles) -> Region:
    why = str(table["why"])
    if "outline" in table:
        return DrawnRegion(tuple((float(x), float(y)) for x, y in table["outline"]), why)
    runs = tuple((int(row), int(first), int(last)) for row, first, last in table["runs"])
    if not runs or any(first > last for _, first, last in runs) or list(runs) != sorted(runs):
        raise ValueError("runs")
    return FoundRegion(why, tiles, runs)


def _touched(start: float, length: float, side: float) -> tuple[int, int]:
    # A field that ends on a tile's border does not touch the next one.
    return math.floor(start / side + 1e-9), math.ceil((start + length) / side - 1e-9) - 1


Corner = tuple[float, float]


def _sides(outline: Sequence[Corner]) -> list[tuple[Corner, Corner]]:
    return list(zip(outline, (*outline[1:], outline[0]), strict=True))


def _cross(a: Corner, b: Corner, c: Corner, d: Corner) -> bool:
    def turn(p: Corner, q: Corner, r: Corner) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return turn(a, b, c) * turn(a, b, d) < 0 and turn(c, d, a) * turn(c, d, b) < 0


def _enters(a: Corner, b: Corner, field: Rectangle) -> bool:
    """Whether the line from a to b passes through the inside of a rectangle (Liang and Barsky 1984)."""
    low, high = 0.0, 1.0
    for start, delta, least, most in (
        (a[0], b[0] - a[0], field.x_um, field.right_um),
        (a[1], b[1] - a[1], field.y_um, field.bottom_um),
    ):
        if delta == 0:
            if not least < start < most:
                return False
            continue
        one, other = sorted(((least - start) / delta, (most - start) / delta))
        low, high = max(low, one), min(high, other)
    return low < high
