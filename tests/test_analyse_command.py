"""`hemadiff analyse`: every white cell of every image, in the keys that programs rely on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders_commands import at_home, hemadiff, with_analyser
from builders_images import ome_tiff
from builders_instrument import failing_field, field, folder
from PIL import Image


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_home(tmp_path, monkeypatch)
    with_analyser(monkeypatch)


def analysed(*words: object) -> list[Any]:
    result = hemadiff("analyse", *words, "--json", "-")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def test_the_json_has_exactly_the_published_keys(tmp_path: Path) -> None:
    folder(tmp_path / "a", [field("lymphocyte")])
    (image,) = analysed(tmp_path / "a", "--um-per-px", 0.1)
    assert list(image) == ["image", "um_per_px", "engine", "model", "specimen", "cells"]
    assert image["image"] == str(tmp_path / "a" / "0.png")
    assert (image["um_per_px"], image["engine"], image["model"]) == (0.1, "pixels, no device", "pixels 1")
    assert image["cells"] == [
        {
            "x": 0.0, "y": 0.0, "radius": 60.0, "score": 0.9, "label": "lymphocyte", "probability": 0.9,
            "label_single_view": "lymphocyte", "probability_single_view": 0.9, "views": 1, "counted": True,
        }
    ]  # fmt: skip


def test_a_cell_at_the_border_is_listed_uncounted_without_a_label(tmp_path: Path) -> None:
    folder(tmp_path / "a", [field("lymphocyte", None)])
    (image,) = analysed(tmp_path / "a", "--um-per-px", 0.1)
    border = image["cells"][1]
    assert (border["label"], border["probability"], border["counted"]) == (None, None, False)
    assert (border["x"], border["label_single_view"], border["views"]) == (1.0, None, 0)


def test_what_is_outside_the_denominator_is_listed_uncounted_with_its_label(tmp_path: Path) -> None:
    folder(tmp_path / "a", [field("platelet", "unidentified", "erythroblast", "monocyte")])
    (image,) = analysed(tmp_path / "a", "--um-per-px", 0.1, "--specimen", "marrow")
    assert [(cell["label"], cell["counted"]) for cell in image["cells"]] == [
        ("platelet", False), ("unidentified", False), ("erythroblast", True), ("monocyte", True),
    ]  # fmt: skip
    (image,) = analysed(tmp_path / "a", "--um-per-px", 0.1, "--specimen", "blood")
    assert [cell["counted"] for cell in image["cells"]] == [False, False, False, True]


def test_the_specimen_is_the_settings_unless_the_command_says_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder(tmp_path / "a", [field("erythroblast")])
    of = {}
    for specimen in ("blood", "marrow"):
        monkeypatch.setenv("HEMADIFF_COUNT__SPECIMEN", specimen)
        (image,) = analysed(tmp_path / "a", "--um-per-px", 0.1)
        of[specimen] = image["cells"][0]["counted"]
        assert image["specimen"] == specimen
    assert of == {"blood": False, "marrow": True}
    (image,) = analysed(tmp_path / "a", "--um-per-px", 0.1, "--specimen", "blood")
    assert not image["cells"][0]["counted"]


def test_an_image_without_cells_is_an_empty_list_and_one_that_failed_is_not_there(tmp_path: Path) -> None:
    folder(tmp_path / "a", [field(), failing_field()])
    result = hemadiff("analyse", tmp_path / "a", "--um-per-px", 0.1, "--json", "out.json")
    assert result.exit_code == 1
    assert "1.png is dark" in result.stderr
    images = json.loads((tmp_path / "out.json").read_text())
    assert [(Path(image["image"]).name, image["cells"]) for image in images] == [("0.png", [])]


def test_unreadable_files_are_named_and_the_others_go_on(tmp_path: Path) -> None:
    folder(tmp_path / "a", [field("basophil"), field("basophil")])
    (tmp_path / "a" / "0.png").write_bytes(b"")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "a" / "grey.png")
    result = hemadiff("analyse", tmp_path / "a", "--um-per-px", 0.1, "--json", "out.json")
    assert result.exit_code == 0
    assert [Path(image["image"]).name for image in json.loads((tmp_path / "out.json").read_text())] == [
        "1.png"
    ]
    assert f"Skipped: {tmp_path / 'a' / '0.png'}" in result.stderr
    assert "grey.png" in result.stderr
    assert "1 of 3 images done, 2 skipped." in result.stderr


def test_when_no_image_can_be_used_the_command_says_so_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"not a picture")
    result = hemadiff("analyse", "a.png", "--um-per-px", 0.1, "--json", "out.json")
    assert result.exit_code == 2
    assert "None of the images can be used" in result.stderr
    assert not (tmp_path / "out.json").exists()


def test_files_and_folders_may_be_mixed_and_are_read_recursively(tmp_path: Path) -> None:
    folder(tmp_path / "a" / "deep", [field("basophil")])
    folder(tmp_path / "b", [field("monocyte")])
    images = analysed(tmp_path / "b" / "0.png", tmp_path / "a", "--um-per-px", 0.1)
    assert [image["cells"][0]["label"] for image in images] == ["monocyte", "basophil"]


def test_the_scale_comes_from_the_metadata_when_nothing_else_says_it(tmp_path: Path) -> None:
    ome_tiff(tmp_path / "a" / "x.ome.tiff", "0.125", pixels=field("monocyte"))
    (image,) = analysed(tmp_path / "a")
    assert image["um_per_px"] == 0.125
    assert image["cells"][0]["radius"] == 48.0


def test_an_image_whose_scale_nobody_says_is_refused(tmp_path: Path) -> None:
    folder(tmp_path / "a", [field("monocyte")])
    result = hemadiff("analyse", tmp_path / "a")
    assert result.exit_code == 2
    assert "--um-per-px" in result.stderr


def test_an_image_that_contradicts_the_stated_scale_is_skipped(tmp_path: Path) -> None:
    folder(tmp_path / "a", [field("monocyte")])
    ome_tiff(tmp_path / "a" / "x.ome.tiff", "0.2", pixels=field("monocyte"))
    assert [Path(image["image"]).name for image in analysed(tmp_path / "a", "--um-per-px", 0.1)] == ["0.png"]


def test_an_image_whose_metadata_say_what_no_microscope_has_is_skipped_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    ome_tiff(tmp_path / "a" / "1.ome.tiff", "90", pixels=field("monocyte"))
    ome_tiff(tmp_path / "a" / "2.ome.tiff", "0.1", pixels=field("monocyte"))
    result = hemadiff("analyse", tmp_path / "a", "--json", "out.json")
    assert result.exit_code == 0
    assert "1.ome.tiff: A pixel size of 90 µm is not plausible" in result.stderr
    assert [Path(image["image"]).name for image in json.loads(Path("out.json").read_text())] == ["2.ome.tiff"]


def test_an_image_of_another_region_than_the_calibrations_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    region = {"hemadiff_calibration": 1, "id": "100x", "um_per_px": 0.1, "region": [16, 16]}
    (tmp_path / "100x.json").write_text(json.dumps(region))
    monkeypatch.setenv("HEMADIFF_CAMERA__CALIBRATION", "100x.json")
    folder(tmp_path / "a", [field("monocyte"), np.vstack([field("monocyte"), field()])])
    result = hemadiff("analyse", tmp_path / "a", "--json", "out.json")
    assert result.exit_code == 0
    assert "frames of 16 × 16 px, not 16 × 32" in result.stderr
    assert [Path(image["image"]).name for image in json.loads(Path("out.json").read_text())] == ["0.png"]


def test_a_file_name_that_is_not_utf_8_is_written_with_its_bytes_escaped(tmp_path: Path) -> None:
    folder(tmp_path / "a", [field("monocyte"), field()])
    os.rename(tmp_path / "a" / "0.png", os.fsencode(tmp_path / "a") + b"/feld \xe4.png")
    os.rename(tmp_path / "a" / "1.png", os.fsencode(tmp_path / "a") + b"/\xff.png")
    (tmp_path / "a" / os.fsdecode(b"\xff.png")).write_bytes(b"")
    result = hemadiff("analyse", tmp_path / "a", "--um-per-px", 0.1, "--json", "out.json")
    assert result.exit_code == 0
    (image,) = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert image["image"] == f"{tmp_path}/a/feld \\xe4.png"
    assert "\\xff.png: the file is empty" in result.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere", "--um-per-px", "0.1"], "no file or folder nowhere"),
        (["a", "--um-per-px", "0.4"], "too coarse"),
        (["a", "--um-per-px", "0"], "not plausible"),
        (["a", "--um-per-px", "0.1", "--panel", "smear-12"], 'Did you mean "smear-13"'),
        (["a", "--um-per-px", "0.1", "--json", "no/such/out.json"], "no/such/out.json"),
        (["a", "--um-per-px", "0.1", "--detector", "magic"], "magic"),
        (["a", "--um-per-px", "far"], "far"),
        ([], "PATH"),
    ],
)
def test_bad_usage_is_one_sentence_and_status_two(tmp_path: Path, words: list[str], sentence: str) -> None:
    folder(tmp_path / "a", [field("monocyte")])
    result = hemadiff("analyse", *words)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_without_json_each_image_is_a_line_for_a_person(tmp_path: Path) -> None:
    folder(tmp_path / "a", [field("monocyte", "monocyte", None), field()])
    result = hemadiff("analyse", tmp_path / "a", "--um-per-px", 0.1)
    assert "0.png: 2 monocyte, 1 at the border" in result.stdout
    assert "1.png: no white cell" in result.stdout
    assert "Specimen: blood (assumed; --specimen says another)." in result.stdout
    assert "Research use only" in result.stdout


def test_one_image_and_one_cell_are_said_in_the_singular(tmp_path: Path) -> None:
    folder(tmp_path / "a", [field("lymphocyte")])
    said = hemadiff("analyse", tmp_path / "a", "--um-per-px", 0.1).stdout
    assert "1 image, 1 cell, 1 of them counts. " in said
    folder(tmp_path / "a", [field("lymphocyte"), field("lymphocyte")])
    said = hemadiff("analyse", tmp_path / "a", "--um-per-px", 0.1).stdout
    assert "2 images, 2 cells, 2 of them count. " in said
