"""How far two readers agree beyond chance: Cohen's κ, for all labels and for each against the rest.

Sources: Cohen 1960, Educational and Psychological Measurement 20:37 (κ); Fleiss, Cohen and Everitt 1969,
Psychological Bulletin 72:323, equation 13 (its large-sample standard error, for limits).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NORMAL_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Kappa:
    """Agreement beyond chance.

    cells: how many both read.  observed, by_chance: shares of agreement (0 to 1), None of no cells.
    kappa: 1 is full agreement, 0 what chance gives; None where it cannot be said.
    standard_error, low, high: large-sample, 95 %; None where κ is not known, or where all agree (the formula then
    gives no width, which is not certainty).
    said: why something is None, for a person; empty otherwise.
    """

    cells: int
    observed: float | None
    by_chance: float | None
    kappa: float | None
    standard_error: float | None
    low: float | None
    high: float | None
    said: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two readings of the same cells.

    labels: those that either gave, in clinical order.  table: cells by the first reading's label (rows) and the
    second's (columns), in that order.  whole: κ of the table.  by_label: κ of each label against all others.
    """

    labels: tuple[str, ...]
    table: tuple[tuple[int, ...], ...]
    whole: Kappa
    by_label: Mapping[str, Kappa]


def agreement(first: Mapping[int, str], second: Mapping[int, str], order: Sequence[str]) -> Agreement:
    """Compare two readings over the cells that both read.

    first, second: labels by cell.  order: every label there is, in clinical order.
    Raises ValueError for a label that is not in it.
    """
    pairs = [(first[cell], second[cell]) for cell in first if cell in second]
    seen = {label for pair in pairs for label in pair}
    if unknown := seen - set(order):
        raise ValueError(f"labels without a place in the order: {', '.join(sorted(unknown))}")
    labels = tuple(label for label in order if label in seen)
    place = {label: at for at, label in enumerate(labels)}
    counts = [[0] * len(labels) for _ in labels]
    for one, other in pairs:
        counts[place[one]][place[other]] += 1
    table = tuple(map(tuple, counts))
    return Agreement(
        labels, table, kappa(table), {label: kappa(_against_rest(table, place[label])) for label in labels}
    )


def kappa(table: Sequence[Sequence[int]]) -> Kappa:
    """Return Cohen's κ of a square table of counts, with its standard error and 95 % limits."""
    cells = sum(map(sum, table))
    if not cells:
        return Kappa(0, None, None, None, None, None, None, "No cell was read by both.")
    every = range(len(table))
    rows = [sum(table[i]) for i in every]
    columns = [sum(table[i][j] for i in every) for j in every]
    agreed = sum(table[i][i] for i in every)
    chance = sum(
        rows[i] * columns[i] for i in every
    )  # in whole numbers: exact where it decides what is degenerate
    observed, by_chance = agreed / cells, chance / cells**2
    if chance == cells**2:
        said = "Both gave every cell the same one label: there is nothing that κ could tell from chance."
        return Kappa(cells, observed, by_chance, None, None, None, None, said)
    value = (observed - by_chance) / (1 - by_chance)
    if agreed == cells:
        said = "Both agree on every cell. The limits of κ are not known from that."
        return Kappa(cells, observed, by_chance, 1.0, None, None, None, said)
    if cells in (*rows, *columns):
        said = "One of the two gave every cell the same label, so κ is 0 whatever the other said."
        return Kappa(cells, observed, by_chance, 0.0, None, None, None, said)
    error = _standard_error(table, rows, columns, observed, by_chance)
    low, high = max(-1.0, value - NORMAL_95 * error), min(1.0, value + NORMAL_95 * error)
    return Kappa(cells, observed, by_chance, value, error, low, high, "")


def _standard_error(
    table: Sequence[Sequence[int]],
    rows: Sequence[int],
    columns: Sequence[int],
    observed: float,
    by_chance: float,
) -> float:
    """Fleiss, Cohen and Everitt 1969, equation 13, for a κ that need not be 0."""
    n, every = sum(rows), range(len(rows))
    agreed = sum(
        table[i][i] / n * ((1 - by_chance) - (rows[i] + columns[i]) / n * (1 - observed)) ** 2 for i in every
    )
    differed = sum(
        table[i][j] / n * ((columns[i] + rows[j]) / n) ** 2 for i in every for j in every if i != j
    )
    rest = (observed * by_chance - 2 * by_chance + observed) ** 2
    variance = (agreed + (1 - observed) ** 2 * differed - rest) / (n * (1 - by_chance) ** 4)
    return math.sqrt(max(0.0, variance))  # rounding may leave it a hair under 0


def _against_rest(table: Sequence[Sequence[int]], at: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the two-by-two table of one label against all others."""
    both = table[at][at]
    first = sum(table[at]) - both
    second = sum(row[at] for row in table) - both
    return (both, first), (second, sum(map(sum, table)) - both - first - second)
