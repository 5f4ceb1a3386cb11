"""The table of calibration routines against the truth: how exact each is, and whether it knows how exact."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from benchmarks.calibration_geometry import Trial, Verdict, verdicts
from models.figures import shown

# Largest error: pixel sizes in per cent, the others in their own unit.
LIMITS = {
    **dict.fromkeys(("ruler: pixel size", "grid: pixel size", "grid: along x", "grid: along y"), 0.3),
    **dict.fromkeys(("stage map: pixel size", "stage map: along x", "stage map: along y"), 0.5),
    **dict.fromkeys(("backlash: onto positive", "backlash: onto negative"), 0.3),
}
LEAST_WITHIN = 0.90
SQUARED = (0.7, 1.4)
HEADINGS = (
    "what", "trials", "refused", "rms error", "largest", "claimed", "in the 95 % interval", "(error / claimed)²",
    "limit", "within it",
)  # fmt: skip


def within_limit(trials: Sequence[Trial], routine: str) -> float | None:
    """Return the share of a routine's values whose error is within its limit; None where it has no limit or values."""
    limit = LIMITS.get(routine)
    mine = [each for each in trials if each.routine == routine and each.measured is not None]
    if limit is None or not mine:
        return None
    relative = mine[0].measured is not None and mine[0].measured.unit == "µm/px"
    errors = [abs(each.error) * (100 / each.truth if relative else 1) for each in mine]
    return sum(error <= limit for error in errors) / len(errors)


def honest(verdict: Verdict) -> bool:
    """Whether claims are neither too narrow nor too wide."""
    return verdict.within >= LEAST_WITHIN and SQUARED[0] <= verdict.squared <= SQUARED[1]


def rows(trials: Sequence[Trial]) -> list[tuple[str, ...]]:
    """Return a row for each value that routines give, as `HEADINGS` says. A claim that does not hold has a star."""
    return [_row(verdict, within_limit(trials, verdict.routine)) for verdict in verdicts(trials)]


def console_table(trials: Sequence[Trial], title: str) -> Table:
    """Return the rows as a table for a terminal."""
    table = Table(*HEADINGS, title=title)
    for row in rows(trials):
        table.add_row(*row)
    return table


def markdown(trials: Sequence[Trial]) -> str:
    """Return the rows as a table for a document."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *rows(trials)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _row(verdict: Verdict, within: float | None) -> tuple[str, ...]:
    limit = LIMITS.get(verdict.routine)
    unit = f" {verdict.unit}" if verdict.unit else ""
    return (
        verdict.routine,
        str(verdict.trials),
        str(verdict.refused),
        f"{verdict.typical:.2g}{unit}",
        f"{verdict.worst:.2g}{unit}",
        f"{verdict.claimed:.2g}{unit}",
        f"{shown(100 * verdict.within, 1)} %",
        shown(verdict.squared, 2) + ("" if honest(verdict) else " *"),
        "–" if limit is None else f"{limit:g}{unit}",
        "–" if within is None else f"{100 * within:.1f} %",
    )
