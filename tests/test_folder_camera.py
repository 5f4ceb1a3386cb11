"""A folder of images is a camera: one scale, a fixed order, and every unusable file on record."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders_images import ome_tiff, picture, save

from appliance.counting_scale import planned_scale
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.field_source import open_source
from appliance.folder_camera import FolderCamera
from appliance.frame import Frame, SkippedField
from appliance.plan import Plan
from calibration import CalibrationRefused, Scale

SCALE = Scale.stated(0.1)


def smear(folder: Path, count: int = 12) -> Path:
    """A folder of readable fields, field 1.png to field COUNT.png."""
    for number in range(1, count + 1):
        save(folder / f"field {number}.png", picture(seed=number))
    return folder


def names(camera: FolderCamera, first: int = 0) -> list[str]:
    return [field.name for field in camera.fields(first)]


def test_fields_come_in_natural_order_with_their_pixels(tmp_path: Path) -> None:
    camera = FolderCamera(smear(tmp_path), scale=SCALE)
    fields = list(camera.fields())
    assert [field.name for field in fields] == [f"field {number}.png" for number in range(1, 13)]
    assert [field.index for field in fields] == list(range(12))
    frame = fields[9]
    assert isinstance(frame, Frame)
    assert np.array_equal(frame.pixels, picture(seed=10))
    assert frame.calibration_id == SCALE.id
    assert camera.planned == 12
    assert not camera.simulated


def test_a_random_order_is_the_same_for_the_same_seed_and_has_every_field_once(tmp_path: Path) -> None:
    smear(tmp_path)
    one, again, other = (
        FolderCamera(tmp_path, order, SCALE) for order in ("random:1", "random:1", "random:2")
    )
    assert names(one) == names(again) != names(other)
    assert sorted(names(one)) == sorted(names(FolderCamera(tmp_path, "natural", SCALE)))


def test_a_plan_goes_on_where_it_was_left(tmp_path: Path) -> None:
    camera = FolderCamera(smear(tmp_path), "random:7", SCALE)
    rest = list(camera.fields(first=8))
    assert [field.name for field in rest] == names(camera)[8:]
    assert [field.index for field in rest] == [8, 9, 10, 11]


def test_later_fields_are_not_read_before_they_are_asked_for(tmp_path: Path) -> None:
    fields = FolderCamera(smear(tmp_path, 2), scale=SCALE).fields()
    next(fields)
    (tmp_path / "field 2.png").write_bytes(b"")
    second = next(fields)
    assert isinstance(second, SkippedField)
    assert second.reason == "empty file"


def test_an_unusable_file_is_skipped_with_its_reason_and_the_others_go_on(tmp_path: Path) -> None:
    smear(tmp_path, 3)
    save(tmp_path / "field 2.png", mode="L")
    _, skipped, last = FolderCamera(tmp_path, scale=SCALE).fields()
    assert isinstance(skipped, SkippedField)
    assert (skipped.index, skipped.name, skipped.reason) == (1, "field 2.png", "greyscale")
    assert "field 2.png" in skipped.detail
    assert isinstance(last, Frame)


def test_the_scale_may_come_from_the_first_readable_images_metadata(tmp_path: Path) -> None:
    (tmp_path / "0.tif").write_bytes(b"")
    ome_tiff(tmp_path / "1.ome.tif", "86", "nm")
    ome_tiff(tmp_path / "2.ome.tif", "0.086", "µm")
    camera = FolderCamera(tmp_path, "random:3")
    assert camera.scale.um_per_px == pytest.approx(0.086)
    assert "1.ome.tif" in camera.scale.source


def test_a_folder_whose_scale_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationRefused, match="--um-per-px"):
        FolderCamera(smear(tmp_path, 2))


def test_a_folder_in_which_nothing_can_be_read_and_nothing_says_the_scale_is_refused(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"")
    with pytest.raises(ApplianceRefused, match=r"The only image in .* cannot be used"):
        FolderCamera(tmp_path)


def test_two_scales_never_mix_in_a_run(tmp_path: Path) -> None:
    for number, size in enumerate(("0.100", "0.107", "0.093", "0.110", "0.2"), start=1):
        ome_tiff(tmp_path / f"{number}.tif", size, "µm")
    kinds = [
        field.reason if isinstance(field, SkippedField) else "counted"
        for field in FolderCamera(tmp_path, scale=SCALE).fields()
    ]
    assert kinds == ["counted", "counted", "counted", "other scale", "other scale"]


def test_metadata_that_no_microscope_has_is_no_scale_but_one_skipped_image(tmp_path: Path) -> None:
    ome_tiff(tmp_path / "1.tif", "90")
    ome_tiff(tmp_path / "2.tif", "0.1")
    camera = FolderCamera(tmp_path)
    assert camera.scale.um_per_px == 0.1
    first, second = camera.fields()
    assert isinstance(first, SkippedField)
    assert (first.name, first.reason) == ("1.tif", "other scale")
    assert isinstance(second, Frame)


def test_a_name_that_is_not_utf_8_is_said_with_its_bytes_escaped(tmp_path: Path) -> None:
    where = tmp_path / os.fsdecode(b"\xe4")
    save(where / "1.png")
    os.rename(where / "1.png", os.fsencode(where) + b"/feld \xe4.png")
    (where / os.fsdecode(b"\xff.png")).write_bytes(b"")
    camera = FolderCamera(where, scale=SCALE)
    frame, skipped = camera.fields()
    said = (camera.name, frame.name, skipped.name, skipped.detail)  # type: ignore[union-attr]
    assert said[:3] == (f"folder:{tmp_path}/\\xe4", "feld \\xe4.png", "\\xff.png")
    "".join(said).encode("utf-8")


def test_a_frame_of_another_size_than_the_calibrations_is_skipped(tmp_path: Path) -> None:
    smear(tmp_path, 1)
    save(tmp_path / "field 2.png", picture(50, 60))
    calibration = tmp_path / "calibration.json"
    region = {"width": 60, "height": 40}
    calibration.write_text(
        json.dumps({"hemadiff_calibration": 1, "id": "100x", "um_per_px": 0.1, "region": region})
    )
    camera = open_source(Plan(camera=f"folder:{tmp_path}", calibration=str(calibration)))
    first, second = camera.fields()
    assert camera.scale.id == "100x"
    assert isinstance(first, Frame)
    assert isinstance(second, SkippedField)
    assert second.reason == "other setup"
    assert '"100x" belongs to frames of 60 × 40 px, not 60 × 50' in second.detail


def test_a_stated_scale_goes_before_a_calibration_file(tmp_path: Path) -> None:
    plan = Plan(camera=f"folder:{smear(tmp_path, 1)}", um_per_px=0.2, calibration="/nowhere.json")
    assert open_source(plan).scale.um_per_px == 0.2


def test_a_folder_that_vanishes_stops_the_camera_instead_of_skipping_the_rest(tmp_path: Path) -> None:
    folder = smear(tmp_path / "stick", 3)
    fields = FolderCamera(folder, scale=SCALE).fields()
    next(fields)
    shutil.rmtree(folder)
    with pytest.raises(ApplianceError, match="is gone"):
        next(fields)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ApplianceRefused, match="There is no folder"):
        FolderCamera(tmp_path / "gone", scale=SCALE)


def test_an_order_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    for order in ("backwards", "random", "random:x", "natural:1"):
        with pytest.raises(ApplianceRefused, match="There is no order"):
            FolderCamera(smear(tmp_path, 1), order, SCALE)


def test_a_simulated_microscope_says_so_and_keeps_its_own_scale() -> None:
    camera = open_source(Plan(camera="simulated:3"))
    assert camera.simulated


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"um_per_px": 0.5}, "Leave the pixel size out"),
        ({"calibration": "/100x.json"}, "Leave the calibration out"),
        ({"order": "random:3"}, "Leave the order out"),
    ],
)
def test_a_simulated_microscope_takes_no_other_scale_or_order(said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ApplianceRefused, match=sentence):
        open_source(Plan(camera="simulated:3", **said))


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (Plan("simulated"), "simulated, 100x: 0.1 µm/px"),
        (Plan("folder:/smear", um_per_px=0.1, um_per_px_source="settings"), "settings: 0.1 µm/px"),
        (Plan("folder:/smear", calibration="/lab/100x.json"), "calibration file 100x.json"),
        (Plan("folder:/smear"), "from the images' metadata"),
    ],
)
def test_where_the_scale_will_come_from_is_known_before_the_camera_is_opened(plan: Plan, says: str) -> None:
    assert planned_scale(plan).id == says
