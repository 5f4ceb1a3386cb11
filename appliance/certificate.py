"""A calibration's certificate: one A4 page as PDF, the same bytes for the same record. Drawn by Matplotlib."""

from __future__ import annotations

import io
import textwrap
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from PIL import Image

from appliance.view import RESEARCH_USE_ONLY
from calibration.change import Change, compare, in_order, title_of
from calibration.measured import COVERAGE
from calibration.record import CalibrationRecord, Evidence, Residuals

A4_IN = (8.27, 11.69)
LEFT, RIGHT = 0.09, 0.92
PLOTS, PICTURES, CHANGES = 3, 3, 4
VALUES = 25
BOX = "□"
INK, FAINT, LINE = "#1f2933", "#7b8794", "#0072B2"
WIDE, LONG = 100, 1.25  # characters to a line of text; height of such a line, in hundredths of the page
ROW = 1.15  # height of a line of the table

DRAWING = threading.Lock()  # Matplotlib's style is the process's, and pages are drawn in many threads
_STYLE: dict[Any, Any] = {
    "font.size": 8,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.labelsize": 7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 8,
    "pdf.fonttype": 42,  # whole outlines: a reader can search the text
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
}


def certificate_pdf(
    record: CalibrationRecord, before: CalibrationRecord | None, *, in_force: bool, now: datetime
) -> bytes:
    """Return the certificate as a PDF file.

    before: the calibration of the same setup that was in force before; None where there was none.
    now: decides whether it is called expired.
    """
    with DRAWING, rc_context(_STYLE):
        figure = Figure(figsize=A4_IN)
        FigureCanvasPdf(figure)
        page = _Page(figure)
        page.heading("Calibration certificate", record.id)
        page.facts(_facts(record, in_force, now))
        page.values(record)
        page.changes(before, record)
        _draw_residuals(figure, list(record.residuals.items())[:PLOTS], page.at)
        _draw_evidence(figure, record.evidence[:PICTURES])
        page.foot(record)
        written = io.BytesIO()
        # Without dates of its own the file depends on the record alone.
        figure.savefig(
            written, format="pdf", metadata={"CreationDate": None, "Title": f"Calibration {record.id}"}
        )
    return written.getvalue()


class _Page:
    """Text from the top of the page downwards. at: how far it has come, as a share of the height from below."""

    def __init__(self, figure: Figure) -> None:
        self._figure = figure
        self.at = 0.955

    def heading(self, title: str, name: str) -> None:
        self._figure.text(LEFT, self.at, title, size=16, weight="bold", va="top")
        self._figure.text(RIGHT, self.at, name, size=12, va="top", ha="right", family="monospace")
        self.at -= 0.04

    def facts(self, facts: Iterable[tuple[str, str]]) -> None:
        for what, said in facts:
            lines = textwrap.wrap(_shown(said), WIDE) or ["–"]
            self._figure.text(LEFT, self.at, what, va="top", color=FAINT)
            self._figure.text(LEFT + 0.11, self.at, "\n".join(lines[:3]), va="top", linespacing=1.3)
            self.at -= LONG / 100 * min(3, len(lines)) + 0.002
        self.at -= 0.008

    def values(self, record: CalibrationRecord) -> None:
        self._row(("value", "", "unit", "standard uncertainty", "95 % limits"), FAINT)
        claimed = record.claimed
        values = [(name, claimed[name]) for name in in_order(claimed)]
        for name, value in values[:VALUES]:
            low, high = value.interval
            numbers = (
                value.shown(value.value),
                value.unit,
                f"{value.uncertainty:.2g}",
                f"{value.shown(low)} to {value.shown(high)}",
            )
            self._row((title_of(name), *numbers))
        if len(values) > VALUES:
            self._row((f"and {len(values) - VALUES} more: hemadiff calibrate show {record.id}", *[""] * 4))
        self.at -= 0.008

    def changes(self, before: CalibrationRecord | None, record: CalibrationRecord) -> None:
        if before is None:
            self._line("No calibration of this setup was in force before.")
            return
        found = [change for change in compare(before, record) if change.last is not None]
        beyond = [change for change in found if change.beyond]
        self._line(
            f"Against {before.id} of {before.made:%Y-%m-%d}, which was in force before: {_verdict(found)}"
        )
        for change in beyond[:CHANGES]:
            self._line(f"  {change}")
        if len(beyond) > CHANGES:
            self._line(f"  and {len(beyond) - CHANGES} more: hemadiff calibrate show {record.id}")

    def foot(self, record: CalibrationRecord) -> None:
        said = (
            f"Uncertainties are standard uncertainties (one standard deviation); the limits hold {COVERAGE:g} of them "
            f"to either side. SHA-256 of the record: {record.digest}. {RESEARCH_USE_ONLY}"
        )
        written = [record.by, record.note, str(record.setup), *(each.caption for each in record.evidence)]
        if record.ruler is not None:
            written += [record.ruler.serial, record.ruler.certificate]
        if any(BOX in _shown(text) for text in written):
            said = f"{BOX} stands for a character that this page cannot show: hemadiff calibrate show has it. {said}"
        lines = "\n".join(textwrap.wrap(said, 130))
        self._figure.text(LEFT, 0.03, lines, size=6.5, color=FAINT, va="bottom", linespacing=1.4)

    def _row(self, cells: Sequence[str], colour: str = INK) -> None:
        places = (LEFT, LEFT + 0.37, LEFT + 0.385, LEFT + 0.47, LEFT + 0.63)
        for place, cell, side in zip(places, cells, ("left", "right", "left", "left", "left"), strict=True):
            self._figure.text(place, self.at, cell, va="top", ha=side, color=colour)
        self.at -= ROW / 100

    def _line(self, text: str) -> None:
        for line in textwrap.wrap(text, WIDE + 12, subsequent_indent="  "):
            self._figure.text(LEFT, self.at, line, va="top")
            self.at -= LONG / 100


