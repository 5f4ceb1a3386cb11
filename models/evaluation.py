"""How well a cascade names cells: the figures that a haematologist would ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from models.cascade import Cascade
from models.cells import Opinion, Patch
from models.crops import ARTEFACT, PLATELET, REACH_PX, Crop
from models.curves import reliability
from models.data import SPECIMEN
from models.errors import ModelRefused
from models.panel import UNIDENTIFIED, Panel

# Acevedo et al. 2020: the eight groups that the published 96.2 % speak of.
BLOOD_GROUPS = {
    "band_neutrophil": "neutrophil",
    "segmented_neutrophil": "neutrophil",
    "promyelocyte": "immature_granulocyte",
    "myelocyte": "immature_granulocyte",
    "metamyelocyte": "immature_granulocyte",
}
BLAST = "blast"
Shift = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Judged:
    """One labelled crop and what the cascade says of it.

    expected: the final label that is right.  top: the most probable one, however probable.
    patch: what the network saw of it, 96×96×3 at the canonical scale.
    """

    source: str
    expected: str
    opinion: Opinion
    top: str
    patch: Patch | None = None


@dataclass(frozen=True, slots=True)
class CellReport:
    """What `hemadiff evaluate cells` prints and writes. All figures are shares, 0 to 1.

    confusion: rows are expected labels, columns the answers, both in the order of `labels`.
    """

    cells: int
    macro_recall: float
    macro_recall_single_view: float
    macro_recall_neighbours_right: float
    blood_groups_accuracy: float
    blood_groups_macro_recall: float
    blast_recall: float
    other_marrow_called_blast: float
    looked_at_again: float
    views_per_cell: float
    calibration_error_blood: float
    calibration_error_marrow: float
    artefacts_counted: float | None
    recall: dict[str, float]
    precision: dict[str, float]
    sent_away: dict[str, float]
    labels: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = field(default=(), repr=False)


def judge(
    cascades: Mapping[str, Cascade],
    crops: Iterable[Crop],
    shift: Shift = (0, 0),
    um_per_px: float | None = None,
) -> list[Judged]:
    """Let cascades name the cell in the middle of each crop (106×106 px or more at their canonical scale).

    cascades: by specimen.  shift: where the cell is looked at instead, in px from the middle.
    um_per_px: the pixel size that they are told; None for their canonical scale.
    """
    judged = []
    for image, label, source in crops:
        cascade = cascades[SPECIMEN[source]]
        at = [(image.shape[1] / 2 + shift[0], image.shape[0] / 2 + shift[1])]
        answer = cascade.examine(image, um_per_px or cascade.um_per_px, at)[0]
        if answer is None:
            raise ModelRefused(
                f"A crop of {image.shape[1]} px is too small to judge by; {REACH_PX} px are needed."
            )
        patch, opinion = answer
        top = cascade.panel.final(cascade.outputs[int(opinion.probabilities.argmax())])
        judged.append(Judged(source, cascade.panel.final(label), opinion, top, patch))
    return judged


def report(panel: Panel, cells: Sequence[Judged], artefacts: Sequence[Judged] = ()) -> CellReport:
    """Summarise judged cells. Macro figures are over the panel's counted labels, all sources together."""
    counted = [label.name for label in panel.labels if label.counted]
    mine = [cell for cell in cells if cell.expected in counted]
    recall = {name: _share([c for c in mine if c.expected == name], _right) for name in counted}
    single = [_share([c for c in mine if c.expected == name], _right_at_first) for name in counted]
    near = _neighbours(panel)
    tolerant = [
        _share([c for c in mine if c.expected == name], lambda c: c.opinion.label in near[c.expected])
        for name in counted
    ]
    blood = [cell for cell in cells if cell.source == "pbc"]
    grouped = [_share(group, _right_group) for group in _by_group(blood)]
    marrow = [cell for cell in cells if cell.source == "mll" and cell.expected != BLAST]
    labels = (*panel.names, UNIDENTIFIED)
    return CellReport(
        cells=len(cells),
        macro_recall=_mean(recall.values()),
        macro_recall_single_view=_mean(single),
        macro_recall_neighbours_right=_mean(tolerant),
        blood_groups_accuracy=_share(blood, _right_group),
        blood_groups_macro_recall=_mean(grouped),
        blast_recall=recall.get(BLAST, float("nan")),
        other_marrow_called_blast=_share(marrow, lambda c: c.opinion.label == BLAST),
        looked_at_again=_share(list(cells), lambda c: c.opinion.views > 1),
        views_per_cell=_mean(cell.opinion.views for cell in cells),
        calibration_error_blood=calibration_error(blood),
        calibration_error_marrow=calibration_error([cell for cell in cells if cell.source == "mll"]),
        artefacts_counted=_share(artefacts, lambda c: c.opinion.label in counted) if artefacts else None,
        recall=recall,
        precision={n: _share([c for c in cells if c.opinion.label == n], _right) for n in counted},
        sent_away={
            name: _share(
                [c for c in mine if c.expected == name],
                lambda c: c.opinion.label in (UNIDENTIFIED, ARTEFACT, PLATELET),
            )
            for name in counted
        },
        labels=labels,
        confusion=_confusion(labels, [*cells, *artefacts]),
    )


def calibration_error(cells: Sequence[Judged]) -> float:
    """Expected calibration error of the most probable label: 15 equal bins (Guo et al. 2017)."""
    return reliability(
        [cell.opinion.probability for cell in cells],
        [cell.top == cell.expected for cell in cells],
    ).error


def _share(cells: Sequence[Judged], holds: Callable[[Judged], bool]) -> float:
    return sum(map(holds, cells)) / len(cells) if cells else float("nan")


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _right(cell: Judged) -> bool:
    return cell.opinion.label == cell.expected


def _right_at_first(cell: Judged) -> bool:
    return cell.opinion.label_single_view == cell.expected


def _group(label: str) -> str:
    return BLOOD_GROUPS.get(label, label)


def _right_group(cell: Judged) -> bool:
    return _group(cell.opinion.label) == _group(cell.expected)


def _by_group(cells: Sequence[Judged]) -> list[list[Judged]]:
    groups: dict[str, list[Judged]] = {}
    for cell in cells:
        groups.setdefault(_group(cell.expected), []).append(cell)
    return list(groups.values())


def _neighbours(panel: Panel) -> dict[str, set[str]]:
    """For each label itself and the stages next to it in its own series."""
    return {
        one.name: {
            other.name
            for other in panel.labels
            if other.name == one.name
            or (
                one.lineage == other.lineage
                and one.maturation is not None
                and other.maturation is not None
                and abs(one.maturation - other.maturation) == 1
            )
        }
        for one in panel.labels
    }


def _confusion(labels: tuple[str, ...], cells: Sequence[Judged]) -> tuple[tuple[int, ...], ...]:
    table = np.zeros((len(labels), len(labels)), dtype=int)
    for cell in cells:
        table[labels.index(cell.expected), labels.index(cell.opinion.label)] += 1
    return tuple(tuple(int(n) for n in row) for row in table)
