"""A run's report: sheets of A4 as PDF, the same bytes for the same result. Drawn by Matplotlib.

The first sheet has the differential and its measures whole; many marks, long notes and signatures go on to the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from matplotlib import rc_context

from appliance.certificate import DRAWING
from appliance.reports.fitted import FONT
from appliance.reports.result import Pictured, Pictures, Result
from appliance.reports.sheets import A4_IN, FAINT, INK, LEFT, LINE, RIGHT, SIZE, SMALL_LINE, Head, Sheets
from appliance.review.notes import Note
from appliance.review.reviewed import changed_by
from appliance.review.signature import Signature, Status
from appliance.review.statement import COVERED, FORMAT
from appliance.run import State
from appliance.view import RESEARCH_USE_ONLY
from appliance.wording import number_of
from models.panel import UNIDENTIFIED

BAR, REFERENCE = "#2b8799", "#cfe8da"
COLUMNS = ((LEFT, "left"), (0.40, "right"), (0.48, "right"), (0.60, "right"), (0.72, "right"))
BARS = (0.74, RIGHT)
CELLS_A_ROW = 12
SLIDE_WIDE, SLIDE_HIGH, SLIDE_LEAST = 0.5, 0.16, 0.07
DIGITS = 12  # of an earlier signature's digest
GAP = 0.009
MEASURES = 8  # lines, with a long one or two, and the legend
BEYOND: Mapping[str, str] = {"above": "▲ ", "below": "▼ "}

_STYLE: dict[Any, Any] = {
    "font.family": FONT, "font.size": SIZE, "text.color": INK, "text.parse_math": False, "pdf.fonttype": 42,
}  # fmt: skip


def report_pdf(result: Result, pictures: Pictures) -> bytes:
    """Return the report as a PDF file."""
    sheets = report_sheets(result, pictures)
    with DRAWING, rc_context(_STYLE):
        return sheets.pdf(f"Run {result.run.id}")


def report_sheets(result: Result, pictures: Pictures) -> Sheets:
    """Return the report's sheets."""
    with DRAWING, rc_context(_STYLE):
        head = Head("White-cell differential", f"run {result.run.id}", RESEARCH_USE_ONLY, _warning(result))
        sheets = Sheets(head, list(_foot(result)))
        for what, said in _facts(result):
            sheets.fact(what, said)
        sheets.skip(GAP)
        _differential(sheets, result)
        for line in _measures(result):
            sheets.lines(line)
        sheets.skip(GAP)
        _marks(sheets, result)
        _signed(sheets, result)
        _cells(sheets, pictures.cells)
        _notes(sheets, result.notes)
        _slide(sheets, pictures.slide)
        _digests(sheets, result)
        sheets.number()
        return sheets


def _warning(result: Result) -> str:
    """Say in capitals what is no final result."""
    standing = result.standing
    if result.problems:
        return "DOES NOT FIT WHAT WAS SIGNED"
    if standing is None or standing.last is None or standing.changed:
        return "NOT A SIGNED RESULT"
    return "PRELIMINARY" if standing.last.status is Status.PRELIMINARY else ""


def _facts(result: Result) -> Iterator[tuple[str, str]]:
    run = result.run
    yield "Sample", result.sample or "none given"
    yield "Specimen", f"{run.plan.specimen}{', SIMULATED' if run.simulated else ''}; panel {run.plan.panel}"
    yield "Counted", f"{run.started:%Y-%m-%d %H:%M} UTC; {run.state}: {result.ended}"
    if breaks := result.course.breaks:
        gone_on = [each.until - each.since for each in breaks if each.until is not None]
        minutes = round(sum(gone_on, timedelta()).total_seconds() / 60)
        stands = "" if len(gone_on) == len(breaks) else "; it stands still"
        yield (
            "Stood still",
            f"{number_of(len(breaks), 'time')}, for {number_of(minutes, 'minute')} in all; "
            f"first at {breaks[0].since:%Y-%m-%d %H:%M} UTC{stands}",
        )
    yield "Standing", result.status
    if result.case is not None and result.case.history:
        by = changed_by(result.case.history)
        labels = number_of(sum(by.values()), "label")
        yield "Reviewed", f"{labels} given by people: {', '.join(f'{who} {n}' for who, n in by.items())}"
    waiting = len(result.problems) + len(run.marks)
    if waiting:
        yield "Notice", f"{number_of(waiting, 'sentence')} to know of this result, below the differential"


def _marks(sheets: Sheets, result: Result) -> None:
    """Write below the differential, which many of them would push from the first sheet."""
    for sentence in result.problems:
        sheets.fact("Check", sentence)
    for sentence in result.run.marks:
        sheets.fact("Mark", sentence)
    if result.problems or result.run.marks:
        sheets.skip(GAP)


def _differential(sheets: Sheets, result: Result) -> None:
    rows = result.tally.rows
    sheets.room((1 + len(rows) + MEASURES) * LINE)  # on one sheet, with the head of its columns
    most = max([10.0, *(row.high for row in rows), *(row.reference[1] for row in rows if row.reference)])
    _row(sheets, ("Cell", "Count", "%", "95 % limits", "Reference %"), FAINT, ("0", f"{most:.0f} %"))
    whole = result.run.state is State.COMPLETED  # else it is no differential to compare
    for row in rows:
        usual = "–" if row.reference is None else f"{row.reference[0]:g} – {row.reference[1]:g}"
        _bar(sheets, row.percent, (row.low, row.high), row.reference, most)
        limits = f"{row.low:.1f} – {row.high:.1f}"
        beyond = BEYOND.get(row.beyond or "", "") if whole else ""
        _row(sheets, (row.title, str(row.count), f"{beyond}{row.percent:.1f}", limits, usual))
    _legend(sheets, any(row.reference for row in rows) and whole)
    sheets.skip(0.004)