def _facts(record: CalibrationRecord, in_force: bool, now: datetime) -> Iterator[tuple[str, str]]:
    yield "Setup", str(record.setup)
    yield "Made", f"{record.made:%Y-%m-%d %H:%M} UTC by {record.by}"
    yield "Valid", _validity(record, in_force, now)
    if record.ruler is not None:
        ruler = record.ruler
        serial, filed = ruler.serial or "–", ruler.certificate or "–"
        yield (
            "Ruler",
            f"{ruler.kind}, pitch {ruler.pitch_said}, serial number {serial}, certificate {filed}",
        )
    yield "Software", f"{record.software or '–'}; stage controller: {record.firmware or '–'}"
    if record.note:
        yield "Note", record.note


def _validity(record: CalibrationRecord, in_force: bool, now: datetime) -> str:
    force = "in force" if in_force else "not in force"
    if record.expires is None:
        return f"{force}; without an end"
    ended = "EXPIRED on" if record.expired(now) else "until"
    return f"{force}; {ended} {record.expires:%Y-%m-%d}"


def _verdict(found: Sequence[Change]) -> str:
    beyond = sum(change.beyond for change in found)
    if not found:
        return "nothing to compare."
    return (
        f"{beyond} of {len(found)} values changed beyond their limits."
        if beyond
        else "all within their limits."
    )


def _draw_residuals(figure: Figure, plots: Sequence[tuple[str, Residuals]], below: float) -> None:
    """Draw what each fit left over, between the text and the pictures."""
    bottom = 0.30
    top = max(bottom + 0.06, min(below - 0.06, 0.50))
    if plots:
        figure.text(LEFT, top + 0.04, "What the fits left over: measured less fitted.", va="top")
    for i, (name, residuals) in enumerate(plots):
        width = (RIGHT - LEFT) / len(plots)
        axes = figure.add_axes((LEFT + i * width + 0.035, bottom, width - 0.06, top - bottom))
        _draw_one(axes, name, residuals)


def _draw_one(axes: Axes, name: str, residuals: Residuals) -> None:
    axes.axhline(0, color=FAINT, linewidth=0.8)
    axes.plot(residuals.at, residuals.left, "o", color=LINE, markersize=2.5)
    axes.set_title(f"{name.replace('_', ' ')}: RMS {residuals.rms:.3g} {residuals.unit}", loc="left")
    axes.set_xlabel(residuals.at_unit)
    axes.set_ylabel(residuals.unit)


def _draw_evidence(figure: Figure, evidence: Sequence[Evidence]) -> None:
    for i, each in enumerate(evidence):
        width = (RIGHT - LEFT) / max(2, len(evidence))
        axes = figure.add_axes((LEFT + i * width, 0.095, width - 0.02, 0.145))
        _draw_picture(axes, each.png)
        axes.set_axis_off()
        caption = "\n".join(textwrap.wrap(_shown(each.caption or each.name.replace("_", " ")), 48)[:2])
        axes.set_title(f"{caption}\nSHA-256 {each.sha256[:16]}…", size=6.5, loc="left")


def _draw_picture(axes: Axes, png: bytes) -> None:
    try:
        axes.imshow(Image.open(io.BytesIO(png)).convert("RGB"), interpolation="nearest")
    except (OSError, SyntaxError, ValueError):  # as Pillow says that a file is damaged
        axes.text(0.5, 0.5, "This picture is damaged.", ha="center", va="center", color=FAINT)


def _shown(text: str) -> str:
    """Return a text with a box for every character that the page's font lacks, as any reader would show it."""
    font = get_font(findfont("DejaVu Sans"))
    return "".join(each if each in "\n" or font.get_char_index(ord(each)) else BOX for each in text)
