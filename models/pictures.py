"""Small pictures of cells, as a page carries them within itself."""

from __future__ import annotations

import base64

import cv2
import numpy as np
from numpy.typing import NDArray

SHOWN_PX = 192  # twice a patch: the outline of what speaks for a label stays thin
DARKEST = 0.3
OUTLINED_FROM = 0.5


def as_address(pixels: NDArray[np.uint8]) -> str:
    """Return a ``data:`` address of an H×W×3 RGB picture (PNG)."""
    _, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return "data:image/png;base64," + base64.b64encode(data.tobytes()).decode("ascii")


def spotlight(patch: NDArray[np.uint8], weight: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a patch (H×W×3 RGB) lit where `weight` is high, 192×192×3; its colours stay those of the stain.

    weight: rows×columns, coarser than the patch, 0 or more; only its shares of its own maximum matter. The line
    runs where it is half of that. A patch of no weight stays dark.
    """
    size = (SHOWN_PX, SHOWN_PX)
    light = cv2.resize(weight / max(float(weight.max()), 1e-9), size, interpolation=cv2.INTER_CUBIC).clip(
        0, 1
    )
    picture = cv2.resize(patch, size, interpolation=cv2.INTER_CUBIC)
    lit = np.round(picture * (DARKEST + (1 - DARKEST) * light[..., None])).astype(np.uint8)
    outlines, _ = cv2.findContours(
        (light >= OUTLINED_FROM).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE
    )
    for grey, width in ((0, 3), (255, 1)):
        cv2.drawContours(lit, outlines, -1, (grey, grey, grey), width, cv2.LINE_AA)
    return lit


def boxed(
    pixels: NDArray[np.uint8], edges: tuple[float, float, float, float], margin: float = 0.6
) -> NDArray[np.uint8]:
    """Return what lies around a box of a field (left, top, right, bottom, px), 192×192×3, the box drawn.

    margin: how much more than the box is seen on each side, in parts of its longer side.
    """
    left, top, right, bottom = edges
    reach = round(max(right - left, bottom - top, 1.0) * (0.5 + margin))
    across, down = round((left + right) / 2), round((top + bottom) / 2)
    framed = np.pad(pixels, ((reach, reach), (reach, reach), (0, 0)), constant_values=255)
    around = framed[max(0, down) : down + 2 * reach, max(0, across) : across + 2 * reach]
    scale = SHOWN_PX / (2 * reach)
    seen = cv2.resize(
        around, (SHOWN_PX, SHOWN_PX), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    )
    first, last = (
        (round((x - across) * scale + SHOWN_PX / 2), round((y - down) * scale + SHOWN_PX / 2))
        for x, y in ((left, top), (right, bottom))
    )
    for grey, width in ((0, 3), (255, 1)):
        cv2.rectangle(seen, first, last, (grey, grey, grey), width, cv2.LINE_AA)
    return np.asarray(seen, dtype=np.uint8)
