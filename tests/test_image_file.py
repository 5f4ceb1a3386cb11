"""Image files are read whole and as they were meant, or refused with the reason."""

from __future__ import annotations

import io
import os
import random
import zlib
from pathlib import Path

import numpy as np
import pytest
from builders_images import ome_tiff, picture, save, tiff_16_bit_rgb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from appliance import image_file
from appliance.errors import ApplianceRefused
from appliance.image_file import ImageRefused, find_images, read_image

LOSSLESS = {
    "a.png": {},
    "a.tif": {},
    "lzw.tiff": {"compression": "tiff_lzw"},
    "a.webp": {"lossless": True},
}
LOSSY = {"a.jpg": {"quality": 92}, "progressive.jpeg": {"progressive": True}, "lossy.webp": {"quality": 90}}


def refused(path: Path) -> ImageRefused:
    with pytest.raises(ImageRefused) as caught:
        read_image(path)
    assert str(caught.value).startswith(str(path)), "the sentence names the file"
    return caught.value


@pytest.mark.parametrize("name", LOSSLESS)
def test_a_lossless_picture_is_read_exactly(tmp_path: Path, name: str) -> None:
    image = read_image(save(tmp_path / name, **LOSSLESS[name]))
    assert image.pixels.dtype == np.uint8
    assert np.array_equal(image.pixels, picture())
    assert image.um_per_px is None


@pytest.mark.parametrize("name", LOSSY)
def test_a_lossy_picture_keeps_its_colours_in_their_order(tmp_path: Path, name: str) -> None:
    pixels = read_image(save(tmp_path / name, **LOSSY[name])).pixels
    assert np.abs(pixels.astype(int) - picture()).mean() < 6


def test_jpeg_compressed_tiff_is_read(tmp_path: Path) -> None:
    pixels = read_image(save(tmp_path / "a.tif", compression="jpeg", quality=95)).pixels
    assert np.abs(pixels.astype(int) - picture()).mean() < 6


@pytest.mark.parametrize(
    ("size", "unit", "um_per_px"),
    [
        ("0.1", "µm", 0.1),
        ("0.1", None, 0.1),
        ("86.25", "nm", 0.08625),
        ("0.0002", "mm", 0.2),
        ("0.1", "μm", 0.1),
    ],
)
def test_ome_tiff_says_its_pixel_size(tmp_path: Path, size: str, unit: str | None, um_per_px: float) -> None:
    assert read_image(ome_tiff(tmp_path / "a.ome.tif", size, unit)).um_per_px == pytest.approx(um_per_px)


@pytest.mark.parametrize(
    ("size", "unit"), [("1", "pixel"), ("zero", "µm"), ("0", "µm"), ("-1", "µm"), ("inf", "µm")]
)
def test_a_pixel_size_that_says_nothing_is_no_pixel_size(tmp_path: Path, size: str, unit: str) -> None:
    assert read_image(ome_tiff(tmp_path / "a.ome.tif", size, unit)).um_per_px is None


def test_metadata_that_would_expand_is_not_expanded(tmp_path: Path) -> None:
    bomb = b'<!DOCTYPE OME [<!ENTITY a "0.1">]><OME><Image><Pixels PhysicalSizeX="&a;"/></Image></OME>'
    assert read_image(save(tmp_path / "a.tif", tiffinfo={270: bomb})).um_per_px is None


def test_resolution_in_dots_per_inch_is_not_taken_for_a_scale(tmp_path: Path) -> None:
    assert read_image(save(tmp_path / "a.tif", dpi=(72, 72))).um_per_px is None