def _legend(sheets: Sheets, compared: bool) -> None:
    """Say what the bars are, and what stands beside a percentage."""
    middle, said = (
        -LINE * 0.42,
        [(LEFT, "▲ above, ▼ below the reference range with both 95 % limits", "left")],
    )
    keys = (
        (0.60, 0.006, BAR, "percent"),
        (0.70, 0.0012, INK, "95 % limits"),
        (0.815, 0.012, REFERENCE, "reference"),
    )
    sheets.room(LINE)
    for place, high, colour, name in keys if compared else keys[:2]:
        sheets.box(place, middle - high / 2, 0.02, high, colour)
        said.append((place + 0.025, name, "left"))
    sheets.row(said if compared else said[1:], FAINT)


def _row(
    sheets: Sheets, cells: Sequence[str], colour: str = INK, scale: tuple[str, str] | None = None
) -> None:
    """Write a row of the differential. scale: what stands at the ends of the bars, over them."""
    placed = [(place, said, side) for (place, side), said in zip(COLUMNS, cells, strict=True)]
    ends = [] if scale is None else [(BARS[0], scale[0], "left"), (BARS[1], scale[1], "right")]
    sheets.row([*placed, *ends], colour)


def _bar(
    sheets: Sheets,
    percent: float,
    limits: tuple[float, float],
    usual: tuple[float, float] | None,
    most: float,
) -> None:
    left, right = BARS
    scale = (right - left) / most
    middle = -LINE * 0.42
    if usual is not None:
        sheets.box(left + usual[0] * scale, middle - 0.006, (usual[1] - usual[0]) * scale, 0.012, REFERENCE)
    sheets.box(left, middle - 0.0032, percent * scale, 0.0064, BAR)
    sheets.box(left + limits[0] * scale, middle - 0.0006, (limits[1] - limits[0]) * scale, 0.0012, INK)


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


def _signed(sheets: Sheets, result: Result) -> None:
    """Write the last signature in full, and the earlier ones in a list."""
    standing = result.standing
    if standing is None:
        return
    sheets.title("Signatures")
    last = standing.last
    if last is not None:
        sheets.fact("Signed", f"as {last.status} by {last.who}, {last.at:%Y-%m-%d %H:%M} UTC")
        if last.note:
            sheets.fact("Its note", last.note)
    if last is None or standing.changed:
        sheets.fact("This result", "is not signed.")
    for signature in reversed(result.signed[:-1]):
        sheets.fact("Earlier", _earlier(signature))
    sheets.skip(GAP)


def _digests(sheets: Sheets, result: Result) -> None:
    """Write in small print what a signature is bound to."""
    case, standing = result.case, result.standing
    if case is None or standing is None:
        return
    last = standing.last
    signed = "" if last is None else f"Digest of what was signed last: {last.digest}. "
    unsigned = (
        f"Digest of this result, which is not signed: {case.digest}. "
        if last is None or standing.changed
        else ""
    )
    sheets.room(4 * SMALL_LINE)
    sheets.small(
        f'{signed}{unsigned}A digest (SHA-256, "{FORMAT}") covers {", ".join(COVERED.values())}; '
        "not the sample's number, the fields' numbers, notes, pictures, nor who signed and when."
    )


def _earlier(signature: Signature) -> str:
    note = f": {signature.note}" if signature.note else ""
    when = f"{signature.at:%Y-%m-%d %H:%M} UTC"
    return f"{signature.status} by {signature.who}, {when}, digest {signature.digest[:DIGITS]}…{note}"


def _notes(sheets: Sheets, notes: Sequence[Note]) -> None:
    if not notes:
        return
    sheets.title("Notes on the run")
    sheets.small("Written by those named, at the times named. They are not part of what was signed.")
    for written in notes:
        sheets.room(2 * LINE)
        sheets.lines(f"{written.who}, {written.at:%Y-%m-%d %H:%M} UTC:", FAINT)
        sheets.lines(written.text)
    sheets.skip(GAP)


def _cells(sheets: Sheets, cells: Sequence[Pictured]) -> None:
    side = (RIGHT - LEFT) / CELLS_A_ROW
    high = side * A4_IN[0] / A4_IN[1]
    for begin in range(0, len(cells), CELLS_A_ROW):
        sheets.room(high + 0.022)
        sheets.skip(0.012)  # for their labels
        for column, cell in enumerate(cells[begin : begin + CELLS_A_ROW]):
            sheets.picture(cell.png, LEFT + column * side, side * 0.94, high * 0.94, cell.label, 6)
        sheets.skip(high + 0.004)
    if cells:
        sheets.skip(GAP)


def _slide(sheets: Sheets, jpeg: bytes | None) -> None:
    if jpeg is None:
        return
    sheets.room(SLIDE_LEAST + 0.014)
    sheets.skip(0.014)
    high = min(sheets.left, SLIDE_HIGH)
    sheets.picture(jpeg, LEFT, SLIDE_WIDE, high, "The slide, as it was looked over", 6.5)
    sheets.skip(high)


def _foot(result: Result) -> Iterator[str]:
    run, standing = result.run, result.standing
    yield f"Engine {run.engine}. Weights {run.weights}. Camera {run.camera}. Hemadiff {run.version}."
    yield (
        f"Calibration {run.scale.id}: {run.scale.um_per_px:.5g} µm/px ({run.scale.source}). "
        "Limits are exact 95 % limits (Clopper and Pearson) of the counted cells."
    )
    last = standing.last if standing is not None else None
    whose = "Nothing was signed." if last is None else f"SHA-256 of what was signed last: {last.digest}."
    yield f"{whose} {RESEARCH_USE_ONLY}"
