"""Image files as they come from microscopes: read one whole and as it was meant, or say why not.

PNG, JPEG, TIFF, OME-TIFF and WebP, 8 bits a channel, RGB. Nothing is converted by guessing: a greyscale,
16-bit or CMYK file is refused, because a network that looks at a converted picture would still name cells.
"""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from appliance.errors import ApplianceRefused
from appliance.file_name import printable
from appliance.image_bytes import JPEG, PNG, Broken, broken, sixteen_bit
from appliance.ome import pixel_size_um

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")
FORMATS = ("PNG", "JPEG", "TIFF", "WEBP")
# Larger than any microscope camera's frame, smaller than what Pillow warns of; decoded, 240 MB.
MAX_PIXELS = 80_000_000
IMAGE_DESCRIPTION = 270  # TIFF 6.0, section 8
STARTS = (PNG, JPEG)
MAX_BYTES = 512 * 1024 * 1024
COLOUR = {
    "1": ("greyscale", "is black and white"),
    "L": ("greyscale", "is a greyscale picture"),
    "LA": ("greyscale", "is a greyscale picture"),
    "La": ("greyscale", "is a greyscale picture"),
    "F": ("greyscale", "is a greyscale picture"),
    "I": ("16 bit", "has 16 or 32 bits a channel"),
    "P": ("palette", "has a palette of at most 256 colours"),
    "PA": ("palette", "has a palette of at most 256 colours"),
    "CMYK": ("CMYK", "is in printing colours (CMYK)"),
    "LAB": ("colour space", "is in the colour space Lab"),
    "HSV": ("colour space", "is in the colour space HSV"),
}

