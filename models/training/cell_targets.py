"""What a label asks of the classifier's outputs.

A neighbouring stage of the same series is a smaller mistake than another: it gets a share of the target
(soft ordinal targets: Diaz & Marathe 2019, "Soft labels for ordinal regression").
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from models.crops import ARTEFACT, PLATELET, WHITE_CELL

# In the order of the panel; the last is a label of the marrow data that becomes `unidentified`.
OUTPUTS = (
    "blast", "promyelocyte", "myelocyte", "metamyelocyte", "band_neutrophil", "segmented_neutrophil",
    "eosinophil", "basophil", "monocyte", "lymphocyte", "erythroblast", "platelet", "artefact",
    "not_identifiable",
)  # fmt: skip
STAGES = OUTPUTS[:6]  # one series, in the order of maturation
NO_WHITE_CELL = (PLATELET, ARTEFACT)
EASY = ("eosinophil", "basophil", "erythroblast", "platelet", "artefact", "not_identifiable")
LABEL_SMOOTHING = 0.04
TO_NEIGHBOURS = 0.06


def target(label: str, outputs: Sequence[str]) -> Tensor:
    """Return what each output should say of a label that is one of them; sums to 1."""
    near = [outputs.index(stage) for stage in _neighbours(label) if stage in outputs]
    result = torch.full((len(outputs),), LABEL_SMOOTHING / len(outputs))
    result[outputs.index(label)] += 1 - LABEL_SMOOTHING - (TO_NEIGHBOURS if near else 0)
    for k in near:
        result[k] += TO_NEIGHBOURS / len(near)
    return result


def loss_of_each(scores: Tensor, labels: Sequence[str], outputs: Sequence[str]) -> Tensor:
    """Return the loss of each image, N.

    scores: N×outputs logits.  labels: an output each, or `white_cell` for a cell whose kind nobody named: there
    the loss is minus the log of the probability that all outputs for white cells have together.
    """
    logs = functional.log_softmax(scores, dim=1)
    named = [label if label != WHITE_CELL else outputs[0] for label in labels]
    table = {label: target(label, outputs) for label in set(named)}
    wanted = torch.stack([table[label] for label in named]).to(scores.device)
    white = torch.tensor([output not in NO_WHITE_CELL for output in outputs], device=scores.device)
    unnamed = torch.tensor([label == WHITE_CELL for label in labels], device=scores.device)
    return torch.where(unnamed, -torch.logsumexp(logs[:, white], dim=1), -(wanted * logs).sum(dim=1))


def _neighbours(label: str) -> tuple[str, ...]:
    if label not in STAGES:
        return ()
    k = STAGES.index(label)
    return STAGES[max(0, k - 1) : k] + STAGES[k + 1 : k + 2]
