"""When enough cells are counted.

300 are enough unless a percentage that decides the diagnosis is in doubt, then 500 (ICSH guideline for bone
marrow specimens, Lee et al. 2008). So the run looks three times, at the least number, half-way and at the
most, and each time asks whether the 99 % interval of a watched label contains one of its decision limits.
Three looks at 99 % keep the chance of a wrong early stop under 3 %.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance.interval import clopper_pearson
from appliance.tally import Tally

LOOK_CONFIDENCE = 0.99


@dataclass(frozen=True, slots=True)
class Doubt:
    """A watched label whose 99 % interval contains decision limits. limits: those, in percent.

    percent: its share of the cells that count.  low, high: the 99 % interval of that, in percent.
    """

    label: str
    title: str
    limits: tuple[float, ...]
    percent: float
    low: float
    high: float

    @property
    def within(self) -> str:
        """The limits as one reads them out, such as "5 or 10"."""
        return " or ".join(f"{limit:g}" for limit in self.limits)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to stop, why (for a person), and how many cells the run now aims at.

    doubts: a phrase for each watched label in doubt at this look; empty between looks.  near: all of them in short.
    limits: the same, in parts.
    """

    stop: bool
    reason: str
    aim: int
    doubts: tuple[str, ...] = ()
    near: str = ""
    limits: tuple[Doubt, ...] = ()


def looks(min_cells: int, max_cells: int) -> tuple[int, ...]:
    """Return the counts at which the run looks: the least, half-way, the most (each once)."""
    return tuple(sorted({min_cells, (min_cells + max_cells) // 2, max_cells}))


def stopping_rule(before: Tally, after: Tally, min_cells: int, max_cells: int) -> Verdict:
    """Whether the field between two tallies ends the count.

    A look happens in the field in which the count first reaches its number, and the field counts whole.
    Only the two tallies decide, so a resumed run decides as an uninterrupted one.
    """
    numbers = looks(min_cells, max_cells)
    aim = next((number for number in numbers if number > after.counted), max_cells)
    if not any(before.counted < number <= after.counted for number in numbers):
        reason = f"{after.counted} of {aim} cells counted."
        return Verdict(False, reason, aim)
    doubts, limits = in_doubt(after), doubts_of(after)
    if after.counted >= max_cells:
        return Verdict(True, most_said(after, max_cells), aim, doubts, _near(after), limits)
    if doubts:
        return Verdict(
            False, f"Counting goes on to {aim}: {'; '.join(doubts)}.", aim, doubts, _near(after), limits
        )
    reached = max(number for number in numbers if number <= after.counted)
    return Verdict(True, enough_said(after, reached), reached)


def most_said(tally: Tally, max_cells: int) -> str:
    """Return why a count with this tally ends at the most cells that it takes."""
    doubts = in_doubt(tally)
    rest = f" Still in doubt: {'; '.join(doubts)}." if doubts else ""
    whole = ", and its last field counts whole" if tally.counted > max_cells else ""
    return f"{tally.counted} cells counted; a count ends at {max_cells}{whole}.{rest}"


def enough_said(tally: Tally, reached: int) -> str:
    """Return why a count with this tally, of which nothing is in doubt, ends at that look."""
    watched = " and no watched percentage is in doubt" if tally.rules.watched else ""
    return f"{tally.counted} cells counted; {reached} are enough{watched}."


def in_doubt(tally: Tally) -> tuple[str, ...]:
    """Return a phrase for each watched label whose 99 % interval contains one of its decision limits."""
    return tuple(
        f"{doubt.title} {doubt.percent:.1f} % (99 % interval {doubt.low:.1f} to {doubt.high:.1f} %) "
        f"may be on either side of {doubt.within} %"
        for doubt in doubts_of(tally)
    )


def _near(tally: Tally) -> str:
    return ", ".join(f"{doubt.title.lower()} is near {doubt.within} %" for doubt in doubts_of(tally))


def limits_in_doubt(tally: Tally) -> dict[str, str]:
    """Return "5 or 10" for each watched label whose 99 % interval contains these of its decision limits (%)."""
    return {doubt.label: doubt.within for doubt in doubts_of(tally)}


def doubts_of(tally: Tally) -> tuple[Doubt, ...]:
    """Return each watched label whose 99 % interval contains some of its decision limits, and which."""
    found = []
    for name, limits in tally.rules.watched.items():
        low, high = clopper_pearson(tally.count(name), tally.counted, LOOK_CONFIDENCE)
        if within := tuple(limit for limit in limits if low <= limit <= high):
            percent = 100 * tally.count(name) / tally.counted if tally.counted else 0.0
            found.append(Doubt(name, tally.rules.panel.label(name).title, within, percent, low, high))
    return tuple(found)
