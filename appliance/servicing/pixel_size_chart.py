"""How the pixel size of one setup went from calibration to calibration: one self-contained SVG, without a script.

The bars are the 95 % limits of each; the band is 1 % about the one in force, beyond which a person is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from appliance.calibrations import Held
from calibration.change import BY_UNIT
from calibration.record import PIXEL_SIZE

SHOWN = 30
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 960, 260, 84, 936, 40, 212
INK, SOFT, GRID, POINT, USED, BAND = "#10243a", "#4d6073", "#dfe7ec", "#0a6c7c", "#7a4d00", "#e6f1ec"
FONT = "Inter, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', Arial, sans-serif"
DATE_WIDTH = 96.0
ASKED = BY_UNIT["µm/px"].most


def pixel_size_chart(held: Sequence[Held]) -> str:
    """Return the chart of the latest thirty calibrations of one setup, the oldest on the left, as SVG.

    held: as `Calibrations.all` has them, the newest first, one at least.
    """
    shown = list(held[:SHOWN])[::-1]
    axis = _Axis.of(shown)
    used = next((each for each in shown if each.in_force), None)
    said = f"Pixel size of the latest {len(shown)} calibrations"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="{FONT}" font-size="12" fill="{INK}">',
        f"<title>{escape(said)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="22" font-size="13" font-weight="650">Pixel size, µm/px (bars: 95 % limits)</text>',
        *([] if used is None else _band(axis, used.record.um_per_px.value)),
        *_grid(axis),
        *_points(axis, shown),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Axis:
    """From µm/px to the height in the picture."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    @classmethod
    def of(cls, shown: Sequence[Held]) -> _Axis:
        limits = [end for each in shown for end in each.record.claimed[PIXEL_SIZE].interval]
        middle = (min(limits) + max(limits)) / 2
        reach = max(max(limits) - middle, 1.4 * ASKED * middle) * 1.08
        return cls(middle - reach, middle + reach)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return min(BOTTOM, max(TOP, BOTTOM - (BOTTOM - TOP) * share))


def _band(axis: _Axis, value: float) -> Iterator[str]:
    top, bottom = axis.y(value * (1 + ASKED)), axis.y(value * (1 - ASKED))
    yield f'<rect x="{LEFT}" y="{top:.1f}" width="{RIGHT - LEFT}" height="{bottom - top:.1f}" fill="{BAND}"/>'


def _grid(axis: _Axis) -> Iterator[str]:
    for number in range(5):
        value = axis.low + (axis.high - axis.low) * number / 4
        y = axis.y(value)
        yield f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="{GRID}"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="{SOFT}">{value:.5f}</text>'


def _points(axis: _Axis, shown: Sequence[Held]) -> Iterator[str]:
    apart = min(90.0, (RIGHT - LEFT - DATE_WIDTH) / max(1, len(shown) - 1))
    free_from = 0.0
    for number, held in enumerate(shown):
        x, record = LEFT + DATE_WIDTH / 2 + number * apart, held.record
        low, high = (axis.y(end) for end in record.claimed[PIXEL_SIZE].interval)
        colour = USED if held.in_force else POINT
        ends = "".join(f"M{x - 4:.1f} {at:.1f}h8" for at in (low, high))
        yield f'<path d="M{x:.1f} {low:.1f}V{high:.1f}{ends}" stroke="{colour}" stroke-width="1.6" fill="none"/>'
        yield _point(x, axis.y(record.um_per_px.value), held, colour)
        if x - DATE_WIDTH / 2 >= free_from:
            free_from = x + DATE_WIDTH / 2
            at = f'x="{x:.1f}" y="{HEIGHT - 12}" text-anchor="middle"'
            yield f'<text {at} fill="{SOFT}">{record.made:%Y-%m-%d}</text>'


def _point(x: float, y: float, held: Held, colour: str) -> str:
    """A disc; the one in force is a square and says so."""
    record = held.record
    told = f"{record.id}, {record.made:%Y-%m-%d}, {record.by}: {record.claimed[PIXEL_SIZE]}"
    title = f"<title>{escape(told)}{', in force' if held.in_force else ''}</title>"
    if not held.in_force:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{colour}">{title}</circle>'
    name = f'<text x="{x:.1f}" y="{BOTTOM + 18}" text-anchor="middle" font-weight="700" fill="{colour}">in force</text>'
    return f'<rect x="{x - 5.5:.1f}" y="{y - 5.5:.1f}" width="11" height="11" fill="{colour}">{title}</rect>{name}'
