"""A cell's patch as a PNG: small, exact, and what a browser shows."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from models.cells import Patch


def to_png(patch: Patch) -> bytes:
    """Return a PNG of a patch (uint8, H×W×3, RGB), without any metadata."""
    buffer = io.BytesIO()
    # Level 1: a patch is noise to a compressor, and a field waits for its patches.
    Image.fromarray(np.ascontiguousarray(patch)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
