"""The bundled panels, and what a panel's file may not say."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest

from models import ModelRefused
from models.panel import Specimen, load_panel, panel_names
from models.panel_file import read_panel

MARROW, BLOOD = Specimen.MARROW, Specimen.BLOOD


def test_the_five_panels_are_bundled():
    assert panel_names() == ("blood-11", "blood-8", "marrow-16", "marrow-choi-10", "smear-13")


def test_smear_13_spells_its_labels_as_the_cell_data_do_in_clinical_order():
    assert load_panel("smear-13").names == (
        "blast",
        "promyelocyte",
        "myelocyte",
        "metamyelocyte",
        "band_neutrophil",
        "segmented_neutrophil",
        "eosinophil",
        "basophil",
        "monocyte",
        "lymphocyte",
        "erythroblast",
        "platelet",
        "artefact",
    )


def names(panel: str, specimen: Specimen) -> set[str]:
    return {label.name for label in load_panel(panel).counted(specimen)}


def outside(panel: str, specimen: Specimen) -> set[str]:
    return set(load_panel(panel).names) - names(panel, specimen)


def test_platelets_and_artefacts_are_outside_the_count():
    assert outside("smear-13", MARROW) == {"platelet", "artefact"}


def test_erythroblasts_count_in_marrow_and_not_in_blood():
    assert outside("smear-13", BLOOD) == {"platelet", "artefact", "erythroblast"}


def test_choi_has_six_granulocytic_and_four_erythroid_stages_each_in_order_of_maturation():
    labels = load_panel("marrow-choi-10").labels
    assert [label.maturation for label in labels if label.side == "granulocytic"] == [1, 2, 3, 4, 5, 6]
    assert [label.maturation for label in labels if label.side == "erythroid"] == [1, 2, 3, 4]
    assert len(labels) == len(names("marrow-choi-10", MARROW)) == 10


def test_marrow_16_has_16_types_with_megakaryocytes_and_mitoses_beside_the_count():
    assert len(load_panel("marrow-16").labels) == 16
    assert outside("marrow-16", MARROW) == {"megakaryocyte", "mitosis"}


def test_blood_11_counts_eleven_types_with_four_more_outside():
    assert len(names("blood-11", BLOOD)) == 11
    assert outside("blood-11", BLOOD) == {"nrbc", "giant_platelet", "smudge", "artefact"}


def test_blood_8_has_the_eight_groups_of_acevedo():
    assert len(load_panel("blood-8").labels) == 8
    assert outside("blood-8", BLOOD) == {"erythroblast", "platelet"}


@pytest.mark.parametrize("name", ["smear-13", "marrow-16"])
def test_marrow_watches_blasts_at_5_10_and_20_percent(name):
    assert load_panel(name).customs[MARROW].watched["blast"] == (5, 10, 20)


def test_marrow_watches_plasma_cells_at_10_percent():
    assert load_panel("marrow-16").customs[MARROW].watched["plasma_cell"] == (10,)


@pytest.mark.parametrize("name", ["smear-13", "blood-11"])
def test_blood_watches_blasts_at_2_5_and_20_percent(name):
    assert load_panel(name).customs[BLOOD].watched["blast"] == (2, 5, 20)


@pytest.mark.parametrize("name", panel_names())
def test_every_range_has_a_source_and_leaves_the_last_word_to_the_laboratory(name):
    for customs in load_panel(name).customs.values():
        if customs.reference:
            assert "The laboratory sets its own" in customs.reference_source


VERIFIED = {
    "me_ratio": "11138-5",
    "counted": "38257-2",
    "lymphocyte": "11108-8",
    "eosinophil": "11106-2",
    "basophil": "11105-4",
    "erythroid_total": "40689-2",
    "plasma_cell": "11118-7",
}


@pytest.mark.parametrize("name", panel_names())
def test_only_the_seven_verified_codes_can_be_exported_and_only_for_marrow(name):
    panel = load_panel(name)
    for specimen in Specimen:
        for what in (*panel.names, "neutrophil", *VERIFIED):
            code = panel.exportable_loinc(what, specimen)
            assert code is None or (specimen is MARROW and code == VERIFIED[what])


def test_marrow_16_exports_all_seven_verified_codes():
    panel = load_panel("marrow-16")
    assert {what: panel.exportable_loinc(what, MARROW) for what in VERIFIED} == VERIFIED


def test_what_the_network_cannot_identify_waits_for_a_person():
    assert load_panel("smear-13").final("not_identifiable") == "unidentified"


def test_weights_whose_label_the_panel_lacks_are_refused_with_the_nearest_name():
    with pytest.raises(ModelRefused, match=r'smear-13 has no label "lymphocytes". Did you mean "lymphocyte"'):
        load_panel("smear-13").final("lymphocytes")


def test_an_unknown_panel_is_refused_with_the_nearest_name():
    with pytest.raises(ModelRefused, match=r'no panel "smear13". Did you mean "smear-13"'):
        load_panel("smear13")


def test_the_refusal_of_an_unknown_panel_says_which_have_weights():
    with pytest.raises(ModelRefused, match=r'Did you mean "blood-11"\? Panels with weights: smear-13\.$'):
        load_panel("blood-12")


@pytest.mark.parametrize("name", ["../smear-13", "smear-13.toml", ""])
def test_a_panel_is_a_name_and_never_a_path(name):
    with pytest.raises(ModelRefused, match="no panel"):
        load_panel(name)


SMALL = """
name = "small"
title = "Small"
source = "A test"
[[label]]
name = "blast"
title = "Blast"
short = "Blast"
lineage = "undetermined"
counted = true
[[label]]
name = "platelet"
title = "Platelet"
short = "Plt"
lineage = "megakaryocytic"
counted = false
[blood]
"""


def test_a_small_panel_can_be_read():
    assert read_panel(SMALL, "small.toml").names == ("blast", "platelet")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (SMALL.replace('short = "Plt"', 'shrt = "Plt"'), 'label 2 has no key "shrt". Did you mean "short"'),
        (SMALL.replace('name = "platelet"', 'name = "blast"'), '"blast" is there twice'),
        (SMALL.replace("megakaryocytic", "megakaryocitic"), 'Did you mean "megakaryocytic"'),
        (SMALL.replace("counted = true", 'counted = "yes"'), "counted must be true or false"),
        (SMALL.replace("[blood]", ""), r"add a table \[marrow\] or \[blood\]"),
        (SMALL.replace('name = "blast"', 'name = "unidentified"'), "belongs to every panel already"),
        (SMALL + "watched = { blast = [20, 5] }", "limits are rising percentages"),
        (SMALL + "watched = { platelet = [5] }", '"platelet" is outside the denominator'),
        (SMALL + "watched = { blasts = [5] }", 'Did you mean "blast"'),
        (SMALL + "reference = { blast = [0, 2] }", "need a reference_source"),
        (SMALL + 'reference_source = "x"\nreference = { blast = [2, 0] }', "the lower first"),
        (SMALL + "reference_source = 3", "reference_source must be a text and not empty"),
        (SMALL + 'loinc = { blast = { code = "709-5", verified = true } }', "check digit does not fit"),
        (SMALL + 'loinc = { blast = "709-6" }', "write blast = "),
        (SMALL + '[outputs]\nodd = "lymphocyte"', 'no label "lymphocyte"'),
        (SMALL + '[outputs]\nblast = "unidentified"', "needs no entry here"),
        (SMALL.replace("[blood]", "blood = 3"), "small.toml"),
        ("label = 3", "at least one"),
        ("label = [3]", "label 1 must be a table"),
        (SMALL + "[blood]", "not TOML"),
    ],
)
def test_a_panel_that_is_not_understood_is_refused_in_a_sentence(text, sentence):
    with pytest.raises(ModelRefused, match=sentence):
        read_panel(text, "small.toml")


@pytest.mark.parametrize("name", panel_names())
def test_a_panel_is_called_as_its_file(name):
    text = (files("models") / "panels" / f"{name}.toml").read_text("utf-8")
    assert tomllib.loads(text)["name"] == name
