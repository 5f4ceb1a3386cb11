"""What several closed-loop counts say together: pooled shares, and how often 95 % limits ought to hold.

A count's limits hold the slide's own percentage less often than 95 times in 100, because names are sometimes wrong.
How often is predicted by a simulation: as many cells as the count had are drawn by the slide's percentages, each is
missed or given a name by the errors that the *other* counts of the same kind made, and limits are put around the
percentages of the names as a run does. Where limits hold less often than that, something else is wrong too.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from appliance.interval import clopper_pearson

TRIALS = 400
PRIOR = 1.0  # of a right name, for labels that the other counts hardly saw


@dataclass(frozen=True, slots=True)
class Count:
    """One count that has ended.

    truth: of `hemadiff count --truth`.  names: how often a true label was given a label (None: missed).
    limits: the 95 % limits (%) of each label of the differential.  true_percent: the slide's own.
    """

    specimen: str
    cells: str
    seed: int
    fields: int
    seconds: float
    truth: Mapping[str, float]
    names: Mapping[tuple[str, str | None], int]
    limits: Mapping[str, tuple[float, float]]
    true_percent: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "specimen": self.specimen,
            "cells": self.cells,
            "seed": self.seed,
            "fields": self.fields,
            "seconds": self.seconds,
            "truth": dict(self.truth),
            "names": [[label, given, n] for (label, given), n in self.names.items()],
            "limits": {label: list(both) for label, both in self.limits.items()},
            "true_percent": dict(self.true_percent),
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Count:
        """Return what `to_json` wrote."""
        return cls(
            **{
                **said,
                "names": {(label, given): n for label, given, n in said["names"]},
                "limits": {label: (low, high) for label, (low, high) in said["limits"].items()},
            }
        )


@dataclass(frozen=True, slots=True)
class Pooled:
    """Several counts as one. Names as in `appliance.simulator.comparison.Comparison`.

    recall_by_label: of the found cells of a label, the share that has its name.
    covering, covering_predicted: share of all limits that hold the slide's percentage, and that ought to.
    """

    seeds: int
    fields: int
    true_cells: int
    counted: int
    detection_recall: float
    detection_precision: float
    classification_accuracy: float
    system_accuracy: float
    counted_twice: int
    at_edge: int
    artefacts_counted: float
    covering: float
    covering_predicted: float
    recall_by_label: Mapping[str, float]


def pooled(counts: Sequence[Count], trials: int = TRIALS) -> Pooled:
    """Pool counts. Each share is over all cells together; coverage is over all limits together."""
    names: Counter[tuple[str, str | None]] = Counter()
    for count in counts:
        names.update(count.names)
    wanted = sum(names.values())
    found = {pair: n for pair, n in names.items() if pair[1] is not None}
    right = sum(n for (label, given), n in found.items() if label == given)
    counted = int(sum(count.truth["counted"] for count in counts))
    held = [
        low <= count.true_percent[label] <= high
        for count in counts
        for label, (low, high) in count.limits.items()
    ]
    return Pooled(
        seeds=len(counts),
        fields=sum(count.fields for count in counts),
        true_cells=wanted,
        counted=counted,
        detection_recall=_share(sum(found.values()), wanted),
        detection_precision=_weighted(counts, "detection_precision"),
        classification_accuracy=_share(right, sum(found.values())),
        system_accuracy=_share(right, wanted),
        counted_twice=int(sum(count.truth["counted_twice"] for count in counts)),
        at_edge=int(sum(count.truth["at_edge"] for count in counts)),
        artefacts_counted=_weighted(counts, "artefacts_counted"),
        covering=float(np.mean(held)) if held else math.nan,
        covering_predicted=predicted_covering(counts, trials),
        recall_by_label=_recall_by_label(found),
    )


def predicted_covering(counts: Sequence[Count], trials: int = TRIALS) -> float:
    """Return the share of limits that ought to hold the slide's percentage, given how often names are wrong.

    Each count's errors are taken from the other ones with the same specimen and kind of cells, so that no count
    predicts itself. NaN where a count has no other.
    """
    shares = []
    for count in counts:
        others = [
            each
            for each in counts
            if each is not count and (each.specimen, each.cells) == (count.specimen, count.cells)
        ]
        if not others:
            return math.nan
        shares.append(_one_predicted(count, others, trials))
    return float(np.mean(np.concatenate(shares))) if shares else math.nan


def _one_predicted(count: Count, others: Sequence[Count], trials: int) -> Sequence[float]:
    """How often the limits of each label held in so many trials."""
    asked: Counter[str] = Counter()
    for (label, _), n in count.names.items():
        asked[label] += n
    labels = list(count.limits)
    outside = [label for label in asked if label not in labels]  # erythroblasts in blood
    given_as = _errors([*labels, *outside], labels, others)
    chances = np.array([count.true_percent[label] for label in labels]) / 100
    rng = np.random.default_rng(count.seed)
    inside = sum(asked[label] for label in labels)
    held = np.zeros(len(labels))
    for _ in range(trials):
        true = [*rng.multinomial(inside, chances), *(asked[label] for label in outside)]
        seen = np.sum([rng.multinomial(n, row) for n, row in zip(true, given_as, strict=True)], axis=0)[:-1]
        total = int(seen.sum())
        for k, label in enumerate(labels):
            low, high = clopper_pearson(int(seen[k]), total)
            held[k] += low <= count.true_percent[label] <= high
    return list(held / trials)


def _errors(true: Sequence[str], given: Sequence[str], counts: Sequence[Count]) -> np.ndarray[Any, Any]:
    """Return for each true label the chances of each given one, and last of none that is counted."""
    table = np.zeros((len(true), len(given) + 1))
    for row, label in enumerate(true):
        table[row, given.index(label) if label in given else -1] = PRIOR
    for count in counts:
        for (label, name), n in count.names.items():
            if label in true:
                table[true.index(label), given.index(name) if name in given else -1] += n
    return np.asarray(table / table.sum(axis=1, keepdims=True))


def _recall_by_label(found: Mapping[tuple[str, str | None], int]) -> dict[str, float]:
    all_of: Counter[str] = Counter()
    for (label, _), n in found.items():
        all_of[label] += n
    return {label: _share(found.get((label, label), 0), n) for label, n in sorted(all_of.items())}


def _weighted(counts: Sequence[Count], name: str) -> float:
    """Return the mean of a share of the counted cells, each count as heavy as it has counted cells."""
    return _share(
        sum(count.truth[name] * count.truth["counted"] for count in counts),
        sum(count.truth["counted"] for count in counts),
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