@pytest.mark.parametrize(
    ("name", "mode", "reason"),
    [
        ("grey.png", "L", "greyscale"),
        ("grey.jpg", "L", "greyscale"),
        ("grey.tif", "L", "greyscale"),
        ("bilevel.png", "1", "greyscale"),
        ("grey-alpha.png", "LA", "greyscale"),
        ("deep-grey.png", "I;16", "16 bit"),
        ("deep-grey.tif", "I;16", "16 bit"),
        ("print.jpg", "CMYK", "CMYK"),
        ("print.tif", "CMYK", "CMYK"),
        ("palette.png", "P", "palette"),
        ("lab.tif", "LAB", "colour space"),
    ],
)
def test_colours_that_are_not_8_bit_rgb_are_refused(
    tmp_path: Path, name: str, mode: str, reason: str
) -> None:
    path = tmp_path / name
    if mode == "I;16":
        Image.fromarray(picture()[:, :, 0].astype(np.uint16) * 257).save(path)
    elif mode == "LAB":
        Image.fromarray(picture(), "LAB").save(path)
    else:
        save(path, mode=mode)
    error = refused(path)
    assert error.reason == reason
    assert "8-bit RGB" in str(error)


def test_16_bit_rgb_is_refused_although_the_decoder_would_halve_it(tmp_path: Path) -> None:
    assert refused(tiff_16_bit_rgb(tmp_path / "deep.tif")).reason == "16 bit"
    assert refused(tiff_16_bit_rgb(tmp_path / "deep.png")).reason == "16 bit"


def test_a_monochrome_camera_in_an_rgb_file_is_refused(tmp_path: Path) -> None:
    grey = np.repeat(picture()[:, :, :1], 3, axis=2)
    assert refused(save(tmp_path / "mono.png", grey)).reason == "greyscale"


def test_a_blank_field_is_a_picture(tmp_path: Path) -> None:
    blank = np.full((40, 60, 3), 240, np.uint8)
    assert np.array_equal(read_image(save(tmp_path / "blank.png", blank)).pixels, blank)


def test_opaque_alpha_is_dropped_and_real_transparency_refused(tmp_path: Path) -> None:
    opaque = np.dstack([picture(), np.full((40, 60), 255, np.uint8)])
    assert np.array_equal(read_image(save(tmp_path / "opaque.png", opaque)).pixels, picture())
    opaque[3, 3, 3] = 254
    assert refused(save(tmp_path / "clear.png", opaque)).reason == "transparent"


def test_a_picture_is_turned_upright_as_viewers_show_it(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it a quarter turn clockwise
    pixels = read_image(save(tmp_path / "turned.png", exif=exif)).pixels
    assert np.array_equal(pixels, np.rot90(picture(), -1))


def test_several_pictures_in_one_file_are_refused(tmp_path: Path) -> None:
    other = [Image.fromarray(picture(seed=2))]
    for name in ("pages.tif", "moving.webp", "moving.png"):
        path = save(tmp_path / name, save_all=True, append_images=other)
        assert refused(path).reason == "several pictures"


def test_a_giant_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "giant.png"
    Image.new("RGB", (20_000, 4_001), (200, 180, 190)).save(path)
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("decoded"))
    error = refused(path)
    assert error.reason == "too large"
    assert "20000 × 4001" in str(error)


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    data = bytearray(save(tmp_path / "a.png").read_bytes())
    data[16:24] = (60_000).to_bytes(4) * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4)
    path = tmp_path / "bomb.png"
    path.write_bytes(data)
    assert refused(path).reason == "too large"


def test_a_file_larger_than_any_field_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "endless.tif"
    with path.open("wb") as file:
        file.truncate(image_file.MAX_BYTES + 1)  # sparse: takes no space
    assert refused(path).reason == "too large"


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.png"
    path.touch()
    assert refused(path).reason == "empty file"


def test_text_named_png_is_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "notes.png"
    path.write_text("These are not the cells that you are looking for.\n" * 50)
    assert refused(path).reason == "not a picture"


def test_a_picture_of_a_kind_that_we_do_not_read_is_refused(tmp_path: Path) -> None:
    assert refused(save(tmp_path / "a.png", format="BMP")).reason == "not a picture"


