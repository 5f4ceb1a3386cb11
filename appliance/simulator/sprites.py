"""Small drawn things of which a slide is made, and how they are put on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Light = NDArray[np.float32]
DRAWN_UM_PER_PX = 0.10


@dataclass(frozen=True, slots=True, eq=False)
class Sprite:
    """Something drawn once and stamped often.

    light: the share that passes, H×W×3 at `DRAWN_UM_PER_PX`, 1 at the border; its middle is the thing's centre.
    """

    light: Light
    radius_um: float

    def stamp(
        self, um_per_px: float, turn_deg: float = 0.0, grown: float = 1.0, flipped: bool = False
    ) -> Light:
        """Return it at another scale, turned, grown and mirrored; its middle stays in the middle.

        Shrinking averages over each new pixel first, so that nothing aliases and as much light is kept back.
        """
        factor = grown * DRAWN_UM_PER_PX / um_per_px
        light = np.asarray(cv2.flip(self.light, 1), dtype=np.float32) if flipped else self.light
        if factor == 1.0 and turn_deg == 0.0:
            return light
        if factor < 0.7:
            reach = 2 * round((1 / factor - 1) / 2) + 1
            far = reach // 2 + 1
            wide = cv2.copyMakeBorder(light, far, far, far, far, cv2.BORDER_CONSTANT, value=(1.0, 1.0, 1.0))
            light = np.asarray(cv2.blur(wide, (reach, reach)), dtype=np.float32)
        height, width = light.shape[:2]
        side = max(3, math.ceil(max(height, width) * factor) + 2)
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), turn_deg, factor)
        matrix[:, 2] += (side - 1) / 2 - np.array([width - 1, height - 1]) / 2
        return np.asarray(
            cv2.warpAffine(light, matrix, (side, side), flags=cv2.INTER_LINEAR, borderValue=(1.0, 1.0, 1.0)),
            dtype=np.float32,
        )


def put(canvas: Light, stamp: Light, x_px: float, y_px: float) -> None:
    """Let the canvas' light through a stamp too. x_px, y_px: where its middle goes, to the nearest pixel."""
    height, width = stamp.shape[:2]
    left, top = math.floor(x_px - width / 2 + 0.5), math.floor(y_px - height / 2 + 0.5)
    if left >= 0 and top >= 0 and left + width <= canvas.shape[1] and top + height <= canvas.shape[0]:
        view = canvas[top : top + height, left : left + width]
        cv2.multiply(view, stamp, dst=view)
        return
    x0, x1 = max(left, 0), min(left + width, canvas.shape[1])
    y0, y1 = max(top, 0), min(top + height, canvas.shape[0])
    if x0 < x1 and y0 < y1:
        canvas[y0:y1, x0:x1] *= stamp[y0 - top : y1 - top, x0 - left : x1 - left]
