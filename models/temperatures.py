"""Temperatures: what makes a network's probabilities mean what they say (Guo et al. 2017, "On calibration").

Two for each specimen, because blood and marrow are not equally hard: one for the logits of a view, and one for
the mean of all views, which averaging has made more modest than it should be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.cells import Probabilities

Logits = NDArray[np.float32]
STEPS = np.arange(30, 301) / 100


@dataclass(frozen=True, slots=True)
class Temperatures:
    """view: divides the logits of every view.  guided: the same for the log of the mean over all views."""

    view: float
    guided: float

    def of_view(self, logits: Logits) -> Probabilities:
        """Return the probabilities, N×outputs, that one view gives."""
        return _softmax(logits / np.float32(self.view))

    def of_mean(self, mean: Probabilities) -> Probabilities:
        """Return the probabilities, N×outputs, that the mean of all views stands for."""
        logs = np.log(np.maximum(mean, np.float32(1e-12)))
        return _softmax(np.asarray(logs / self.guided, np.float32))

    def as_settings(self, specimen: str) -> dict[str, float]:
        """Return both as a model card states them."""
        return {f"temperature_{specimen}": self.view, f"guided_temperature_{specimen}": self.guided}


def fitted(views: Logits, truth: Sequence[int], below: float, second: Logits | None = None) -> Temperatures:
    """Return the temperatures under which the labels are most likely.

    views: N×views×outputs logits, the centred view first.  truth: the right output of each.  below: the other
    views count where the centred one's best probability is under it.
    """
    right = np.asarray(truth)
    view = _coldest(lambda t: _unlikeliness(_softmax(views[:, 0] / np.float32(t)), right))
    each = _softmax(views / np.float32(view))
    doubtful = each[:, 0].max(axis=1) < below
    if not doubtful.any():
        return Temperatures(view, 1.0)
    if second is not None:
        each = np.asarray((each + _softmax(second)) / 2, np.float32)
    mean = each[doubtful].mean(axis=1)
    guided = _coldest(lambda t: _unlikeliness(Temperatures(view, t).of_mean(mean), right[doubtful]))
    return Temperatures(view, guided)


def _coldest(unlikeliness: Callable[[float], float]) -> float:
    return float(min(STEPS.tolist(), key=unlikeliness))


def _unlikeliness(probabilities: Probabilities, truth: NDArray[np.int_]) -> float:
    of_truth = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(of_truth, 1e-9)).mean())


def _softmax(logits: NDArray[np.float32]) -> Probabilities:
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True), dtype=np.float32)
