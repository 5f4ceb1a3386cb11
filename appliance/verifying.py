"""The verification of an engine on this box: the reference set by it and by the processor, and the verdict."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.correction import evened
from appliance.frame import Analyser, Frame, Point
from calibration import Scale
from calibration.flat_field import FlatField
from calibration.measured import Measured
from models import AnalysisError, Cell
from models.cells import Probabilities
from models.engines.comparison import Answers, Criteria, FoundCell, compare, criteria
from models.engines.reference_set import ReferenceSet, in_batches
from models.engines.verified import Subject, Verification

BLOCKS = 16  # to a side of the flat field
CORNERS = 0.85  # of the middle's light that its corners get, as if the lamp were off centre once more
DARK = 1.5  # levels

Told = Callable[[int], object]
"""Is told how many more cells and fields were asked about."""


class Examined(Analyser, Protocol):
    """An analyser that can be asked about single cells too."""

    def probabilities(self, patches: NDArray[np.uint8]) -> Probabilities:
        """Return what its cascade says of single views."""


def verify(
    subject: Subject,
    reference: ReferenceSet,
    expected: Answers,
    engine: Callable[[], Examined],
    at: datetime,
    told: Told = lambda more: None,
    asked: Criteria | None = None,
) -> Verification:
    """Return whether an engine may count on this box.

    expected: what the processor says of the reference set, with the same float weights.  engine: loads the analyser.
    at: when (aware).  told: is told of `work(reference)` cells and fields in all.
    asked: by itself what the subject's precision asks for.
    An engine that fails on the way has failed. Raises ModelRefused and EngineRefused as loading does.
    """
    analyser = engine()
    try:
        found = answers(analyser, reference, told)
    except AnalysisError as error:
        return Verification(subject, False, at, {}, (str(error),))
    verdict = compare(
        expected, found, reference.truth, asked or criteria(subject.precision), str(subject.engine)
    )
    measured = {**verdict.measured, "cells of the laboratory's own": float(reference.own)}
    return Verification(subject, verdict.passed, at, measured, verdict.said)


def work(reference: ReferenceSet) -> int:
    """Return how many cells and fields an analyser is asked about."""
    return len(reference.truth) + len(reference.fields)


def answers(analyser: Examined, reference: ReferenceSet, told: Told = lambda more: None) -> Answers:
    """Return what an analyser says of a reference set. Raises AnalysisError.

    The second half of the fields is made even first, so that this is compared too.
    """
    cells = in_batches(analyser.probabilities, reference.patches, told)
    scale = Scale.stated(reference.um_per_px, "reference set")
    half = len(reference.fields) // 2
    found = []
    for number, pixels in enumerate(reference.fields):
        if number == half:
            height, width = pixels.shape[:2]
            looks: Analyser = evened(analyser, _uneven_light(width, height))
        elif number == 0:
            looks = analyser
        frame = Frame(number, f"reference field {number + 1}", pixels, Point(0, 0), 0, None, None, scale.id)
        found.append(tuple(_found(cell) for cell in looks.analyse(frame, scale)))
        told(1)
    return Answers(analyser.outputs, cells, tuple(found))


def _found(cell: Cell) -> FoundCell:
    opinion = cell.opinion
    if opinion is None:
        return FoundCell(cell.x_um, cell.y_um, None)
    said = np.concatenate([opinion.single_view, opinion.probabilities])
    return FoundCell(cell.x_um, cell.y_um, opinion.label, opinion.findings, said)


def _uneven_light(width: int, height: int) -> FlatField:
    across, down = np.linspace(-1, 1, BLOCKS), np.linspace(-1, 1, BLOCKS)
    fall = (across[None, :] ** 2 + down[:, None] ** 2) / 2
    light = np.repeat((1 - (1 - CORNERS) * fall)[..., None], 3, axis=2).astype(np.float32)
    dark = np.full_like(light, DARK)
    return FlatField(width, height, light, dark, Measured(CORNERS, 0.0, ""), 0.0)
