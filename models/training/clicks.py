"""Where a single cell's centre is: about the middle of its image, where somebody clicked.

Clicks lie 1 µm from the cell's centre as a rule and now and then 3 µm. Learnt as they are, they give a blurred map
of centres, low scores and a centre here and there for a second time. So each is taken for a measurement of the
centre: of the grid points around a click, the one that its distance and the network itself make most probable
(hard expectation-maximisation; the boxes of fields keep what a centre is). An untrained network leaves it at the click.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.training.field_samples import GRID, Sample, heat_map

CLICK_SPREAD = 1.0  # standard deviation of a click along each axis, in grid steps of 1.6 µm
CLICK_WITHIN = 2.5  # grid steps (4 µm)


def settled(sample: Sample, log_probability: NDArray[np.float32]) -> Sample:
    """A sample whose single cells' centres are where they most probably are.

    log_probability: of a centre at every grid point, 24×24, as the network has it now.
    """
    clicked = np.isnan(sample.size)
    if not clicked.any():
        return sample
    at, offset = sample.at.copy(), sample.offset.copy()
    rows, columns = np.mgrid[0:GRID, 0:GRID]
    for k in np.flatnonzero(clicked):
        x, y = sample.at[k, 1] + sample.offset[k, 0], sample.at[k, 0] + sample.offset[k, 1]
        square = (columns - x) ** 2 + (rows - y) ** 2
        probable = log_probability - square / (2 * CLICK_SPREAD**2)
        probable[square > CLICK_WITHIN**2] = -np.inf
        at[k] = np.unravel_index(int(probable.argmax()), probable.shape)
        offset[k] = np.clip([x - at[k, 1], y - at[k, 0]], -0.5, 0.5)
    return replace(sample, at=at, offset=offset, heat=heat_map(at, sample.size))
