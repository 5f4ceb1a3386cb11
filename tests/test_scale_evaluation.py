"""`hemadiff evaluate scales`: the same cells at other pixel sizes, stated right and wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from builders_data import small_data_set
from builders_networks import brightness_network, write_cascade
from click.testing import CliRunner

from appliance.cli import cli
from models.cascade import Cascade, load_cascades
from models.data import LabelledCell, labelled_cells
from models.errors import ModelRefused
from models.scale_chart import draw_scales
from models.scale_evaluation import ScaleEvaluation, evaluate_scales, sample, surrounded


def plainly(cells: Iterable[LabelledCell], _: str) -> Iterable[LabelledCell]:
    return cells


def cascades(folder: Path, above: float = 0.6) -> dict[str, Cascade]:
    """Networks that call a patch a basophil where more than a share of it is bright."""
    folder.mkdir()
    brightness_network(
        folder, "cells", {"basophil": (400.0, -400.0 * above), "monocyte": (-400.0, 400.0 * above)}
    )
    write_cascade(folder)
    return load_cascades("smear-13", folder)


def dark_cell(folder: Path, source: str = "pbc") -> LabelledCell:
    """A monocyte that fills 19 µm: what is brighter lies beyond, and is seen where the scale is stated too small."""
    import cv2

    side, um = {"pbc": (360, 0.10), "mll": (250, 0.086)}[source]
    image = np.full((side, side, 3), 255, np.uint8)
    half = round(9.7 / um)
    middle = side // 2
    image[middle - half : middle + half, middle - half : middle + half] = 90
    path = folder / f"{source}.png"
    folder.mkdir(exist_ok=True)
    cv2.imwrite(str(path), image)
    return LabelledCell(path, source, "monocyte", "test")


def test_the_right_pixel_size_gives_the_same_answer_at_every_resolution(tmp_path: Path) -> None:
    found = evaluate_scales(cascades(tmp_path / "n"), [dark_cell(tmp_path)], plainly)
    assert [found.at(size).accuracy for size in (0.05, 0.07, 0.10, 0.13, 0.16)] == [1.0] * 5


def test_a_pixel_size_stated_too_small_shows_what_lies_beside_the_cell(tmp_path: Path) -> None:
    found = evaluate_scales(cascades(tmp_path / "n", above=0.5), [dark_cell(tmp_path)], plainly)
    assert found.at(0.10, -0.20).accuracy == 0.0
    assert found.at(0.10, 0.20).accuracy == 1.0


def test_each_laboratorys_pictures_are_named_at_their_own_and_at_the_others_scale(tmp_path: Path) -> None:
    cells = [dark_cell(tmp_path, "pbc"), dark_cell(tmp_path, "mll")]
    found = evaluate_scales(cascades(tmp_path / "n"), cells, plainly, sizes_um=(0.10,), wrong_by=(0.0,))
    stated = {
        source: [(each.um_per_px, each.stated_um_per_px) for each in mine]
        for source, mine in found.own.items()
    }
    assert stated == {"pbc": [(0.10, 0.086), (0.10, 0.10)], "mll": [(0.086, 0.086), (0.086, 0.10)]}


def test_a_pixel_size_beyond_what_the_networks_can_use_is_refused(tmp_path: Path) -> None:
    networks = cascades(tmp_path / "n")
    evaluate_scales(networks, [dark_cell(tmp_path)], plainly, sizes_um=(0.22,), wrong_by=(0.0,))
    with pytest.raises(ModelRefused, match=r"this image gives 0\.221, and 0\.22 is the most"):
        evaluate_scales(networks, [dark_cell(tmp_path)], plainly, sizes_um=(0.221,), wrong_by=(0.0,))


def test_a_sample_holds_so_many_of_each_label_and_always_the_same_ones(tmp_path: Path) -> None:
    data = small_data_set(tmp_path, per_label=3)
    some = sample(data, "test", 2)
    assert len(some) == 10
    assert some == sample(data, "test", 2)
    assert {cell.split for cell in some} == {"test"}
    assert len(sample(data, "test", None)) == sum(c.split == "test" for c in labelled_cells(data))


def test_a_narrow_picture_is_mirrored_at_its_borders_and_nothing_moves(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (250, 250, 3), dtype=np.uint8)
    wide = surrounded(pixels, 0.086)
    assert wide.shape == (349, 349, 3)
    np.testing.assert_array_equal(wide[49:299, 49:299], pixels)


def test_the_command_writes_every_figure_and_the_curves(tmp_path: Path) -> None:
    data = small_data_set(tmp_path / "data", per_label=1)
    where = ["--json", str(tmp_path / "s.json"), "--chart", str(tmp_path / "s.svg")]
    result = CliRunner().invoke(
        cli, ["evaluate", "scales", "--data", str(data), "--limit", "1", "--right-only", *where]
    )
    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "s.json").read_text())
    assert figures["research_use_only"] is True
    assert [each["um_per_px"] for each in figures["resampled"]] == [0.05, 0.07, 0.1, 0.13, 0.16]
    assert set(figures["own"]) == {"pbc", "mll"}
    assert "named right" in (tmp_path / "s.svg").read_text()


def test_curves_without_any_cell_say_so(tmp_path: Path) -> None:
    draw_scales(ScaleEvaluation([], {}), tmp_path / "s.svg", "Nothing")
    assert "no cells" in (tmp_path / "s.svg").read_text()
