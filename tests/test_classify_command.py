"""`hemadiff classify`: the cell in the middle of each image, and its name where there is one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders_commands import PixelCascade, at_home, centred, hemadiff
from builders_images import ome_tiff
from builders_instrument import SAYS, folder

from appliance.commands.classify import answer_said

CASCADE = PixelCascade()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_home(tmp_path, monkeypatch)
    CASCADE.centres.clear()
    monkeypatch.setattr("models.cascade.load_cascade", lambda *_: CASCADE)


def test_the_json_has_exactly_the_published_keys(tmp_path: Path) -> None:
    folder(tmp_path / "a", [centred("eosinophil")])
    result = hemadiff("classify", tmp_path / "a", "--um-per-px", 0.1, "--json", "-")
    assert result.exit_code == 0
    (image,) = json.loads(result.stdout)
    assert list(image) == [
        "image", "um_per_px", "engine", "model", "specimen", "label", "probability", "probabilities", "views",
    ]  # fmt: skip
    assert (image["um_per_px"], image["engine"], image["model"]) == (0.1, "pixels, no device", "pixels 1")
    assert image["specimen"] == "blood"
    assert (image["label"], image["probability"], image["views"]) == ("eosinophil", 0.76, 1)
    assert list(image["probabilities"]) == list(SAYS)
    assert image["probabilities"]["eosinophil"] == 0.76


def test_the_cell_is_looked_for_in_the_middle_of_the_image(tmp_path: Path) -> None:
    folder(tmp_path / "a", [centred("monocyte", height=20, width=33)])
    hemadiff("classify", tmp_path / "a", "--um-per-px", 0.1, "--json", "-")
    assert CASCADE.centres == [(16.5, 10.0)]


def test_a_cell_that_no_probability_decides_is_unidentified(tmp_path: Path) -> None:
    folder(tmp_path / "a", [centred("unidentified")])
    result = hemadiff("classify", tmp_path / "a", "--um-per-px", 0.1, "--json", "-")
    (image,) = json.loads(result.stdout)
    assert (image["label"], image["views"]) == ("unidentified", 5)


def test_an_image_too_small_for_a_cell_is_named_and_skipped(tmp_path: Path) -> None:
    folder(tmp_path / "a", [centred("monocyte"), centred("monocyte", height=6, width=6)])
    result = hemadiff("classify", tmp_path / "a", "--um-per-px", 0.1, "--json", "out.json")
    assert result.exit_code == 0
    assert "1.png: 6 × 6 px at 0.1 µm/px are too small" in result.stderr
    assert len(json.loads((tmp_path / "out.json").read_text())) == 1


def test_when_no_image_can_be_used_the_status_is_two(tmp_path: Path) -> None:
    folder(tmp_path / "a", [centred("monocyte", height=6, width=6)])
    assert hemadiff("classify", tmp_path / "a", "--um-per-px", 0.1).exit_code == 2


def test_what_the_settings_calibration_does_not_fit_is_skipped_here_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    region = {"hemadiff_calibration": 1, "id": "100x", "um_per_px": 0.1, "region": [24, 16]}
    (tmp_path / "100x.json").write_text(json.dumps(region))
    monkeypatch.setenv("HEMADIFF_CAMERA__CALIBRATION", "100x.json")
    folder(tmp_path / "a", [centred("monocyte"), centred("monocyte", height=20)])
    ome_tiff(tmp_path / "a" / "x.tif", "90", pixels=centred("monocyte"))
    result = hemadiff("classify", tmp_path / "a", "--json", "out.json")
    assert result.exit_code == 0, result.stderr
    assert "1.png: The calibration" in result.stderr
    assert "x.tif: its metadata says 90 µm/px" in result.stderr
    assert len(json.loads((tmp_path / "out.json").read_text())) == 1


def test_a_scale_too_coarse_for_the_weights_is_refused_before_any_image(tmp_path: Path) -> None:
    folder(tmp_path / "a", [centred("monocyte")])
    result = hemadiff("classify", tmp_path / "a", "--um-per-px", 0.3)
    assert result.exit_code == 2
    assert "too coarse" in result.stderr
    assert CASCADE.centres == []


def test_without_json_each_image_is_a_line_for_a_person(tmp_path: Path) -> None:
    folder(tmp_path / "a", [centred("monocyte")])
    result = hemadiff("classify", tmp_path / "a", "--um-per-px", 0.1)
    assert "0.png: monocyte (76 %)" in result.stdout
    assert "Research use only" in result.stdout


@pytest.mark.parametrize(
    ("label", "probabilities", "said"),
    [
        ("unidentified", {"blast": 0.48, "monocyte": 0.3}, "no name reaches 50 % (best guess blast, 48 %)"),
        ("unidentified", {"blast": 0.4996, "monocyte": 0.3}, "no name reaches 50 % (best guess blast, 49 %)"),
        ("unidentified", {"blast": 0.02, "not_identifiable": 0.98}, "unidentified (not_identifiable, 98 %)"),
    ],
)
def test_the_screen_tells_an_undecided_cell_from_one_that_the_network_calls_not_identifiable(
    label: str, probabilities: dict[str, float], said: str
) -> None:
    result = {"label": label, "probability": max(probabilities.values()), "probabilities": probabilities}
    assert said in answer_said(result, 0.5)


def test_the_screen_says_as_which_specimen_the_images_were_looked_at(tmp_path: Path) -> None:
    folder(tmp_path / "a", [centred("monocyte")])
    command = ("classify", tmp_path / "a", "--um-per-px", 0.1)
    assert "Specimen: blood (assumed; --specimen says another)." in hemadiff(*command).stdout
    assert "Specimen: marrow. " in hemadiff(*command, "--specimen", "marrow").stdout


def test_a_panel_without_weights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    at_home(tmp_path, monkeypatch)
    folder(tmp_path / "a", [centred("monocyte")])
    result = hemadiff("classify", tmp_path / "a", "--um-per-px", 0.1, "--panel", "blood-8")
    assert result.exit_code == 2
    assert "no weights for the panel blood-8" in result.stderr


def test_one_image_is_said_in_the_singular(tmp_path: Path) -> None:
    folder(tmp_path / "a", [centred("monocyte")])
    said = hemadiff("classify", tmp_path / "a", "--um-per-px", 0.1).stdout
    assert said.splitlines()[-1].startswith("1 image. ")
