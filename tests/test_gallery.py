"""What weighs most and what is doubtful comes first."""

from __future__ import annotations

from builders_run import rules

from appliance.review.gallery import Filter, Weight, sections, weight, worklist
from appliance.review.reviewed import ReviewedCell
from appliance.tally import Tally


def cell(id_: int, label: str, probability: float = 0.99, machine: str = "", looked: bool = False):
    return ReviewedCell(id_, 0, machine or label, label, probability, None, looked)


def many(label: str, n: int, start: int):
    return [cell(start + k, label) for k in range(n)]


def tally_of(cells, specimen: str = "marrow") -> Tally:
    return Tally(rules(specimen=specimen)).adding(one.label for one in cells)


def ids(cells) -> list[int]:
    return [one.id for one in cells]


def test_a_label_near_a_decision_limit_comes_before_everything_else():
    cells = [cell(1, "unidentified", 0.3), cell(2, "lymphocyte", 0.5), *many("lymphocyte", 90, 100)]
    cells += many("blast", 6, 10)  # 6 %: near 5 and 10
    first = worklist(cells, tally_of(cells))[:8]
    assert ids(first) == [10, 11, 12, 13, 14, 15, 1, 2]


def test_a_watched_label_far_from_its_limits_still_comes_before_doubtful_cells():
    cells = [cell(1, "lymphocyte", 0.5), *many("blast", 60, 10), *many("lymphocyte", 39, 100)]
    assert weight(cells[1], (), rules()) is Weight.WATCHED
    assert worklist(cells, tally_of(cells))[-40].id == 1


def test_within_a_weight_the_most_doubtful_comes_first():
    cells = [cell(1, "monocyte", 0.7), cell(2, "lymphocyte", 0.6), cell(3, "lymphocyte", 0.75)]
    assert ids(worklist(cells, tally_of(cells))) == [2, 1, 3]


def test_what_a_person_has_looked_at_is_no_longer_doubtful():
    assert weight(cell(1, "monocyte", 0.5, looked=True), (), rules()) is Weight.REST


def test_the_gallery_has_a_section_for_each_label_in_that_order_and_what_is_not_counted_last():
    cells = [
        cell(1, "artefact"), *many("lymphocyte", 90, 100), cell(2, "unidentified"), cell(3, "eosinophil"),
        *many("blast", 6, 10),
    ]  # fmt: skip
    found = sections(cells, tally_of(cells))
    assert [one.label for one in found] == ["blast", "unidentified", "eosinophil", "lymphocyte", "artefact"]
    assert (found[0].near, found[0].title, found[-1].counted) == ("5 or 10", "Blast", False)


def test_within_a_section_the_doubtful_come_first_and_the_reviewed_last():
    cells = [cell(1, "monocyte", 0.99), cell(2, "monocyte", 0.4, "blast", True), cell(3, "monocyte", 0.6)]
    (only,) = sections(cells, tally_of(cells))
    assert ids(only.cells) == [3, 1, 2]


def test_filters_hold_together():
    cells = [
        cell(1, "monocyte", 0.6),
        cell(2, "monocyte", 0.6, machine="blast", looked=True),
        cell(3, "monocyte", 0.95),
        cell(4, "lymphocyte", 0.6),
    ]

    def kept(**wanted) -> list[int]:
        return [one.id for one in cells if Filter(**wanted).keeps(one)]

    assert kept() == [1, 2, 3, 4]
    assert kept(labels=frozenset({"monocyte"})) == [1, 2, 3]
    assert kept(labels=frozenset({"monocyte"}), below=0.8) == [1, 2]
    assert kept(changed=True) == kept(machine=frozenset({"blast"})) == [2]
    assert kept(doubtful=True) == [1, 4]
    assert kept(doubtful=False, changed=False) == [3]
