"""The bundled weights: small, whole, and no worse than promised on real images that no training has read."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.card import BUNDLED, read_card
from models.cascade import load_cascades
from models.crops import ARTEFACT, cells_of_split, others_of_split
from models.data import labelled_fields
from models.detector import NetworkDetector
from models.evaluation import CellReport, judge, report
from models.field_evaluation import HELD_OUT
from models.field_evaluation import report as field_report

NETWORKS = ("cells", "detector")


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_has_a_card_for_machines_and_for_people(name: str) -> None:
    card = read_card(name)
    page = (BUNDLED / f"{name}.md").read_text(encoding="utf-8")
    assert card.sha256 in page
    for what in ("Command", "Split", "Metrics", "Limits", "licences", "Research use only"):
        assert what in page


def test_all_weights_together_are_small() -> None:
    assert sum(path.stat().st_size for path in BUNDLED.iterdir()) < 40e6


@pytest.fixture(scope="module")
def figures(real_images: Path) -> CellReport:
    cascades = load_cascades("smear-13")
    artefacts = (crop for crop in others_of_split(real_images, "test") if crop[1] == ARTEFACT)
    return report(
        cascades["blood"].panel,
        judge(cascades, cells_of_split(real_images, "test")),
        judge(cascades, artefacts),
    )


def test_the_counted_labels_are_recalled(figures: CellReport) -> None:
    assert figures.macro_recall >= 0.84


def test_the_eight_blood_groups_are_told_apart(figures: CellReport) -> None:
    assert figures.blood_groups_accuracy >= 0.97
    assert figures.blood_groups_macro_recall >= 0.97


def test_a_second_look_does_no_harm(figures: CellReport) -> None:
    assert 0 < figures.looked_at_again < 0.5
    assert figures.macro_recall >= figures.macro_recall_single_view


def test_artefacts_are_seldom_counted(figures: CellReport) -> None:
    assert figures.artefacts_counted is not None
    assert figures.artefacts_counted <= 0.05


@pytest.mark.parametrize("source", HELD_OUT)
def test_white_cells_are_found_in_fields(real_images: Path, source: str) -> None:
    network = NetworkDetector()
    fields = [f for f in labelled_fields(real_images) if (f.source, f.split) == (source, HELD_OUT[source])]
    assert fields
    result = field_report(source, fields, network.candidates, network.score_from)
    assert result.average_precision >= 0.90
    assert min(result.precision, result.recall) >= 0.90
