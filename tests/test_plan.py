"""The order form of a run."""

from __future__ import annotations

import json

import pytest
from builders_run import plan

from appliance.camera_source import parse_order
from appliance.errors import ApplianceRefused
from appliance.plan import Plan
from models import ModelRefused
from models.panel import Specimen


def test_a_plan_asks_for_300_to_500_cells_of_blood_with_the_bundled_panel():
    p = Plan("simulated")
    assert (p.min_cells, p.max_cells, p.specimen, p.panel, p.detector, p.order) == (
        300,
        500,
        Specimen.BLOOD,
        "smear-13",
        "network",
        "natural",
    )


def test_a_plan_survives_its_json():
    p = plan(
        order="random:7",
        um_per_px=0.1,
        um_per_px_source="settings",
        calibration="/etc/hemadiff/100x.json",
        detector="saliency",
        merge_band_and_segmented=True,
        monocytes_in_me=False,
        reference={"lymphocyte": [20, 40]},
        watched={"blast": [5, 20]},
        me_formula="myelocyte : erythroblast",
    )
    assert Plan.from_json(p.to_json()) == p


def test_the_rules_of_a_plan_carry_the_laboratorys_own():
    rules = plan(reference={"lymphocyte": [20, 40]}, watched={"blast": [20]}).rules()
    assert rules.reference["lymphocyte"] == (20, 40)
    assert rules.watched == {"blast": (20.0,)}


@pytest.mark.parametrize(("order", "seed"), [("natural", None), ("random:0", 0), ("random:17", 17)])
def test_the_order_carries_its_seed(order, seed):
    assert parse_order(plan(order=order).order) == seed


@pytest.mark.parametrize("camera", ["folder:/smear", "simulated", "simulated:3"])
def test_cameras_that_exist_are_taken(camera):
    assert plan(camera=camera).camera == camera


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"min_cells": 501}, r"min_cells \(501\) is more than max_cells \(500\)"),
        ({"min_cells": 0}, "min_cells is 0"),
        ({"max_cells": 500.5}, "whole number"),
        ({"min_cells": True}, "whole number"),
        ({"order": "randm:1"}, 'no order "randm:1"'),
        ({"order": "random"}, "no order"),
        ({"order": "random:-1"}, "no order"),
        ({"order": "random:²"}, "no order"),
        ({"order": None}, "no order"),
        ({"camera": "folder:smear"}, "whole path"),
        ({"camera": "folder:"}, "names no folder"),
        ({"camera": "webcam"}, 'no camera "webcam"'),
        ({"camera": "simulated:x"}, "no camera"),
        ({"camera": "simulated:"}, "no camera"),
        ({"um_per_px": 0}, "um_per_px is 0"),
        ({"um_per_px": float("nan")}, "um_per_px is nan"),
        ({"um_per_px": "0.1"}, "positive number"),
        ({"um_per_px": True}, "positive number"),
        ({"um_per_px_source": None}, "um_per_px_source must be a text"),
        ({"detector": "salience"}, 'Did you mean "saliency"'),
        ({"specimen": "bone"}, 'no specimen "bone"'),
        ({"specimen": None}, "no specimen"),
        ({"calibration": 3}, "calibration must be a text"),
        ({"merge_band_and_segmented": "yes"}, "true or false"),
        ({"reference": {"blast": 3}}, "list of numbers"),
        ({"watched": [5]}, "list of numbers"),
        ({"panel": 13}, "name of a panel"),
    ],
)
def test_nonsense_is_refused_in_a_sentence(changes, sentence):
    with pytest.raises(ApplianceRefused, match=sentence):
        plan(**changes)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "not JSON"),
        ("[]", "JSON object"),
        ("{}", "needs a camera"),
        (json.dumps({"camera": "simulated", "max_cell": 3}), 'no key "max_cell". Did you mean "max_cells"'),
        (json.dumps({"camera": ["simulated"]}), "no camera"),
    ],
)
def test_json_that_is_no_plan_is_refused_in_a_sentence(text, sentence):
    with pytest.raises(ApplianceRefused, match=sentence):
        Plan.from_json(text)


def test_an_unknown_panel_is_refused_when_its_rules_are_asked_for():
    with pytest.raises(ModelRefused, match='Did you mean "smear-13"'):
        plan(panel="smear-31").rules()
