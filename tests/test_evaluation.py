"""The figures of an evaluation, on answers whose figures are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.cells import Opinion
from models.confusion import draw_confusion
from models.evaluation import Judged, report
from models.panel import load_panel

PANEL = load_panel("smear-13")
NOTHING = np.zeros(0, np.float32)


def judged(
    expected: str, label: str, source: str = "pbc", views: int = 1, first: str | None = None
) -> Judged:
    return Judged(source, expected, Opinion(label, 0.9, NOTHING, first or label, 0.9, NOTHING, views), label)


def test_macro_recall_gives_every_label_the_same_weight() -> None:
    cells = (
        [judged("monocyte", "monocyte")] * 9
        + [judged("monocyte", "basophil")]
        + [judged("basophil", "monocyte")] * 2
    )
    result = report(PANEL, cells)
    assert (result.recall["monocyte"], result.recall["basophil"]) == (0.9, 0.0)
    assert result.macro_recall == pytest.approx(0.45)
    assert result.precision["monocyte"] == pytest.approx(9 / 11)


def test_a_neighbouring_stage_is_right_where_neighbours_count() -> None:
    cells = [judged("myelocyte", "metamyelocyte"), judged("band_neutrophil", "myelocyte")]
    assert report(PANEL, cells).macro_recall_neighbours_right == pytest.approx(0.5)
    assert report(PANEL, cells).macro_recall == 0


def test_unidentified_is_a_miss_and_on_record() -> None:
    result = report(PANEL, [judged("monocyte", "unidentified"), judged("monocyte", "monocyte")])
    assert result.recall["monocyte"] == 0.5
    assert result.sent_away["monocyte"] == 0.5


def test_blood_groups_join_bands_with_segmented_and_the_immature() -> None:
    cells = [judged("band_neutrophil", "segmented_neutrophil"), judged("promyelocyte", "metamyelocyte")]
    cells += [judged("monocyte", "lymphocyte"), judged("monocyte", "monocyte")]
    result = report(PANEL, cells)
    assert result.blood_groups_accuracy == 0.75
    assert result.blood_groups_macro_recall == pytest.approx((1 + 1 + 0.5) / 3)


def test_blasts_are_judged_among_marrow_cells() -> None:
    cells = [
        judged("blast", "blast", "mll"),
        judged("monocyte", "blast", "mll"),
        judged("monocyte", "monocyte", "mll"),
    ]
    cells.append(judged("monocyte", "blast", "pbc"))
    result = report(PANEL, cells)
    assert (result.blast_recall, result.other_marrow_called_blast) == (1.0, 0.5)


def test_artefacts_that_would_be_counted_are_told() -> None:
    artefacts = [
        judged("artefact", "artefact"),
        judged("artefact", "unidentified"),
        judged("artefact", "lymphocyte"),
    ]
    assert report(PANEL, [judged("monocyte", "monocyte")], artefacts).artefacts_counted == pytest.approx(
        1 / 3
    )


def test_what_guidance_changed_can_be_read_off() -> None:
    cells = [judged("monocyte", "monocyte", views=5, first="lymphocyte"), judged("monocyte", "monocyte")]
    result = report(PANEL, cells)
    assert (result.macro_recall_single_view, result.macro_recall, result.looked_at_again) == (0.5, 1.0, 0.5)


def test_the_confusion_matrix_holds_every_cell_and_is_drawn(tmp_path: Path) -> None:
    result = report(PANEL, [judged("monocyte", "unidentified"), judged("monocyte", "monocyte")])
    row = result.labels.index("monocyte")
    assert result.confusion[row][row] == result.confusion[row][result.labels.index("unidentified")] == 1
    assert sum(map(sum, result.confusion)) == 2
    draw_confusion(result.labels, result.confusion, tmp_path / "c.png", "a title")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
