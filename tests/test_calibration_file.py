"""A calibration file says the scale and the setup that it belongs to, or is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from calibration import CalibrationRefused
from calibration.file import read_calibration
from calibration.setup import PartialSetup

GOOD = {
    "hemadiff_calibration": 1,
    "id": "100x, binning 1",
    "um_per_px": 0.0923,
    "objective": "100x oil",
    "camera": "camera 1",
    "binning": 1,
    "region": {"width": 1920, "height": 1200},
}


def file(folder: Path, **changes: Any) -> Path:
    """A good calibration file but for these keys; None leaves a key out."""
    record = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    path = folder / "calibration.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    return path


def test_a_calibration_is_read_with_its_setup(tmp_path: Path) -> None:
    calibration = read_calibration(file(tmp_path))
    assert calibration.scale.um_per_px == 0.0923
    assert calibration.scale.id == "100x, binning 1"
    assert calibration.scale.source == "stated by the calibration file calibration.json"
    assert calibration.record is None
    assert (calibration.objective, calibration.camera, calibration.binning) == ("100x oil", "camera 1", 1)
    calibration.check_frame(1920, 1200)


def test_a_frame_of_another_region_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(CalibrationRefused, match="1920 × 1200 px, not 960 × 600"):
        read_calibration(file(tmp_path)).check_frame(960, 600)


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (PartialSetup(objective="50x"), "the objective 100x oil, not 50x. Turn to its objective"),
        (PartialSetup(camera="camera 2"), "the camera camera 1, not camera 2"),
        (PartialSetup(binning=2), "the binning 1, not 2"),
    ],
)
def test_another_setup_is_refused_by_what_differs(tmp_path: Path, other: PartialSetup, sentence: str) -> None:
    with pytest.raises(CalibrationRefused, match=sentence):
        read_calibration(file(tmp_path)).check_setup(other)


def test_a_calibration_without_a_region_fits_every_frame(tmp_path: Path) -> None:
    read_calibration(file(tmp_path, region=None)).check_frame(7, 7)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"hemadiff_calibration": 3}, "is no calibration that this version reads"),
        ({"hemadiff_calibration": None}, "is no calibration that this version reads"),
        ({"hemadiff_calibration": True}, "is no calibration that this version reads"),
        ({"id": "cal-0123456789ab"}, "written as a measured record's"),
        ({"id": None}, '"id" is missing'),
        ({"id": " "}, '"id" is missing'),
        ({"um_per_px": None}, '"um_per_px" must be a number'),
        ({"um_per_px": "0.1"}, '"um_per_px" must be a number'),
        ({"um_per_px": True}, '"um_per_px" must be a number'),
        ({"um_per_px": float("nan")}, '"um_per_px" must be a number'),
        ({"um_per_px": 10**400}, '"um_per_px" must be a number'),
        ({"um_per_px": 92.3}, "not plausible"),
        ({"binning": 0}, '"binning" must be'),
        ({"region": [1920]}, '"region" must be'),
        ({"region": {"width": 0, "height": 5}}, '"region" must be'),
        ({"objective": 100}, '"objective" must be a text'),
        ({"um_per_pixel": 0.1}, 'no key "um_per_pixel"'),
    ],
)
def test_a_wrong_calibration_is_refused_by_its_key(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(CalibrationRefused, match=sentence):
        read_calibration(file(tmp_path, **changes))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"id": 1e999'])
def test_what_is_no_json_object_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "calibration.json"
    path.write_bytes(content)
    with pytest.raises(CalibrationRefused, match=r"calibration\.json"):
        read_calibration(path)


def test_a_file_that_is_missing_or_huge_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationRefused, match="cannot be read"):
        read_calibration(tmp_path / "gone.json")
    path = tmp_path / "huge.json"
    path.touch()
    os.truncate(path, 32_000_001)
    with pytest.raises(CalibrationRefused, match="too large"):
        read_calibration(path)
