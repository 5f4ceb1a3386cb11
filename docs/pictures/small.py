"""Screenshots as small PNGs: a palette is enough for a page."""

from __future__ import annotations

import io

from PIL import Image

COLOURS = 160  # fewer, and stained cells become spots of one colour


def small_png(png: bytes) -> bytes:
    """Return the picture with a palette of its own. png: of any depth."""
    written = io.BytesIO()
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    few = picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(written, "PNG", optimize=True)
    return written.getvalue()
