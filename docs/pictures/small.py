"""Screenshots as small PNGs: a palette is enough for a page."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FLAT = 72
"""So many of the commonest colours stay as they are: the page's own. The rest are shared out over its pictures."""


def small_png(png: bytes) -> bytes:
    """Return the picture with a palette of its own. png: of any depth."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    few = picture.quantize(palette=_palette(picture), dither=Image.Dither.NONE)
    written = io.BytesIO()
    few.save(written, "PNG", optimize=True)
    return written.getvalue()


def _palette(picture: Image.Image) -> Image.Image:
    pixels = np.asarray(picture).reshape(-1, 3)
    colours, counts = np.unique(pixels @ np.array([65536, 256, 1]), return_counts=True)
    common = colours[np.argsort(-counts, kind="stable")[:FLAT]]
    others = pixels[~np.isin(pixels @ np.array([65536, 256, 1]), common)]
    chosen = np.stack([common >> 16, common >> 8 & 255, common & 255], axis=1).astype(np.uint8)
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.concatenate([chosen, _shared(others, 256 - len(chosen))]).tobytes())
    return palette


def _shared(pixels: NDArray[np.uint8], colours: int) -> NDArray[np.uint8]:
    """Return so many colours that stand for these pixels, none where there are no pixels."""
    if not len(pixels):
        return np.zeros((0, 3), np.uint8)
    row = Image.fromarray(pixels[None, :, :])
    found = row.quantize(colours, method=Image.Quantize.MEDIANCUT, kmeans=1).getpalette() or []
    return np.array(found, np.uint8).reshape(-1, 3)[:colours]
