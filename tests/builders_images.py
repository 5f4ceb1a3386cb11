"""Image files as microscopes, phones and broken disks make them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def picture(height: int = 40, width: int = 60, seed: int = 1) -> NDArray[np.uint8]:
    """A coloured picture with some structure: soft blobs, so that lossy formats keep it."""
    rng = np.random.default_rng(seed)
    small = rng.integers(60, 230, size=(height // 10, width // 10, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def save(path: Path, pixels: NDArray[Any] | None = None, mode: str | None = None, **options: Any) -> Path:
    """Write a picture; `mode` converts it first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(picture() if pixels is None else pixels)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def ome_tiff(path: Path, size: str, unit: str | None = None, pixels: NDArray[Any] | None = None) -> Path:
    """An OME-TIFF of one RGB plane with PhysicalSizeX and Y."""
    units = f' PhysicalSizeXUnit="{unit}" PhysicalSizeYUnit="{unit}"' if unit else ""
    description = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" '
        f'DimensionOrder="XYCZT" Type="uint8" SizeX="60" SizeY="40" PhysicalSizeX="{size}" '
        f'PhysicalSizeY="{size}"{units}/></Image></OME>'
    )
    return save(path, pixels, tiffinfo={270: description.encode("utf-8")})


def tiff_16_bit_rgb(path: Path) -> Path:
    """A 16-bit RGB TIFF, which Pillow cannot write and silently halves when it reads."""
    import cv2

    assert cv2.imwrite(str(path), picture().astype(np.uint16) * 257)
    return path
