"""A report's sheets of A4: drawn from the top downwards, a new one where the last is full, head and foot on each."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.backends.backend_pdf import FigureCanvasPdf, PdfPages
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from appliance.reports.fitted import BOX, broken, shown

A4_IN = (8.27, 11.69)
LEFT, RIGHT = 0.08, 0.93
SIZE, SMALL = 8.0, 6.0  # pt
INK, FAINT, WARN = "#10243a", "#4d6073", "#a61b14"
LINE = 0.0155  # of the page's height
SMALL_LINE = 0.0102
TOP, BOTTOM = 0.955, 0.03
INDENT = 0.13
LACKED = f"{BOX} stands for a character that this font lacks."


@dataclass(frozen=True, slots=True)
class Head:
    """What stands at the top of every sheet. name: at its right.  use: what it is for.  warning: empty without one."""

    title: str
    name: str
    use: str
    warning: str


class Sheets:
    """Sheets of one report. at: how far the last one has come, as a share of the height from below."""

    def __init__(self, head: Head, foot: Sequence[str]) -> None:
        """foot: sentences at the bottom of every sheet, each from a line of its own."""
        self._head = head
        self._foot = [line for said in foot for line in broken(said, SMALL, _points(RIGHT - LEFT - 0.09))]
        self._lowest = BOTTOM + SMALL_LINE * (len(self._foot) + 1) + 0.012  # a line more may come to the foot
        self._figures: list[Figure] = []
        self.at = 0.0
        self._begin()

    def room(self, high: float) -> None:
        """Begin a new sheet where that much does not fit on this one."""
        if self.at - high < self._lowest and self.at < self._top:
            self._begin()

    @property
    def left(self) -> float:
        """How much of this sheet's height is left."""
        return self.at - self._lowest

    def skip(self, high: float) -> None:
        """Leave a space."""
        self.at -= high

    def title(self, said: str) -> None:
        """Write a section's title, never as the last line of a sheet."""
        self.room(4 * LINE)
        self._text(LEFT, said, weight="bold")
        self.at -= LINE * 1.1

    def fact(self, what: str, said: str) -> None:
        """Write a fact: what it is, and beside that what is to be said of it, on as many lines as it needs."""
        for n, line in enumerate(broken(said, SIZE, _points(RIGHT - LEFT - INDENT)) or ["–"]):
            self.room(LINE)
            if n == 0:
                self._text(LEFT, what, color=FAINT)
            self._text(LEFT + INDENT, line)
            self.at -= LINE

    def lines(self, said: str, colour: str = INK) -> None:
        """Write text over the whole width."""
        for line in broken(said, SIZE, _points(RIGHT - LEFT)):
            self.room(LINE)
            self._text(LEFT, line, color=colour)
            self.at -= LINE

    def small(self, said: str) -> None:
        """Write small print over the whole width."""
        for line in broken(said, SMALL, _points(RIGHT - LEFT)):
            self.room(SMALL_LINE)
            self._text(LEFT, line, color=FAINT, size=SMALL)
            self.at -= SMALL_LINE

    def row(self, cells: Iterable[tuple[float, str, str]], colour: str = INK) -> None:
        """Write a row of a table. cells: where, what, and on which side of that place."""
        self.room(LINE)
        for place, said, side in cells:
            self._text(place, said, ha=side, color=colour)
        self.at -= LINE

    def box(self, x: float, above: float, wide: float, high: float, colour: str) -> None:
        """Draw a box. above: of its lower edge, over the line that comes next."""
        page = self._figures[-1]
        page.add_artist(
            Rectangle((x, self.at + above), wide, high, transform=page.transFigure, color=colour, lw=0)
        )

    def picture(self, image: bytes, x: float, wide: float, high: float, title: str, size: float) -> None:
        """Draw a picture below where the sheet has come to, as large as fits; it stays where it is."""
        axes = self._figures[-1].add_axes((x, self.at - high, wide, high), anchor="NW")
        axes.imshow(np.asarray(Image.open(io.BytesIO(image)).convert("RGB")), interpolation="bilinear")
        axes.set_axis_off()
        axes.set_title(title, size=size, pad=1.5, loc="left" if wide > 0.2 else "center")

    def number(self) -> None:
        """Write the foot on every sheet, now that it is known how many there are."""
        if any(BOX in said for said in (*self._foot, *(each for sheet in self.said for each in sheet))):
            self._foot = [*self._foot, LACKED]
        style: dict[str, Any] = {"size": SMALL, "color": FAINT, "va": "bottom"}
        for n, page in enumerate(self._figures, 1):
            page.text(LEFT, BOTTOM, "\n".join(self._foot), linespacing=1.4, **style)
            page.text(RIGHT, BOTTOM, f"page {n} of {len(self._figures)}", ha="right", **style)

    @property
    def said(self) -> list[list[str]]:
        """What each sheet says, piece by piece."""
        return [[text.get_text() for text in page.texts] for page in self._figures]

    def pdf(self, title: str) -> bytes:
        """Return the sheets as a PDF file, without dates of its own: it depends on what it says alone."""
        written = io.BytesIO()
        with PdfPages(written, metadata={"CreationDate": None, "Title": title}) as file:
            for page in self._figures:
                file.savefig(page)
        return written.getvalue()

    def _begin(self) -> None:
        page = Figure(figsize=A4_IN)
        FigureCanvasPdf(page)
        self._figures.append(page)
        self.at = TOP
        self._text(LEFT, self._head.title, size=16, weight="bold")
        self._text(RIGHT, self._head.name, size=10, ha="right", family="monospace")
        self.at -= 0.028
        self._text(LEFT, self._head.use, weight="bold", color=WARN)
        self._text(RIGHT, self._head.warning, ha="right", weight="bold", color=WARN)
        self.at -= 0.024
        self._top = self.at

    def _text(self, x: float, said: str, **style: Any) -> None:
        self._figures[-1].text(x, self.at, shown(said), va="top", **style)


def _points(share: float) -> float:
    """Return a share of the page's width in points."""
    return share * A4_IN[0] * 72
