"""What OME-XML says of a pixel's size.

Source: the OME data model 2016-06 (Pixels: PhysicalSizeX, PhysicalSizeXUnit, whose default is µm).
"""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

UM_PER = {
    "pm": 1e-6,
    "Å": 1e-4,
    "nm": 1e-3,
    "µm": 1.0,
    "μm": 1.0,  # the Greek letter, which many writers use instead of the micro sign
    "um": 1.0,
    "mm": 1e3,
    "cm": 1e4,
    "m": 1e6,
}
SQUARE_WITHIN = 0.01


def pixel_size_um(description: str) -> float | None:
    """Return micrometres per pixel from a TIFF's ImageDescription; None where it does not plainly say.

    Pixels that are not square within 1 % have no one size: None.
    """
    if "<OME" not in description or re.search(r"<!(DOCTYPE|ENTITY)", description, re.IGNORECASE):
        return None
    try:
        root = ElementTree.fromstring(description.strip("\0 \r\n\t"))
    except (ElementTree.ParseError, ValueError, LookupError):
        return None
    pixels = next((element for element in root.iter() if element.tag.rpartition("}")[2] == "Pixels"), None)
    if pixels is None:
        return None
    x, y = _length_um(pixels, "PhysicalSizeX"), _length_um(pixels, "PhysicalSizeY")
    if x is None or (y is not None and abs(y - x) > SQUARE_WITHIN * x):
        return None
    return x


def _length_um(pixels: ElementTree.Element, name: str) -> float | None:
    unit = UM_PER.get(pixels.get(f"{name}Unit", "µm").strip())
    try:
        value = float(pixels.get(name, ""))
    except ValueError:
        return None
    if unit is None or not math.isfinite(value) or value <= 0:
        return None
    return value * unit
