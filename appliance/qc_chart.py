"""The quality controls as a chart: one self-contained SVG, for the page and for a file. No script, no style sheet.

In the order in which they were done, evenly spaced, as control charts are drawn (Levey and Jennings 1950, Am. J. Clin.
Pathol. 20:1059). A control that failed is a square, named, and red; one that passed is a disc.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from xml.sax.saxutils import escape

from appliance.qc_history import QualityControl

SHOWN = 60
WIDTH, LEFT, RIGHT = 960, 46, 876  # right of it the limits are named
UPPER, LOWER = (34, 214), (252, 322)  # top and bottom of what was located, of false finds
DATES, HEIGHT = 342, 352
MARGIN = 34  # left free at both ends, for half a date
WIDEST = 90  # between two controls
DATE_WIDTH = 96
INK, SOFT, GRID, PASSED, FAILED = "#10243a", "#4d6073", "#dfe7ec", "#0a6c7c", "#a61b14"
FONT = "Inter, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', Arial, sans-serif"

Y = Callable[[float], float]


def chart(controls: Sequence[QualityControl]) -> str:
    """Return the chart of the latest sixty controls, the oldest on the left, as SVG. controls: the oldest first."""
    shown = controls[-SHOWN:]
    places = _places(len(shown))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="{FONT}" font-size="12" fill="{INK}">',
        f"<title>{escape(_title(shown))}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *_located(shown, places),
        *_false(shown, places),
        *_dates(shown, places),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _title(shown: Sequence[QualityControl]) -> str:
    failed = sum(not control.passed for control in shown)
    return f"Quality controls: the latest {len(shown)}, of which {failed} failed"


def _places(count: int) -> list[float]:
    """Return the x of each control: evenly spaced from the left, no farther apart than is needed to read them."""
    apart = min(WIDEST, (RIGHT - LEFT - 2 * MARGIN) / max(1, count - 1))
    return [LEFT + MARGIN + number * apart for number in range(count)]


def _located(shown: Sequence[QualityControl], places: Sequence[float]) -> Iterator[str]:
    lowest = min((control.result.located_interval[0] for control in shown), default=90.0)
    limit = min((control.result.limits.least_located_percent for control in shown), default=95.0)
    step = 5 if min(lowest, limit) > 71 else 10
    bottom = max(0.0, step * math.floor((min(lowest, limit) - 1) / step))
    y = _axis(UPPER, bottom, 100.0)
    yield _heading(UPPER[0], "Cells located, % (bars: 95 % limits)")
    yield from _grid(y, bottom, 100.0, step)
    yield from _limits(places, [control.result.limits.least_located_percent for control in shown], y)
    for x, control in zip(places, shown, strict=True):
        low, high = control.result.located_interval
        colour = PASSED if control.passed else FAILED
        ends = "".join(f"M{x - 4:.1f} {y(at):.1f}h8" for at in (low, high))
        yield f'<path d="M{x:.1f} {y(low):.1f}V{y(high):.1f}{ends}" stroke="{colour}" stroke-width="1.6" fill="none"/>'
        yield _point(x, y(control.result.located_percent), control, colour)
        if not control.passed:
            at = f'x="{x:.1f}" y="{UPPER[1] + 13}" text-anchor="middle"'
            yield f'<text {at} font-weight="700" fill="{FAILED}">failed</text>'


def _false(shown: Sequence[QualityControl], places: Sequence[float]) -> Iterator[str]:
    highest = max((control.result.false_percent for control in shown), default=0.0)
    limit = max((control.result.limits.most_false_percent for control in shown), default=5.0)
    top = 5.0 * math.ceil((max(highest, limit) + 1) / 5)
    y = _axis(LOWER, 0.0, top)
    yield _heading(LOWER[0], "Finds that are no cells, %")
    yield from _grid(y, 0.0, top, 5 if top <= 15 else 10 * math.ceil(top / 40))
    yield from _limits(places, [control.result.limits.most_false_percent for control in shown], y)
    for x, control in zip(places, shown, strict=True):
        yield _point(x, y(control.result.false_percent), control, PASSED if control.passed else FAILED)


def _axis(place: tuple[int, int], bottom: float, top: float) -> Y:
    upper, lower = place
    return lambda value: lower - (lower - upper) * (value - bottom) / (top - bottom)


def _heading(top: int, text: str) -> str:
    return f'<text x="{LEFT}" y="{top - 14}" font-size="13" font-weight="650">{escape(text)}</text>'


def _grid(y: Y, bottom: float, top: float, step: float) -> Iterator[str]:
    for number in range(int((top - bottom) / step) + 1):
        value = bottom + number * step
        yield f'<path d="M{LEFT} {y(value):.1f}H{RIGHT}" stroke="{GRID}"/>'
        yield f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end" fill="{SOFT}">{value:g}</text>'


def _limits(places: Sequence[float], limits: Sequence[float], y: Y) -> Iterator[str]:
    """The limit in force at each control, as one line with steps."""
    if not places:
        return
    path = f"M{LEFT} {y(limits[0]):.1f}"
    for here, after, limit in zip(places, places[1:], limits[1:], strict=False):
        path += f"H{(here + after) / 2:.1f}V{y(limit):.1f}"
    yield f'<path d="{path}H{RIGHT}" stroke="{INK}" stroke-width="1.4" stroke-dasharray="7 4" fill="none"/>'
    yield (
        f'<text x="{RIGHT + 6}" y="{y(limits[-1]) + 4:.1f}" font-weight="650">limit {limits[-1]:g} %</text>'
    )


def _point(x: float, y: float, control: QualityControl, colour: str) -> str:
    said = f"<title>{escape(f'{control.at.astimezone():%Y-%m-%d %H:%M}, {control.who}. {control.result}')}</title>"
    if control.passed:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{colour}">{said}</circle>'
    return (
        f'<rect x="{x - 5.5:.1f}" y="{y - 5.5:.1f}" width="11" height="11" fill="#fff" stroke="{colour}" '
        f'stroke-width="2.6">{said}</rect>'
    )


def _dates(shown: Sequence[QualityControl], places: Sequence[float]) -> Iterator[str]:
    free_from = -math.inf
    for x, control in zip(places, shown, strict=True):
        yield f'<path d="M{x:.1f} {LOWER[1]}v4" stroke="{SOFT}"/>'
        if x - DATE_WIDTH / 2 >= free_from:
            free_from = x + DATE_WIDTH / 2
            yield (
                f'<text x="{x:.1f}" y="{DATES}" text-anchor="middle" fill="{SOFT}">'
                f"{control.at.astimezone():%Y-%m-%d}</text>"
            )
