"""Screenshots as small PNGs: a palette is enough for a page."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FLAT = 44
"""So many of the commonest colours stay exactly as they are, and so do the page's own. The rest are shared out."""
OWN = tuple(
    int(colour, 16)
    for colour in re.findall(
        r"#([0-9a-f]{6})", (Path(__file__).parents[2] / "web/static/colours.css").read_text()
    )
)
SHARED = (160, 112, 80, 56, 40, 26, 14)
ENOUGH_BYTES = 66_000
"""The first of the above with which a picture is no larger, is taken."""


def small_png(png: bytes) -> bytes:
    """Return the picture with a palette of its own. png: of any depth."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    written = b""
    for shared in SHARED:
        written = _with_palette(pixels, shared)
        if len(written) <= ENOUGH_BYTES:
            break
    return written


def _with_palette(pixels: NDArray[np.uint8], shared: int) -> bytes:
    height, width, _ = pixels.shape
    packed = pixels.reshape(-1, 3) @ np.array([65536, 256, 1])
    colours, places, counts = np.unique(packed, return_inverse=True, return_counts=True)
    order = np.argsort(-np.where(np.isin(colours, OWN), counts + packed.size, counts), kind="stable")
    of = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1).astype(np.uint8)
    palette = of[order[:FLAT]]
    if len(others := order[FLAT:]):
        palette = np.concatenate([palette, _shared(pixels, np.isin(places, others), shared)])
    picture = Image.fromarray(_nearest(of, palette)[places].reshape(height, width), "P")
    picture.putpalette(palette.tobytes())
    written = io.BytesIO()
    picture.save(written, "PNG", optimize=True)
    return written.getvalue()


def _shared(pixels: NDArray[np.uint8], chosen: NDArray[np.bool_], colours: int) -> NDArray[np.uint8]:
    """Return so many colours that stand for the chosen pixels."""
    row = Image.fromarray(pixels.reshape(-1, 3)[chosen.reshape(-1)][None, :, :])
    found = row.quantize(colours, method=Image.Quantize.MEDIANCUT).getpalette() or []
    return np.array(found, np.uint8).reshape(-1, 3)[:colours]


def _nearest(colours: NDArray[np.uint8], palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return for each colour the number of the nearest one of the palette."""
    into = palette.astype(np.int32)
    parts = [
        ((some[:, None, :].astype(np.int32) - into[None]) ** 2).sum(axis=2).argmin(axis=1)
        for some in np.array_split(colours, len(colours) // 4096 + 1)
    ]
    return np.concatenate(parts).astype(np.uint8)
