"""A run's report: one A4 page as PDF, the same bytes for the same result. Drawn by Matplotlib."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from appliance.certificate import DRAWING
from appliance.reports.result import Pictured, Pictures, Result
from appliance.review.signature import Status
from appliance.view import RESEARCH_USE_ONLY
from models.panel import UNIDENTIFIED

A4_IN = (8.27, 11.69)
LEFT, RIGHT = 0.08, 0.93
INK, FAINT, BAR, USUAL, WARN = "#10243a", "#4d6073", "#2b8799", "#cfe8da", "#a61b14"
LINE = 0.0155  # of the page's height
WIDE = 108  # characters to a line
COLUMNS = (LEFT, 0.40, 0.48, 0.60, 0.72)
BARS = (0.74, RIGHT)
CELLS_A_ROW = 12
MARKS = 4

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans", "font.size": 8, "text.color": INK, "text.parse_math": False, "pdf.fonttype": 42,
}  # fmt: skip


def report_pdf(result: Result, pictures: Pictures) -> bytes:
    """Return the report as a PDF file."""
    with DRAWING, rc_context(_STYLE):
        figure = Figure(figsize=A4_IN)
        FigureCanvasPdf(figure)
        page = _Page(figure)
        page.heading(result)
        page.facts(_facts(result))
        page.differential(result)
        page.measures(result)
        page.pictures(pictures.cells)
        page.slide(pictures.slide)
        page.foot(result)
        written = io.BytesIO()
        # Without dates of its own the file depends on the result alone.
        figure.savefig(
            written, format="pdf", metadata={"CreationDate": None, "Title": f"Run {result.run.id}"}
        )
    return written.getvalue()


class _Page:
    """Drawn from the top of the page downwards. at: how far it has come, as a share of the height from below."""

    def __init__(self, figure: Figure) -> None:
        self._figure = figure
        self.at = 0.955

    def heading(self, result: Result) -> None:
        self._text(LEFT, "White-cell differential", size=16, weight="bold")
        self._text(RIGHT, f"run {result.run.id}", size=10, ha="right", family="monospace")
        self.at -= 0.028
        self._text(LEFT, RESEARCH_USE_ONLY, weight="bold", color=WARN)
        self._text(RIGHT, _warning(result), ha="right", weight="bold", color=WARN)
        self.at -= 0.024

    def facts(self, facts: Iterator[tuple[str, str]]) -> None:
        for what, said in facts:
            lines = (textwrap.wrap(said, WIDE) or ["–"])[:3]
            self._text(LEFT, what, color=FAINT)
            self._text(LEFT + 0.13, "\n".join(lines), linespacing=1.3)
            self.at -= LINE * len(lines)
        self.at -= 0.012

    def differential(self, result: Result) -> None:
        self._row(("Cell", "Count", "%", "95 % limits", "Usual %"), FAINT)
        rows = result.tally.rows
        most = max([10.0, *(row.high for row in rows), *(row.reference[1] for row in rows if row.reference)])
        for row in rows:
            usual = "–" if row.reference is None else f"{row.reference[0]:g} – {row.reference[1]:g}"
            self._bar(row.percent, (row.low, row.high), row.reference, most)
            self._row(
                (row.title, str(row.count), f"{row.percent:.1f}", f"{row.low:.1f} – {row.high:.1f}", usual)
            )
        self.at -= 0.004

    def measures(self, result: Result) -> None:
        for line in _measures(result):
            self._text(LEFT, line)
            self.at -= LINE
        self.at -= 0.008

    def pictures(self, cells: Sequence[Pictured]) -> None:
        side = (RIGHT - LEFT) / CELLS_A_ROW
        high = side * A4_IN[0] / A4_IN[1]
        for n, cell in enumerate(cells[: 3 * CELLS_A_ROW]):
            column = n % CELLS_A_ROW
            if column == 0 and n:
                self.at -= high + 0.022
            axes = self._figure.add_axes((LEFT + column * side, self.at - high, side * 0.94, high * 0.94))
            axes.imshow(np.asarray(Image.open(io.BytesIO(cell.png)).convert("RGB")), interpolation="bilinear")
            axes.set_axis_off()
            axes.set_title(cell.label, size=6, pad=1.5)
        if cells:
            self.at -= high + 0.026

    def slide(self, jpeg: bytes | None) -> None:
        room = self.at - 0.13
        if jpeg is None or room < 0.06:
            return
        picture = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))
        high = min(room, 0.16)
        axes = self._figure.add_axes((LEFT, self.at - high, 0.5, high), anchor="NW")
        axes.imshow(picture, interpolation="bilinear")
        axes.set_axis_off()
        axes.set_title("The slide, as it was looked over", size=6.5, loc="left", pad=2)

    def foot(self, result: Result) -> None:
        run, said = result.run, []
        digest = "–" if result.case is None else result.case.digest
        said.append(
            f"Engine {run.engine}. Weights {run.weights}. Camera {run.camera}. Hemadiff {run.version}."
        )
        said.append(
            f"Calibration {run.scale.id}: {run.scale.um_per_px:.5g} µm/px ({run.scale.source}). "
            f"Limits are exact 95 % limits (Clopper and Pearson) of the counted cells."
        )
        said.append(f"SHA-256 of what this page says: {digest}. {RESEARCH_USE_ONLY}")
        lines = "\n".join(line for each in said for line in textwrap.wrap(each, 140))
        self._figure.text(LEFT, 0.03, lines, size=6, color=FAINT, va="bottom", linespacing=1.4)

    def _row(self, cells: Sequence[str], colour: str = INK) -> None:
        for place, cell, side in zip(
            COLUMNS, cells, ("left", "right", "right", "right", "right"), strict=True
        ):
            self._text(place, cell, ha=side, color=colour)
        self.at -= LINE

    def _bar(
        self, percent: float, limits: tuple[float, float], usual: tuple[float, float] | None, most: float
    ) -> None:
        left, right = BARS
        scale = (right - left) / most
        middle = self.at - LINE * 0.42
        if usual is not None:
            self._box(left + usual[0] * scale, middle - 0.006, (usual[1] - usual[0]) * scale, 0.012, USUAL)
        self._box(left, middle - 0.0032, percent * scale, 0.0064, BAR)
        self._box(left + limits[0] * scale, middle - 0.0006, (limits[1] - limits[0]) * scale, 0.0012, INK)

    def _box(self, x: float, y: float, wide: float, high: float, colour: str) -> None:
        self._figure.add_artist(
            Rectangle((x, y), wide, high, transform=self._figure.transFigure, color=colour, lw=0)
        )

    def _text(self, x: float, said: str, **style: Any) -> None:
        self._figure.text(x, self.at, said, va="top", **style)


def _warning(result: Result) -> str:
    """Say in capitals what is no final result."""
    standing = result.standing
    if standing is None or standing.last is None or standing.changed:
        return "NOT A SIGNED RESULT"
    return "PRELIMINARY" if standing.last.status is Status.PRELIMINARY else ""


def _facts(result: Result) -> Iterator[tuple[str, str]]:
    run = result.run
    if result.sample:
        yield "Sample", result.sample
    yield "Specimen", f"{run.plan.specimen}{', SIMULATED' if run.simulated else ''}; panel {run.plan.panel}"
    yield "Counted", f"{run.started:%Y-%m-%d %H:%M} UTC; {run.state}: {run.reason}"
    yield "Standing", result.status
    for signature in result.signed:
        note = f": {signature.note}" if signature.note else ""
        yield "Signed", f"{signature.status} by {signature.who}, {signature.at:%Y-%m-%d %H:%M} UTC{note}"
    for sentence in (*result.problems, *run.marks[:MARKS]):
        yield "Mark", sentence
    for written in result.notes[-2:]:
        yield "Note", f"{written.text} ({written.who}, {written.at:%Y-%m-%d})"


def _measures(result: Result) -> Iterator[str]:
    tally = result.tally
    yield f"Cells counted: {tally.counted}, in {result.fields} fields; {result.skipped} fields skipped."
    if tally.me_ratio is not None:
        yield f"M:E {tally.me_ratio:.1f} : 1 ({tally.me_formula})."
    if tally.nrbc_per_100 is not None:
        yield f"Erythroblasts: {tally.nrbc_per_100:.1f} per 100 white cells."
    waiting = tally.counts.get(UNIDENTIFIED, 0)
    yield f"Unidentified: {waiting}." + (" They wait for a person." if waiting else "")
    outside = [
        f"{n} {tally.rules.panel.label(label).title.lower()}" for label, n in tally.not_counted.items()
    ]
    if outside:
        yield f"Not counted: {', '.join(outside)}."
