"""Where evenly spaced lines lie, to a pixel or two: the comb that explains most of the dark peaks across a picture.

The picture is cut into stripes along the ruler, because a ruler's lines are of different lengths: in some stripe all
are seen. Dust adds peaks and hides some; a comb that would need lines where none are is worth less.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from calibration.errors import CalibrationRefused

Plane = NDArray[np.float32]
Numbers = NDArray[np.float64]

FEWEST_LINES = 3
CLOSEST_PX = 6.0  # lines nearer to each other run into one another on the sensor
STRIPES = 8


def evenly_spaced(dark: Plane, across_deg: float, name: str) -> Numbers:
    """Which evenly spaced lines explain most of the peaks of some stripe: a, b, c of k = a·x + b·y + c."""
    height, width = dark.shape
    angle = math.radians(across_deg)
    step = 2 if min(dark.shape) > 500 else 1
    y, x = np.mgrid[0:height:step, 0:width:step]
    across = x * math.cos(angle) + y * math.sin(angle)
    along = -x * math.sin(angle) + y * math.cos(angle)
    first = float(across.min())
    places = np.rint(across - first).astype(np.intp).ravel()
    stripe = np.minimum(
        ((along - along.min()) / (np.ptp(along) + 1) * STRIPES).astype(np.intp), STRIPES - 1
    ).ravel()
    bins = int(places.max()) + 1
    index = stripe * bins + places
    few = dark[::step, ::step].ravel()
    sums = np.bincount(index, weights=few, minlength=STRIPES * bins).reshape(STRIPES, bins)
    counts = np.bincount(index, minlength=STRIPES * bins).reshape(STRIPES, bins)
    depth = float(np.percentile(few, 98.5))
    best: tuple[float, float, float] | None = None
    for total, count in zip(sums, counts, strict=True):
        enough = count >= max(2.0, 0.3 * np.median(count[count > 0]))
        profile = np.where(enough, total / np.maximum(count, 1), 0.0)
        peaks = _peaks(profile, depth)
        candidate = _even_spacing(peaks)
        if candidate is not None and (best is None or candidate[0] > best[0]):
            best = candidate
    if best is None:
        raise CalibrationRefused(
            f"{name} shows no {FEWEST_LINES} evenly spaced lines: too few of the ruler are in view, "
            "or there is no ruler. "
            "Bring at least three whole lines into view, or take a ruler with a finer pitch."
        )
    _, spacing, start = best
    if spacing < CLOSEST_PX:
        raise CalibrationRefused(
            f"The lines of {name[0].lower() + name[1:]} are {spacing:.1f} px apart: too close to be "
            "told from one another, "
            "so their spacing may be an alias. Take a coarser ruler or a stronger objective."
        )
    return np.array([math.cos(angle), math.sin(angle), -(first + start)]) / spacing


def _peaks(profile: Numbers, depth: float) -> Numbers:
    """Where a stripe's darkness peaks, to about a pixel: the middles of what is over half a line's."""
    soft = np.convolve(profile, [0.25, 0.5, 0.25], mode="same")
    tops, found = find_peaks(soft, height=0.4 * depth, prominence=0.3 * depth, width=1, rel_height=0.5)
    inside = (tops > 1) & (tops < len(soft) - 2)
    return np.asarray((found["left_ips"] + found["right_ips"])[inside] / 2, dtype=np.float64)


def _even_spacing(peaks: Numbers) -> tuple[float, float, float] | None:
    """How well the best comb explains some peaks, its spacing and where a tooth lies; None for fewer than three."""
    if len(peaks) < FEWEST_LINES:
        return None
    best: tuple[float, float, float] | None = None
    reach = range(1, min(4, len(peaks)))
    spacings = np.unique(np.concatenate([np.round(peaks[n:] - peaks[:-n], 1) for n in reach]))
    for spacing in spacings[spacings > 2.0][:400]:
        for start in peaks[: min(len(peaks), 6)]:
            k = np.rint((peaks - start) / spacing)
            near = np.abs(peaks - start - k * spacing) < 0.1 * spacing + 0.5
            teeth = np.unique(k[near])
            if len(teeth) < FEWEST_LINES:
                continue
            missing = teeth[-1] - teeth[0] + 1 - len(teeth)
            score = len(teeth) - 0.7 * missing - 0.3 * (len(peaks) - near.sum())
            if best is None or score > best[0]:
                fit = np.polyfit(k[near], peaks[near], 1)
                best = float(score), float(fit[0]), float(fit[1])
    return best if best is not None and best[0] >= FEWEST_LINES - 1 else None
