"""The bundled weights: small, whole, and no worse than promised on real images that no training has read."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.card import BUNDLED, read_card
from models.cascade import Cascade, load_cascades
from models.crops import ARTEFACT, Crop, cells_of_split, others_of_split
from models.detector import NetworkDetector
from models.detector_evaluation import DetectorReport, evaluate_detector
from models.evaluation import CellReport, Judged, judge, report
from models.field_evaluation import HELD_OUT
from models.robustness import robustness

NETWORKS = sorted(path.stem for path in BUNDLED.glob("*.onnx"))


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
def crops(real_images: Path) -> list[Crop]:
    return list(cells_of_split(real_images, "test"))


@pytest.fixture(scope="module")
def cascades() -> dict[str, Cascade]:
    return load_cascades("smear-13")


@pytest.fixture(scope="module")
def judged(cascades: dict[str, Cascade], crops: list[Crop]) -> list[Judged]:
    return judge(cascades, crops)


@pytest.fixture(scope="module")
def figures(real_images: Path, cascades: dict[str, Cascade], judged: list[Judged]) -> CellReport:
    artefacts = (crop for crop in others_of_split(real_images, "test") if crop[1] == ARTEFACT)
    return report(cascades["blood"].panel, judged, judge(cascades, artefacts))


def test_the_counted_labels_are_recalled(figures: CellReport) -> None:
    assert figures.macro_recall >= 0.88
    assert figures.macro_recall_neighbours_right >= 0.935


def test_the_eight_blood_groups_are_told_apart(figures: CellReport) -> None:
    assert figures.blood_groups_accuracy >= 0.97
    assert figures.blood_groups_macro_recall >= 0.97


def test_blasts_are_found_and_seldom_imagined(figures: CellReport) -> None:
    assert figures.blast_recall >= 0.76
    assert figures.other_marrow_called_blast <= 0.04


def test_few_cells_of_any_label_are_left_unnamed(figures: CellReport) -> None:
    assert max(figures.sent_away.values()) <= 0.12


def test_a_second_look_does_no_harm(figures: CellReport) -> None:
    assert 0 < figures.looked_at_again < 0.5
    assert figures.macro_recall >= figures.macro_recall_single_view


def test_artefacts_are_seldom_counted(figures: CellReport) -> None:
    assert figures.artefacts_counted is not None
    assert figures.artefacts_counted <= 0.02


def test_probabilities_mean_what_they_say_in_both_specimens(figures: CellReport) -> None:
    assert figures.calibration_error_blood <= 0.03
    assert figures.calibration_error_marrow <= 0.045


def test_neither_orientation_nor_the_laboratorys_colours_decide(
    cascades: dict[str, Cascade], crops: list[Crop], judged: list[Judged]
) -> None:
    result = robustness(cascades, crops[::24], judged[::24])
    assert result.label_unchanged >= 0.95
    assert result.recolouring_cost <= 0.03


@pytest.fixture(scope="module")
def fields(real_images: Path) -> DetectorReport:
    network = NetworkDetector()
    return evaluate_detector(real_images, network.candidates, network.score_from, "test")


@pytest.mark.parametrize("source", HELD_OUT)
def test_white_cells_are_found_in_fields(fields: DetectorReport, source: str) -> None:
    (result,) = (each for each in fields.sources if each.source == source)
    assert result.fields
    assert result.average_precision >= 0.95
    assert min(result.precision, result.recall) >= 0.90


def test_crowded_marrow_cells_are_found_once(fields: DetectorReport) -> None:
    assert fields.marrow_mosaics.half_a_cell.share >= 0.95


def test_where_there_is_no_white_cell_next_to_none_is_found(fields: DetectorReport) -> None:
    assert all(each.per_mm2 <= 40 for each in fields.without_white_cells)
