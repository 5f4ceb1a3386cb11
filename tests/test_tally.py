"""From labels to percentages, M:E and nucleated red cells per hundred."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders_run import rules, tally
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import ApplianceRefused
from appliance.tally import Tally
from models import ModelRefused
from models.panel import load_panel

SMEAR = load_panel("smear-13")
labels = st.lists(st.sampled_from([*SMEAR.names, "unidentified", "not_identifiable", None]))


def row(t: Tally, name: str):
    return next(r for r in t.rows if r.label == name)


@given(labels, labels)
def test_adding_field_by_field_is_adding_all_at_once(first, second):
    empty = Tally(rules())
    assert empty.adding(first).adding(second) == empty.adding(first + second)


@given(labels, st.sampled_from(["marrow", "blood"]), st.booleans())
def test_every_cell_is_counted_unidentified_outside_or_at_the_border(cells, specimen, merge):
    t = Tally(rules(specimen=specimen, merge_band_and_segmented=merge)).adding(cells)
    assert t.counted + t.unidentified + sum(t.not_counted.values()) + t.at_border == len(cells)
    assert sum(r.count for r in t.rows) == t.counted


@given(labels)
def test_percentages_add_up_to_100_and_lie_within_their_limits(cells):
    t = Tally(rules()).adding(cells)
    if t.counted:
        assert sum(r.percent for r in t.rows) == pytest.approx(100)
    assert all(r.low <= r.percent <= r.high for r in t.rows)


def test_five_of_a_hundred_are_five_percent_with_limits_from_1_6_to_11_3():
    r = row(tally(blast=5, lymphocyte=95), "blast")
    assert (r.count, r.percent, round(r.low, 1), round(r.high, 1)) == (5, 5.0, 1.6, 11.3)


def test_rows_are_in_clinical_order_and_show_zero_counts():
    assert [r.label for r in tally(lymphocyte=3).rows] == list(SMEAR.names[:11])


def test_unidentified_cells_are_kept_and_do_not_count():
    t = tally(lymphocyte=10).adding(["unidentified", "not_identifiable"])
    assert (t.counted, t.unidentified, t.not_counted) == (10, 2, {})


def test_artefacts_and_platelets_are_on_record_outside_the_count():
    t = tally(lymphocyte=10, artefact=4, platelet=7)
    assert (t.counted, t.not_counted) == (10, {"platelet": 7, "artefact": 4})


def test_a_cell_at_the_border_is_on_record_and_no_more():
    t = tally().adding([None, "monocyte"])
    assert (t.at_border, t.counted) == (1, 1)


def test_a_label_that_the_panel_lacks_is_refused():
    with pytest.raises(ModelRefused, match='no label "plasma_cell"'):
        tally().adding(["plasma_cell"])


def test_a_tally_does_not_change_when_cells_are_added():
    before = tally(monocyte=1)
    before.adding(["monocyte"])
    assert before.counts == {"monocyte": 1}


def test_before_the_first_cell_nothing_is_known():
    r = row(tally(), "blast")
    assert (r.percent, r.low, r.high) == (0, 0, 100)


# Marrow and blood


def test_marrow_counts_erythroblasts_and_gives_m_to_e_with_its_formula():
    t = tally(segmented_neutrophil=60, monocyte=10, erythroblast=20, lymphocyte=10)
    assert t.counted == 100
    assert t.me_ratio == 3.5
    assert t.me_formula == (
        "blast + promyelocyte + myelocyte + metamyelocyte + band_neutrophil + segmented_neutrophil"
        " + eosinophil + basophil + monocyte : erythroblast"
    )
    assert (t.erythroid_percent, t.nrbc_per_100) == (20, None)


def test_monocytes_can_be_taken_out_of_m_to_e():
    t = Tally(rules(monocytes_in_me=False), {"segmented_neutrophil": 60, "monocyte": 10, "erythroblast": 20})
    assert t.me_ratio == 3.0
    assert "monocyte" not in t.me_formula


def test_the_laboratory_may_set_the_formula_of_m_to_e():
    own = rules(me_formula="promyelocyte + myelocyte : erythroblast")
    t = Tally(own, {"promyelocyte": 3, "myelocyte": 7, "segmented_neutrophil": 99, "erythroblast": 5})
    assert (t.me_ratio, t.me_formula) == (2.0, "promyelocyte + myelocyte : erythroblast")


def test_m_to_e_is_absent_while_there_is_no_erythroid_cell():
    assert tally(segmented_neutrophil=60).me_ratio is None


def test_blood_gives_erythroblasts_per_hundred_white_cells_and_no_m_to_e():
    t = tally(specimen="blood", lymphocyte=200, erythroblast=8)
    assert (t.counted, t.nrbc_per_100) == (200, 4.0)
    assert (t.me_ratio, t.me_formula, t.erythroid_percent) == (None, None, None)
    assert t.not_counted == {"erythroblast": 8}


def test_nucleated_red_cells_of_blood_11_are_per_hundred_too():
    assert tally("blood-11", "blood", lymphocyte=50, nrbc=1).nrbc_per_100 == 2.0


def test_a_panel_without_erythroid_cells_knows_nothing_of_them():
    panel = load_panel("smear-13")
    bare = replace(panel, labels=tuple(label for label in panel.labels if label.side != "erythroid"))
    t = Tally(replace(rules(), panel=bare), {"lymphocyte": 50})
    assert (t.erythroid_percent, t.erythroid_limits, t.nrbc_per_100) == (None, None, None)


def test_nothing_is_per_hundred_of_no_cells():
    assert tally(specimen="blood", erythroblast=3).nrbc_per_100 is None


def test_megakaryocytes_and_mitoses_stand_beside_a_marrow_count():
    t = tally("marrow-16", lymphocyte=9, megakaryocyte=2, mitosis=1)
    assert (t.counted, t.not_counted) == (9, {"megakaryocyte": 2, "mitosis": 1})


def test_merging_band_and_segmented_gives_one_row_and_keeps_the_bands_on_record():
    t = Tally(rules(specimen="blood", merge_band_and_segmented=True), {"band_neutrophil": 3, "monocyte": 10})
    t = t.adding(["segmented_neutrophil"] * 7)
    assert (row(t, "neutrophil").count, row(t, "neutrophil").percent) == (10, 50)
    assert row(t, "neutrophil").reference == (40, 60)
    assert [r.label for r in t.rows][3:6] == ["metamyelocyte", "neutrophil", "eosinophil"]
    assert (t.counts["band_neutrophil"], t.counted) == (3, 20)


def test_merging_changes_nothing_in_a_panel_without_bands():
    plain, merged = (rules("blood-8", "blood", merge_band_and_segmented=m) for m in (False, True))
    assert Tally(merged, {"neutrophil": 5}).rows == Tally(plain, {"neutrophil": 5}).rows


# The laboratory's own rules


def test_the_laboratory_may_replace_and_remove_ranges():
    t = Tally(rules(specimen="blood", reference={"lymphocyte": [15, 45], "monocyte": [], "blast": [0, 0]}))
    assert row(t, "lymphocyte").reference == (15, 45)
    assert row(t, "monocyte").reference is None
    assert row(t, "blast").reference == (0, 0)
    assert row(t, "eosinophil").reference == (1, 4)


def test_the_laboratory_may_set_ranges_of_measures():
    assert rules(reference={"me_ratio": [1.5, 3.3]}).reference["me_ratio"] == (1.5, 3.3)


def test_the_laboratory_may_replace_and_remove_limits():
    own = rules(watched={"lymphocyte": [40], "blast": []})
    assert own.watched == {"lymphocyte": (40.0,)}


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"reference": {"lymphocytes": [20, 40]}}, 'no label "lymphocytes". Did you mean "lymphocyte"'),
        ({"reference": {"lymphocyte": [40, 20]}}, "Reference range of lymphocyte"),
        ({"reference": {"lymphocyte": [20]}}, "two numbers"),
        ({"watched": {"platelet": [5]}}, '"platelet" is not counted'),
        ({"watched": {"blasts": [5]}}, 'Did you mean "blast"'),
        ({"watched": {"blast": [10, 5]}}, "Watched limits of blast"),
        ({"watched": {"blast": [0]}}, "between 0 and 100"),
        ({"me_formula": "promyelocyte : normoblast"}, 'names "normoblast"'),
        ({"me_formula": "promyelocyte"}, "cannot be read"),
        ({"me_formula": "promyelocyte + : erythroblast"}, "cannot be read"),
        ({"me_formula": "myelocyte + myelocyte : erythroblast"}, "twice"),
        ({"me_formula": "artefact : erythroblast"}, "outside the count"),
    ],
)
def test_overrides_that_do_not_fit_are_refused_by_name(overrides, sentence):
    with pytest.raises(ApplianceRefused, match=sentence):
        rules(**overrides)


def test_a_panel_that_cannot_count_the_specimen_is_refused():
    with pytest.raises(ApplianceRefused, match="marrow-choi-10 cannot count blood: it is for marrow"):
        rules("marrow-choi-10", "blood")


def test_a_tally_read_back_with_a_label_that_the_panel_lacks_is_refused():
    with pytest.raises(ModelRefused, match='no label "plasma_cell"'):
        tally(plasma_cell=3)


def test_a_label_that_was_never_seen_is_no_count():
    assert tally(monocyte=0) == tally()
