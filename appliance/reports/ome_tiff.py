"""A run's fields as OME-TIFF: their pictures as they were kept, each with its pixel size and its place on the slide.

Source: the OME data model 2016-06 (Pixels: PhysicalSize; Plane: Position).
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from appliance.errors import ApplianceRefused
from appliance.field_pictures import FieldPictures
from appliance.store import Store
from appliance.store_records import FieldRecord, RunRecord
from appliance.view import RESEARCH_USE_ONLY

FROM_BIG = 2**31  # bytes of pixels: beyond, offsets of 32 bits might not reach


def write_ome_tiff(store: Store, run: RunRecord, path: Path) -> int:
    """Write the fields that still have a picture, an image each, in the plan's order; return how many they are.

    Raises ApplianceRefused where none has (pictures are kept for seven days).
    """
    pictures = FieldPictures(store)
    kept = set(pictures.numbers(run.id))
    fields = [field for field in store.fields(run.id) if field.number in kept and field.size_px is not None]
    if not fields:
        raise ApplianceRefused(
            f"The run {run.id} has no pictures of its fields any more: they are kept for seven days."
        )
    pixels = sum(3 * wide * high for field in fields for wide, high in [field.size_px or (0, 0)])
    with tifffile.TiffWriter(path, ome=True, bigtiff=pixels > FROM_BIG) as file:
        for field in fields:
            shown = np.asarray(Image.open(io.BytesIO(pictures.picture(run.id, field.number))).convert("RGB"))
            metadata = _metadata(run, field, shown.shape[1])
            file.write(shown, photometric="rgb", compression="zlib", metadata=metadata)
    return len(fields)


def _metadata(run: RunRecord, field: FieldRecord, shown_px: int) -> dict[str, Any]:
    """Return what OME-XML says of a field. shown_px: the width of its picture."""
    assert field.size_px is not None
    um_per_px = run.scale.um_per_px * field.size_px[0] / shown_px
    said: dict[str, Any] = {
        "axes": "YXS",
        "Name": f"run {run.id}, field {field.number}",
        "Description": f"{RESEARCH_USE_ONLY} Calibration {run.scale.id}.",
        "PhysicalSizeX": um_per_px,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": um_per_px,
        "PhysicalSizeYUnit": "µm",
    }
    if field.place is not None:
        said["Plane"] = {
            "PositionX": [field.place.x_um],
            "PositionXUnit": ["µm"],
            "PositionY": [field.place.y_um],
            "PositionYUnit": ["µm"],
        }
    return said
