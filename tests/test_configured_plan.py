"""What the command says wins over the settings, and a scale says who stated it."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.config import Config
from appliance.configured_plan import plan_from_config
from appliance.errors import ApplianceRefused
from appliance.field_source import open_source
from appliance.plan import Plan


def planned(settings: dict[str, Any], **said: Any) -> Plan:
    return plan_from_config(Config(camera=settings), **{"camera": "folder:/smear", **said})


def scale(plan: Plan) -> tuple[float | None, str | None]:
    return plan.um_per_px, plan.calibration


@pytest.mark.parametrize("settings", [{}, {"source": "picamera2"}])
def test_a_sensor_on_the_command_is_sent_to_the_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(ApplianceRefused, match='source = "v4l2:/dev/video0"'):
        planned(settings, camera="v4l2:/dev/video0")


def test_the_microscope_on_the_command_needs_a_sensor_in_the_settings() -> None:
    with pytest.raises(ApplianceRefused, match="microscope's camera is not set"):
        planned({}, camera="microscope")
    assert planned({"source": "picamera2"}, camera="microscope").camera == "microscope"


def test_a_calibration_that_is_said_goes_before_the_settings_pixel_size() -> None:
    plan = planned({"um_per_px": 0.2, "calibration": "/lab/old.json"}, calibration="/lab/100x.json")
    assert scale(plan) == (None, "/lab/100x.json")


def test_a_pixel_size_that_is_said_goes_before_the_settings_calibration() -> None:
    assert scale(planned({"calibration": "/lab/100x.json"}, um_per_px=0.1)) == (0.1, None)


def test_without_a_word_the_settings_pixel_size_goes_before_their_calibration() -> None:
    assert scale(planned({"um_per_px": 0.2, "calibration": "/lab/100x.json"})) == (0.2, None)
    assert scale(planned({"calibration": "/lab/100x.json"})) == (None, "/lab/100x.json")


def test_a_pixel_size_says_who_stated_it() -> None:
    assert planned({"um_per_px": 0.2}).um_per_px_source == "settings"
    assert planned({"um_per_px": 0.2}, um_per_px=0.1).um_per_px_source == "command line"


def test_a_simulated_microscope_keeps_its_own_scale_and_order_whatever_the_settings_say() -> None:
    for set_so in ({"um_per_px": 0.076}, {"calibration": "/lab/100x.json"}, {"order": "random:1"}):
        plan = planned({**set_so}, camera="simulated:3")
        assert (scale(plan), plan.order) == ((None, None), "natural")
        assert open_source(plan).scale.um_per_px == 0.1


@pytest.mark.parametrize(
    "said", [{"um_per_px": 0.076}, {"calibration": "/lab/100x.json"}, {"order": "random:1"}]
)
def test_what_is_said_of_a_simulated_microscope_and_cannot_be_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ApplianceRefused, match=r"Leave .* out"):
        open_source(planned({}, camera="simulated", **said))