def test_a_wrong_suffix_does_not_matter(tmp_path: Path) -> None:
    assert np.array_equal(read_image(save(tmp_path / "a.jpg", format="PNG")).pixels, picture())


def test_a_file_that_is_gone_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "gone.png").reason == "unreadable"


def test_a_folder_named_like_a_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    assert refused(tmp_path / "folder.png").reason == "unreadable"


@pytest.mark.parametrize("name", [*LOSSLESS, *LOSSY])
def test_a_file_cut_short_anywhere_is_never_a_picture(tmp_path: Path, name: str) -> None:
    whole = save(tmp_path / name, **{**LOSSLESS, **LOSSY}[name]).read_bytes()
    path = tmp_path / f"cut-{name}"
    kinds = set()
    last = len(whole) - 2 if name.endswith(("tif", "tiff")) else len(whole)
    for length in [*range(1, last, max(1, len(whole) // 150)), last - 1]:
        path.write_bytes(whole[:length])
        kinds.add(refused(path).reason)
    assert "cut short" in kinds
    assert kinds <= {"cut short", "damaged", "not a picture"}


def test_every_damaged_png_is_found(tmp_path: Path) -> None:
    whole = save(tmp_path / "a.png").read_bytes()
    path = tmp_path / "damaged.png"
    rng = random.Random(3)
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(damaged) - 4)] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        refused(path)


def encoded(name: str) -> bytes:
    buffer = io.BytesIO()
    options = {**LOSSLESS, **LOSSY}[name]
    Image.fromarray(picture()).save(buffer, Image.registered_extensions()[Path(name).suffix], **options)
    return buffer.getvalue()


ENCODED = {name: encoded(name) for name in (*LOSSLESS, *LOSSY)}


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(ENCODED)),
    damage=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6
    ),
    end=st.floats(0, 1),
    cut=st.booleans(),
)
def test_damaged_bytes_give_a_refusal_or_a_picture_and_nothing_else(
    tmp_path: Path, name: str, damage: list[tuple[float, int]], end: float, cut: bool
) -> None:
    data = bytearray(ENCODED[name])
    for place, value in damage:
        data[int(place * len(data))] = value
    path = tmp_path / name
    path.write_bytes(data[: int(end * len(data))] if cut else data)
    try:
        pixels = read_image(path).pixels
    except ImageRefused:
        return
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    if name.endswith(".png"):
        assert np.array_equal(pixels, picture()), "a PNG has checksums: it is right or refused"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\0", b"RIFF"]),
    rest=st.binary(),
)
def test_noise_is_never_a_picture(tmp_path: Path, start: bytes, rest: bytes) -> None:
    path = tmp_path / "noise.png"
    path.write_bytes(start + rest)
    refused(path)


def test_images_are_found_in_natural_order_below_a_folder(tmp_path: Path) -> None:
    for name in (
        "field 10.png",
        "field 9.PNG",
        "field 1.jpg",
        "b/2.webp",
        "b/10.tif",
        "b/notes.txt",
        ".hidden.png",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "thumbnail.png").touch()
    found = [path.relative_to(tmp_path).as_posix() for path in find_images([tmp_path])]
    assert found == ["b/2.webp", "b/10.tif", "field 1.jpg", "field 9.PNG", "field 10.png"]


def test_a_file_that_is_named_is_found_once_whatever_its_suffix(tmp_path: Path) -> None:
    one, other = save(tmp_path / "1.png"), tmp_path / "picture.dat"
    other.touch()
    assert find_images([other, tmp_path, one]) == [other, one]


def test_a_missing_or_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ApplianceRefused, match="no images"):
        find_images([tmp_path])
    with pytest.raises(ApplianceRefused, match="There is no file or folder"):
        find_images([tmp_path / "gone"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    with pytest.raises(ApplianceRefused, match="cannot be read"):
        find_images([tmp_path])
