"""What an operator is offered to count, and why the rest is not."""

from __future__ import annotations

import shutil

import pytest

from appliance import countable
from appliance.config import Config
from appliance.countable import countables
from models.panel import panel_names


def config(**changes):
    return Config(camera={"source": "simulated"}, **changes)


def offered(settings):
    return [(one.panel, one.specimen) for one in countables(settings) if not one.why_not]


def test_panels_with_weights_are_offered_the_settings_own_first():
    marrow = config(count={"specimen": "marrow"})
    assert offered(config()) == [("smear-13", "blood"), ("smear-13", "marrow")]
    assert offered(marrow) == [("smear-13", "marrow"), ("smear-13", "blood")]


def test_what_the_settings_say_stands_first_also_where_it_cannot_be_counted():
    for said in ({"panel": "marrow-16", "specimen": "marrow"}, {"panel": "no-such", "specimen": "marrow"}):
        own, *rest = countables(config(count=said))
        assert (own.panel, own.specimen, own.own) == (*said.values(), True)
        assert own.why_not
        assert not any(one.own for one in rest)


def test_weights_that_are_damaged_later_are_not_countable_any_more(tmp_path, monkeypatch):
    shutil.copytree(countable.BUNDLED, tmp_path / "weights")
    monkeypatch.setattr(countable, "BUNDLED", tmp_path / "weights")
    assert offered(config())
    for network in (tmp_path / "weights").glob("*.onnx"):
        network.write_bytes(b"damaged")
    assert not offered(config())


def test_every_other_panel_says_in_a_sentence_why_it_cannot_be_counted():
    rest = [one for one in countables(config()) if one.why_not]
    assert {one.panel for one in rest} == set(panel_names()) - {"smear-13"}
    assert all(f"There are no weights for the panel {one.panel}." in one.why_not for one in rest)


@pytest.mark.parametrize(("um_per_px", "fits"), [(0.2, True), (0.31, False)])
def test_a_camera_too_coarse_for_the_weights_is_offered_nothing(tmp_path, um_per_px, fits):
    settings = Config(
        store={"path": tmp_path / "s.sqlite"},
        camera={"source": f"folder:{tmp_path}", "um_per_px": um_per_px},
    )
    assert bool(offered(settings)) == fits
    own = countables(settings)[0]
    assert own.panel == "smear-13"
    assert ("Use a higher magnification." in own.why_not) != fits


def test_a_laboratorys_rules_that_a_panel_does_not_know_are_its_reason(tmp_path):
    settings = config(laboratory={"marrow": {"watched": {"plasma_cell": [10.0]}}})
    marrow = next(one for one in countables(settings) if (one.panel, one.specimen) == ("smear-13", "marrow"))
    assert "plasma_cell" in marrow.why_not
    assert offered(settings) == [("smear-13", "blood")]
