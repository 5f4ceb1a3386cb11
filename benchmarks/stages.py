"""(b) The detector, the classifier and guidance alone."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.options import Options, pin
from benchmarks.pictures import Pictures, pictures
from benchmarks.row import Figure, Missing, Row, compared
from models.resample import to_scale, window

if TYPE_CHECKING:
    from benchmarks.published import PublishedMethod

BATCHES = (1, 8, 32, 64)
FIELDS = 20
PATCH_PX, PATCH_UM_PER_PX = 96, 0.20


def measure(options: Options) -> list[Figure]:
    """Return milliseconds per field and per cell."""
    cores = pin(options.cores)
    subject = pictures(min(options.cells, FIELDS), options.folder, options.simulated)
    try:
        from benchmarks.published import PublishedMethod

        published = PublishedMethod(cores)
    except ModuleNotFoundError:
        published = None
    found: list[Figure] = (
        [] if published else [Missing("b", "VGG-16", "needs PyTorch: pip install 'hemadiff[train]'")]
    )
    found += _detectors(subject, options) + _classifiers(subject, published, options)
    return found + _precisions(subject, options)


def _detectors(subject: Pictures, options: Options) -> list[Figure]:
    from models.detector import NetworkDetector
    from models.saliency import SaliencyDetector

    network, saliency = NetworkDetector(), SaliencyDetector()
    height, width = subject.fields[0].shape[:2]
    ours, published = (
        milliseconds(partial(_each, detect, subject), options.repeats)
        for detect in (network.detect, saliency.detect)
    )
    note = f"{width} × {height} px at {subject.um_per_px:g} µm/px; published: saliency"
    fields = len(subject.fields)
    return [compared("b", "detector, per field", "ms", ours / fields, published / fields, note)]


def _classifiers(subject: Pictures, published: PublishedMethod | None, options: Options) -> list[Figure]:
    from models.cascade import load_cascade

    cascade = load_cascade("smear-13", "blood")
    patches = middle_patches(subject)
    views = 1 + cascade.guidance.most_views
    found: list[Figure] = []
    for batch in BATCHES:
        some = np.resize(patches, (batch, *patches.shape[1:]))
        ours = milliseconds(partial(cascade.probabilities, some), options.repeats) / batch
        theirs = None
        if published is not None:
            repeats = max(1, options.repeats * 2 // batch)
            theirs = milliseconds(partial(published.classify, some), repeats) / batch
        found.append(
            compared("b", f"classifier, per cell, batch {batch}", "ms", ours, theirs, "published: VGG-16")
        )
    always, field = cascade.looking_always(), to_scale(subject.fields[0], subject.um_per_px, PATCH_UM_PER_PX)
    middle = (field.shape[1] / 2, field.shape[0] / 2)
    note = f"up to {views} views, by every network that is asked; added for a cell that is looked at again"
    for batch in BATCHES:
        some = np.resize(patches, (batch, *patches.shape[1:]))
        looked = partial(always.examine, field, PATCH_UM_PER_PX, [middle] * batch)
        twice, once = in_turns([looked, partial(cascade.probabilities, some)], options.repeats)
        extra = (twice - once) / batch
        found.append(compared("b", f"guidance, per guided cell, {batch} at once", "ms", extra, None, note))
    return found


def _precisions(subject: Pictures, options: Options) -> list[Figure]:
    """The classifier in eight bits and in float, in turns: the ratio travels better than either."""
    from models.cascade import load_cascade
    from models.cascade_file import Precision
    from models.errors import ModelRefused

    try:
        whole = load_cascade("smear-13", "blood", precision=Precision.INT8)
    except ModelRefused as error:
        return [Missing("b", "classifier in eight bits", str(error))]
    exact = load_cascade("smear-13", "blood", precision=Precision.FLOAT)
    patches = middle_patches(subject)
    found: list[Figure] = []
    for batch in BATCHES:
        some = np.resize(patches, (batch, *patches.shape[1:]))
        each = in_turns([partial(of.probabilities, some) for of in (whole, exact)], options.repeats)
        ours, theirs = (took / batch for took in each)
        note = "ratio: float over eight-bit, taken in turns"
        found.append(
            Row(
                "b",
                f"classifier in eight bits, per cell, batch {batch}",
                "ms",
                ours,
                None,
                theirs / ours,
                note,
            )
        )
        found.append(Row("b", f"classifier in float, per cell, batch {batch}", "ms", theirs))
    return found


def _each(detect: Callable[[NDArray[np.uint8], float], object], subject: Pictures) -> None:
    for field in subject.fields:
        detect(field, subject.um_per_px)


def middle_patches(subject: Pictures) -> NDArray[np.uint8]:
    """Return the middle 19.2 µm of each field, as N×96×96×3."""
    scaled = [to_scale(field, subject.um_per_px, PATCH_UM_PER_PX) for field in subject.fields]
    patches = [window(field, field.shape[1] / 2, field.shape[0] / 2, PATCH_PX) for field in scaled]
    return np.stack([patch for patch in patches if patch is not None])


def milliseconds(work: Callable[[], object], repeats: int) -> float:
    """Return the median time of one call, after one that does not count."""
    return in_turns([work], repeats)[0]


def in_turns(works: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Return the median time of one call of each, after one that does not count, all taken in turns, in ms."""
    took: list[list[float]] = [[] for _ in works]
    for turn in range(repeats + 1):
        for work, times in zip(works, took, strict=True):
            began = time.perf_counter()
            work()
            if turn:
                times.append(time.perf_counter() - began)
    return [1000 * statistics.median(times) for times in took]
