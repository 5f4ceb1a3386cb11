"""What a decoder would let pass: files cut short, damaged chunks, and depths it would quietly halve."""

from __future__ import annotations

import re
import struct
import zlib
from typing import Literal

from PIL import Image

Broken = Literal["cut short", "damaged"]

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
BITS_PER_SAMPLE = 258  # TIFF 6.0, section 8
JPEG_START_OF_SCAN, JPEG_END, JPEG_RESTART_INTERVAL = 0xDA, 0xD9, 0xDD
JPEG_RESTARTS = range(0xD0, 0xD8)
# In a scan every FF that is no marker is followed by 00 (ITU-T T.81, B.1.1.5).
JPEG_MARKER = re.compile(rb"\xff+([^\x00\xff])")


def sixteen_bit(image: Image.Image, data: bytes) -> bool:
    """Whether a channel has more than 8 bits. Pillow opens 16-bit RGB as RGB and drops the lower half."""
    if data.startswith(PNG):
        return len(data) > 24 and data[24] > 8
    bits = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, ())
    return any(depth > 8 for depth in (bits if isinstance(bits, tuple) else (bits,)))


def broken(data: bytes) -> Broken | None:
    """Say whether a file's own structure is broken; None where it is whole.

    PNG has checksums; JPEG and WebP tell only where they end; TIFF has offsets, which the decoder checks.
    """
    if data.startswith(PNG):
        return _png(data)
    if data.startswith(JPEG):
        return _jpeg(data)
    if data.startswith(b"RIFF") and len(data) >= 8:
        return "cut short" if int(struct.unpack("<I", data[4:8])[0]) + 8 > len(data) else None
    return None


def _png(data: bytes) -> Broken | None:
    """Walk the chunks: length, type, content, checksum (PNG specification, 5.3)."""
    view, at = memoryview(data), len(PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", view[at : at + 4])
        end = at + 8 + length
        if end + 4 > len(data):
            return "cut short"
        if zlib.crc32(view[at + 4 : end]) != struct.unpack(">I", view[end : end + 4])[0]:
            return "damaged"
        if data[at + 4 : at + 8] == b"IEND":
            return None
        at = end + 4
    return "cut short"


def _jpeg(data: bytes) -> Broken | None:
    """Walk the segments and scans to the end of the image (ITU-T T.81, annex B)."""
    at, restarts = 2, False
    while marker := JPEG_MARKER.match(data, at):
        code, at = marker[1][0], marker.end()
        if code == JPEG_END:
            return None
        if at + 2 > len(data):
            return "cut short"
        (length,) = struct.unpack(">H", data[at : at + 2])
        if code == JPEG_RESTART_INTERVAL:
            restarts = data[at + 2 : at + 4] != b"\0\0"
        at += length
        if code == JPEG_START_OF_SCAN:
            after = _after_scan(data, at, restarts)
            if isinstance(after, str):
                return after
            at = after
    return "cut short" if at >= len(data) else "damaged"


def _after_scan(data: bytes, at: int, restarts: bool) -> int | Broken:
    """Return where the marker after a scan begins; restart markers must be announced and in order."""
    expected = 0
    while marker := JPEG_MARKER.search(data, at):
        code = marker[1][0]
        if code not in JPEG_RESTARTS:
            return marker.start()
        if not restarts or code != JPEG_RESTARTS[expected % 8]:
            return "damaged"
        expected, at = expected + 1, marker.end()
    return "cut short"
