"""The report of the field evaluation: what a detector misses and what it finds besides, cell by cell."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from builders_data import small_data_set
from rich.table import Table

from models.cells import Detection
from models.data import LabelledField, labelled_fields
from models.field_evaluation import FieldReport, report
from models.field_mistakes import FieldAnswers, Mistake, Remembering, answers, marrow_misses
from models.field_report import write_field_report
from models.marrow_mosaics import Mosaic, Place

RIGHT = Detection(200, 240, 90 * 0.076, 0.9)
SMALL = Detection(200, 240, 40 * 0.076, 0.8)  # at the place of the labelled cell, an overlap of a fifth
BESIDE = Detection(520, 240, 45 * 0.076, 0.7)


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> list[LabelledField]:
    folder = small_data_set(tmp_path_factory.mktemp("data"), per_label=1)
    return [item for item in labelled_fields(folder) if (item.source, item.split) == ("bccd", "val")]


def finding(*found: Detection) -> Remembering:
    return Remembering(lambda pixels, um_per_px: list(found))


def test_a_cell_found_at_its_place_is_no_mistake(fields: list[LabelledField]) -> None:
    result = answers(fields, finding(RIGHT), 0.5)
    assert (result.scores, result.right, result.total) == ((0.9,), (True,), 1)
    assert (result.missed, result.unlabelled) == ((), ())


def test_a_find_of_another_size_is_both_a_miss_and_no_labelled_cell(fields: list[LabelledField]) -> None:
    result = answers(fields, finding(SMALL), 0.5)
    (missed,), (beside,) = result.missed, result.unlabelled
    assert missed.score == beside.score == 0.8
    assert missed.overlap == beside.overlap == pytest.approx((40 / 90) ** 2)
    assert missed.picture.shape == beside.picture.shape == (192, 192, 3)


def test_a_candidate_under_the_threshold_leaves_its_cell_missed(fields: list[LabelledField]) -> None:
    result = answers(fields, finding(RIGHT), 0.95)
    assert result.right == (True,)
    assert [(one.score, one.overlap) for one in result.missed] == [(0.9, pytest.approx(1, abs=0.02))]
    assert result.unlabelled == ()


def test_a_cell_without_a_candidate_has_no_score(fields: list[LabelledField]) -> None:
    (missed,) = answers(fields, finding(BESIDE), 0.5).missed
    assert math.isnan(missed.score)
    assert missed.overlap == 0


def test_the_answers_are_those_of_the_figures(fields: list[LabelledField]) -> None:
    find = finding(RIGHT, SMALL, BESIDE)
    figures, result = report("bccd", fields, find, 0.75), answers(fields, find, 0.75)
    assert figures.recall == 1 - len(result.missed) / result.total
    assert figures.precision == pytest.approx(1 / (1 + len(result.unlabelled)))


def test_a_field_is_looked_at_once() -> None:
    looks = []
    find = Remembering(lambda pixels, um_per_px: looks.append(um_per_px) or [RIGHT])
    one, other = np.zeros((9, 9, 3), np.uint8), np.ones((9, 9, 3), np.uint8)
    assert find(one, 0.1) == find(one.copy(), 0.1) == find(other, 0.1) == [RIGHT]
    find(one, 0.2)
    assert looks == [0.1, 0.1, 0.2]


def test_a_marrow_cell_is_missed_where_nothing_is_found_within_half_a_cell(tmp_path: Path) -> None:
    mosaic = Mosaic(
        np.full((200, 400, 3), 220, np.uint8), 0.1, (Place("blast", 100, 100), Place("monocyte", 300, 100)), 0
    )
    near, faint = Detection(130, 100, 5, 0.9), Detection(300, 120, 5, 0.3)
    assert marrow_misses([mosaic], finding(near, faint), 0.2) == ()
    (missed,) = marrow_misses([mosaic], finding(near, faint), 0.5)
    assert (missed.where, missed.score) == ("monocyte", 0.3)
    assert [m.where for m in marrow_misses([mosaic], finding(), 0.5)] == ["blast", "monocyte"]


def written(folder: Path, found: FieldAnswers, marrow: tuple[Mistake, ...] = ()) -> str:
    table = Table("source", "AP", title="a <title>")
    table.add_row("<bccd>", "0.500")
    figures = FieldReport("bccd", "val", 1, found.total, 0.5, 0.5, 1.0)
    page = write_field_report(
        folder / "report", "a <detector>", 0.5, [figures], {"bccd": found}, marrow, [table]
    )
    assert page == folder / "report" / "fields.html"
    return page.read_text(encoding="utf-8")


def test_the_page_shows_misses_and_what_nobody_labelled(tmp_path: Path, fields: list[LabelledField]) -> None:
    marrow = Mistake("segmented_neutrophil", np.zeros((192, 192, 3), np.uint8), math.nan, math.nan)
    source = written(tmp_path, answers(fields, finding(SMALL, BESIDE), 0.5), (marrow,))
    missed, unlabelled = source.split('id="misses"')[1].split('id="unlabelled"')
    assert missed.count("data:image/png") == 2
    assert "segmented neutrophil" in missed
    assert "nan" not in re.sub('base64,[^"]*', "", source)
    assert unlabelled.count("data:image/png") == 2
    assert "Research use only" in source
    assert "http" not in source
    assert sorted(path.name for path in (tmp_path / "report" / "charts").iterdir()) == [
        "fields-precision-recall.png",
        "fields-precision-recall.svg",
    ]


def test_a_detector_without_mistakes_has_a_page_too(tmp_path: Path, fields: list[LabelledField]) -> None:
    source = written(tmp_path, answers(fields, finding(RIGHT), 0.5))
    assert "It misses none." in source
    assert "Everything that it finds is labelled." in source


def test_what_comes_from_elsewhere_is_written_as_text(tmp_path: Path, fields: list[LabelledField]) -> None:
    source = written(tmp_path, answers(fields, finding(RIGHT), 0.5))
    for said in ("a <detector>", "<bccd>", "a <title>"):
        assert said not in source
        assert said.replace("<", "&lt;").replace(">", "&gt;") in source