# Our own limit is the stricter one, and comes with a sentence.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class ImageRefused(ApplianceRefused):
    """An image file that cannot be used. ``reason``: its kind, the same for every such file."""

    def __init__(self, path: Path, reason: str, sentence: str) -> None:
        super().__init__(f"{printable(path)}: {sentence}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True, eq=False)
class ImageFile:
    """A picture and what its file says of its scale.

    pixels: uint8, H×W×3, RGB, upright as viewers show it (the EXIF orientation is applied).
    um_per_px: from OME-XML metadata; None where the file does not say.
    """

    pixels: NDArray[np.uint8]
    um_per_px: float | None


def read_image(path: Path) -> ImageFile:
    """Read one image file.

    Raises ImageRefused, naming the file, for anything but a whole 8-bit RGB picture. Damage in a file without
    checksums (JPEG, WebP, uncompressed TIFF) shows only where it breaks the file's structure.
    """
    return decoded(path, _bytes(path))


def decoded(path: Path, data: bytes) -> ImageFile:
    """Read the content of an image file, as `read_image` does. path: what to call it in a refusal."""
    try:
        with warnings.catch_warnings():
            # What Pillow merely warns of ("Truncated File Read") is a damaged file here.
            warnings.filterwarnings("error", category=UserWarning, module="PIL")
            return _decode(path, data)
    except ImageRefused:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(path) from error
    except UnidentifiedImageError as error:
        if data.startswith(STARTS):
            raise _broken(path, broken(data) or "damaged") from error
        raise ImageRefused(
            path, "not a picture", "this is no PNG, JPEG, TIFF or WebP picture, whatever its name says."
        ) from error
    except MemoryError as error:
        raise ImageRefused(path, "too large", "there is not enough memory to read it.") from error
    except Exception as error:  # decoders raise almost any type for damaged bytes
        raise _broken(path, broken(data) or _as_decoder_says(error)) from error


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_BYTES:
                raise ImageRefused(
                    path, "too large", f"the file has {size >> 20} MB; {MAX_BYTES >> 20} MB are the most."
                )
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ImageRefused(path, "unreadable", f"it cannot be read: {error.strerror or error}.") from error
    if not data:
        raise ImageRefused(path, "empty file", "the file is empty (0 bytes). Copy it again from its source.")
    return data


def _decode(path: Path, data: bytes) -> ImageFile:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise _too_large(path, image.size)
        # A phone's JPEG may carry a preview behind its picture (MPO); that is still one picture.
        if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
            raise ImageRefused(
                path, "several pictures", "it holds several pictures. Save each field as a file of its own."
            )
        _refuse_colours(path, image, data)
        if kind := broken(data):
            raise _broken(path, kind)
        um_per_px = pixel_size_um(_description(image))
        image.load()
        pixels = _rgb(path, _upright(image))
    return ImageFile(pixels, um_per_px)


def _refuse_colours(path: Path, image: Image.Image, data: bytes) -> None:
    if image.mode.startswith("I;") or sixteen_bit(image, data):
        raise _colours(path, "16 bit", "has 16 or 32 bits a channel")
    if image.mode not in ("RGB", "RGBA", "YCbCr"):
        raise _colours(path, *COLOUR.get(image.mode, ("colour space", f"is in the colour mode {image.mode}")))


def _colours(path: Path, reason: str, what: str) -> ImageRefused:
    return ImageRefused(path, reason, f"it {what}. Save it as 8-bit RGB in the colours that the camera saw.")


def _rgb(path: Path, image: Image.Image) -> NDArray[np.uint8]:
    """Return uint8 H×W×3; refuse transparency that hides something, and greyscale in an RGB file."""
    if image.mode == "RGBA":
        if image.getchannel("A").getextrema() != (255, 255):
            raise ImageRefused(
                path, "transparent", "parts of it are transparent. Save it without an alpha channel."
            )
        image = image.convert("RGB")
    elif image.mode == "YCbCr":
        image = image.convert("RGB")
    pixels = np.array(image, dtype=np.uint8)
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise _colours(path, "colour space", f"is in the colour mode {image.mode}")
    red, green, blue = (pixels[:, :, channel] for channel in range(3))
    # A field that is one flat colour is an empty field; texture without any colour is a monochrome camera.
    if np.array_equal(red, green) and np.array_equal(green, blue) and red.min() != red.max():
        raise _colours(path, "greyscale", "is a greyscale picture in an RGB file")
    return pixels


def _upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - unreadable EXIF says nothing; the picture itself is whole
        return image
    return image if orientation == 1 else ImageOps.exif_transpose(image)


def _description(image: Image.Image) -> str:
    if image.format != "TIFF":
        return ""
    text = getattr(image, "tag_v2", {}).get(IMAGE_DESCRIPTION, "")
    if not isinstance(text, str):
        return ""
    try:
        return text.encode("latin-1").decode("utf-8")  # Pillow reads as Latin-1 what OME writes as UTF-8
    except UnicodeError:
        return text


def _broken(path: Path, kind: Broken) -> ImageRefused:
    what = "the file is cut short" if kind == "cut short" else "its content is damaged and cannot be decoded"
    return ImageRefused(path, kind, f"{what}. Copy it again from its source.")


def _as_decoder_says(error: Exception) -> Broken:
    return "cut short" if re.search("truncated|not large enough", str(error), re.IGNORECASE) else "damaged"


def _too_large(path: Path, size: tuple[int, int] | None = None) -> ImageRefused:
    what = f"{size[0]} × {size[1]} px" if size else "its size"
    return ImageRefused(
        path,
        "too large",
        f"{what} is more than {MAX_PIXELS // 1_000_000} megapixels. Give fields, not scans of whole slides.",
    )


def find_images(paths: Iterable[Path]) -> list[Path]:
    """Return every image file: files as given, folders recursively, each once and in natural order.

    Hidden files and files of other kinds in a folder are passed over.
    Raises ApplianceRefused for a path that is missing, a folder that cannot be read or has no images.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            images = sorted(_images_in(path), key=lambda image: natural_key(image.relative_to(path)))
            if not images:
                raise ApplianceRefused(
                    f"{printable(path)} holds no images ({', '.join(SUFFIXES)}). Give a folder that does."
                )
            found.update(dict.fromkeys(images))
        elif path.exists():
            found[path] = None
        else:
            raise ApplianceRefused(f"There is no file or folder {printable(path)}. Check its spelling.")
    return list(found)


def _images_in(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise ApplianceRefused(
            f"The folder {printable(error.filename)} cannot be read: {error.strerror}."
        ) from error

    for root, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                yield Path(root, name)


def natural_key(path: Path) -> tuple[tuple[tuple[int, int, str], ...], ...]:
    """Return a key that sorts ``field 9`` before ``field 10``, folder by folder, whatever the case."""
    return tuple(
        (*(_chunk(chunk) for chunk in re.split(r"([0-9]+)", part.casefold())), (2, 0, part))
        for part in path.parts
    )


def _chunk(chunk: str) -> tuple[int, int, str]:
    return (0, int(chunk), chunk) if chunk.isascii() and chunk.isdecimal() else (1, 0, chunk)
