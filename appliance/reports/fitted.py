"""Text broken to a width in the reports' own font, whatever its letters: nothing runs off a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from matplotlib.font_manager import findfont, get_font

FONT = "DejaVu Sans"
BOX = "□"
"""Stands for a character that the font lacks."""

_MEASURED_AT = 100  # pt; widths at other sizes are in proportion


def shown(text: str) -> str:
    """Return a text as the font can show it: a box for what it lacks, no control character but the end of a line."""
    font = get_font(findfont(FONT))
    plain = text.replace("\r\n", "\n").replace("\t", "    ")
    return "".join(each if each == "\n" or font.get_char_index(ord(each)) else BOX for each in plain)


def broken(text: str, size_pt: float, wide_pt: float) -> list[str]:
    """Return the lines of a text, none wider than that; its own ends of lines are kept. No line for an empty text."""
    if not text.strip():
        return []
    return [line for own in shown(text).strip().split("\n") for line in _broken(own, wide_pt / size_pt)]


def width_em(text: str) -> float:
    """Return how wide a text is, in sizes of the font."""
    return sum(_advance(each) for each in text)


def _broken(own: str, wide_em: float) -> Iterator[str]:
    """Measure every letter a few times at most: a note may be one word of thousands of letters."""
    line, wide = "", 0.0
    for piece in re.findall(r"\S+\s*|\s+", own):
        if line and wide + width_em(piece.rstrip()) > wide_em:
            yield line.rstrip()
            line, wide = "", 0.0
        *whole, rest = _cut(piece, wide_em)
        yield from whole
        line, wide = line + rest, wide + width_em(rest)
    yield line.rstrip()


def _cut(piece: str, wide_em: float) -> Iterator[str]:
    """Cut a word longer than a line. What stands last is the rest of it, with the spaces that follow it."""
    begin, wide = 0, 0.0
    for n, letter in enumerate(piece.rstrip()):
        wide += _advance(letter)
        if wide > wide_em and n > begin:
            yield piece[begin:n]
            begin, wide = n, _advance(letter)
    yield piece[begin:]


@cache
def _advance(letter: str) -> float:
    font = get_font(findfont(FONT))
    font.set_size(_MEASURED_AT, 72)
    return float(font.load_char(ord(letter)).linearHoriAdvance) / 65536 / _MEASURED_AT
