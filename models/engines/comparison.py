"""The processor's answers and an engine's, side by side: whether the engine may count. Pure.

What is asked of an engine that computes in floating point, and of one that computes in eight bits, is in `criteria`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.engines.names import EnginePrecision

FEWEST_CELLS = 500  # of fewer, one alone would be more than the 0.2 % that may differ
SAME_CELL_UM = 3.0  # two finds nearer than that are one cell: half of a small lymphocyte's width
PERCENTILE = 99.0
LISTED = 20
ROUNDED = 1e-9  # shares of whole cells, as floating point has them


@dataclass(frozen=True, slots=True)
class Criteria:
    """What is asked of an engine.

    labels_equal: the least share of cells that are named alike.  probability: how far a cell's probabilities may be
    off for 99 % of the cells; None for as far as they like.  accuracy: how far, in points (%), the share of cells named
    rightly may be off; None likewise.  fewest: cells to judge by.
    """

    labels_equal: float
    probability: float | None
    accuracy: float | None
    fewest: int = FEWEST_CELLS


IN_FLOATING_POINT = Criteria(labels_equal=0.998, probability=0.01, accuracy=None)
IN_EIGHT_BITS = Criteria(labels_equal=0.99, probability=None, accuracy=0.3)


@dataclass(frozen=True, slots=True, eq=False)
class FoundCell:
    """A cell in a field. x_um, y_um: from the field's upper left corner.  label: None where its window leaves it.

    findings: what specialists add.  probabilities: those of the single view and those after guidance, one after the
    other; None without a label.
    """

    x_um: float
    y_um: float
    label: str | None
    findings: tuple[str, ...] = ()
    probabilities: NDArray[np.float32] | None = None

    @property
    def said(self) -> str:
        """Its label and findings, in words."""
        return " with ".join([self.label or "at the border", *self.findings])


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What was said of a reference set. cells: calibrated probabilities of each cell, N×outputs.

    fields: the cells found in each field.
    """

    outputs: tuple[str, ...]
    cells: NDArray[np.float32]
    fields: tuple[tuple[FoundCell, ...], ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an engine may count, what was measured by name, and what there is to say, most important first."""

    passed: bool
    measured: dict[str, float]
    said: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """A cell of a field as both found it; None for whoever did not."""

    field: int
    processor: FoundCell | None
    engine: FoundCell | None

    @property
    def alike(self) -> bool:
        one, other = self.processor, self.engine
        if one is None or other is None:
            return False
        return one.label == other.label and sorted(one.findings) == sorted(other.findings)


def criteria(precision: EnginePrecision | None) -> Criteria:
    """Return what is asked of an engine. precision: TensorRT's; None for the network's own floating point."""
    return IN_EIGHT_BITS if precision is EnginePrecision.INT8 else IN_FLOATING_POINT


def compare(
    processor: Answers, engine: Answers, truth: Sequence[str | None], asked: Criteria, name: str
) -> Verdict:
    """Return whether an engine may count. processor, engine: what both said of one reference set.

    truth: what each cell really is, None where nobody knows.  name: what sentences call the engine.
    A cell of a field that only one of them found is one that they name differently.
    Raises ValueError where the two are not of one reference set.
    """
    shapes = processor.cells.shape, engine.cells.shape
    if shapes[0] != shapes[1] or processor.outputs != engine.outputs or len(truth) != shapes[0][0]:
        raise ValueError("answers to two different reference sets cannot be compared")
    pairs = [
        pair
        for number, both in enumerate(zip(processor.fields, engine.fields, strict=True), 1)
        for pair in _paired(number, *both)
    ]
    best = [answers.cells.argmax(axis=1) for answers in (processor, engine)]
    differing = [pair for pair in pairs if not pair.alike]
    unlike = int(np.sum(best[0] != best[1])) + len(differing)
    compared = len(truth) + len(pairs)
    off = _off(processor, engine, pairs)
    right = [
        _accuracy(answers.outputs, each, truth)
        for answers, each in zip((processor, engine), best, strict=True)
    ]
    measured = {
        "cells compared": float(compared),
        "labels equal": (compared - unlike) / compared if compared else math.nan,
        "probability off, 99th percentile": float(np.percentile(off, PERCENTILE)) if off.size else math.nan,
        "cells in fields": float(len(pairs)),
        "cells in fields that differ": float(len(differing)),
    }
    if not any(math.isnan(share) for share in right):
        measured |= {"accuracy on the processor": right[0], "accuracy": right[1]}
    failures = tuple(_failures(measured, unlike, asked))
    return Verdict(not failures, measured, (*failures, *_of_fields(pairs, differing, name)))


def _failures(measured: dict[str, float], unlike: int, asked: Criteria) -> Iterator[str]:
    """What does not hold, a sentence each."""
    compared = round(measured["cells compared"])
    if compared < asked.fewest:
        yield f"{compared} cells are too few to judge by: it takes {asked.fewest}."
        return
    if measured["labels equal"] < asked.labels_equal - ROUNDED:
        yield (
            f"{unlike} of {compared} cells are named differently: {100 * measured['labels equal']:.2f} % are named "
            f"alike, and {100 * asked.labels_equal:g} % are asked for."
        )
    off = measured["probability off, 99th percentile"]
    if asked.probability is not None and not off <= asked.probability:
        yield (
            f"Probabilities are off by {off:.4f} for one cell in a hundred, and {asked.probability:g} is the most that "
            "may be."
        )
    if asked.accuracy is not None:
        rights = measured.get("accuracy", math.nan), measured.get("accuracy on the processor", math.nan)
        points = 100 * abs(rights[0] - rights[1])
        if not points <= asked.accuracy + ROUNDED:
            yield (
                f"{100 * rights[0]:.2f} % of the cells are named rightly, {100 * rights[1]:.2f} % by the processor: "
                f"{asked.accuracy:g} points is the most that may lie between."
            )


def _of_fields(pairs: Sequence[_Pair], differing: Sequence[_Pair], name: str) -> Iterator[str]:
    """How the counts of the fields compare, and every cell that differs."""
    if not differing:
        yield f"The counts of the fields are equal, cell by cell ({len(pairs)} cells)."
        return
    counts = [
        Counter(cell.label for cell in cells if cell is not None and cell.label is not None)
        for cells in ([pair.processor for pair in pairs], [pair.engine for pair in pairs])
    ]
    equal = "equal" if counts[0] == counts[1] else "not equal"
    yield f"The counts of the fields are {equal}: {len(differing)} of {len(pairs)} cells differ."
    for pair in differing[:LISTED]:
        place = pair.processor or pair.engine
        assert place is not None
        one, other = ("not found" if cell is None else cell.said for cell in (pair.processor, pair.engine))
        yield (
            f"Field {pair.field}, x {place.x_um:.1f}, y {place.y_um:.1f} µm: {one} on the processor, {other} on {name}."
        )
    if len(differing) > LISTED:
        yield f"And {len(differing) - LISTED} more."


def _paired(number: int, processor: Sequence[FoundCell], engine: Sequence[FoundCell]) -> Iterator[_Pair]:
    """Every cell that either found in a field, the nearest of the other's beside it."""
    left = list(engine)
    for cell in processor:
        near = min(left, key=lambda other: _apart(cell, other), default=None)
        if near is not None and _apart(cell, near) <= SAME_CELL_UM:
            left.remove(near)
            yield _Pair(number, cell, near)
        else:
            yield _Pair(number, cell, None)
    for cell in left:
        yield _Pair(number, None, cell)


def _apart(one: FoundCell, other: FoundCell) -> float:
    return math.hypot(one.x_um - other.x_um, one.y_um - other.y_um)


def _off(processor: Answers, engine: Answers, pairs: Sequence[_Pair]) -> NDArray[np.float64]:
    """How far off each cell's probabilities are: the most that any of them is."""
    of_cells = np.abs(processor.cells.astype(np.float64) - engine.cells).max(axis=1, initial=0.0)
    of_fields = [
        float(np.abs(pair.processor.probabilities.astype(np.float64) - pair.engine.probabilities).max())
        for pair in pairs
        if pair.processor is not None
        and pair.engine is not None
        and pair.processor.probabilities is not None
        and pair.engine.probabilities is not None
    ]
    return np.concatenate([of_cells, np.array(of_fields, np.float64)])


def _accuracy(outputs: Sequence[str], best: NDArray[np.intp], truth: Sequence[str | None]) -> float:
    """The share of cells named rightly, of those that the networks have a name for; not a number without any."""
    known = [(outputs[i], true) for i, true in zip(best.tolist(), truth, strict=True) if true in outputs]
    return sum(said == true for said, true in known) / len(known) if known else math.nan
