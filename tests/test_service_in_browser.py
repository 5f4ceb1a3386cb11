"""The microscope's page in a browser: an engineer takes it in hand, moves, and answers a routine."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from builders_browser import shown
from builders_web import FakeInstrument, a_run, served, settings
from PIL import Image

from appliance.config import Config, SimulatorSection
from appliance.errors import ApplianceRefused

READY = {
    "phase": "ready", "by": "engineer", "doing": "", "told": [], "waits": None, "verdict": None, "trouble": None,
    "picture": 1, "position_um": [18_000.0, 11_000.0, 2_000.0], "lamp": None,
    "limits_um": {"x": [0, 40_000], "y": [0, 25_000], "z": [1_702, 2_297]},
    "sight": {
        "histogram": [[1 / 64] * 64] * 3, "cut_off": 0.0, "sharpness": 0.0123, "exposure_us": 9_800, "gain": 1.0,
        "size_px": [1_388, 1_040],
    },
}  # fmt: skip
PASSED = {
    "routine": "flat_field", "passed": True, "said": ["Exposure 9800 µs."],
    "settings": {"[camera] exposure_us": "9800"},
    "calibration": "cal-0123456789ab",
}  # fmt: skip


def with_errors(folder: Path) -> Config:
    """A simulated microscope that there is something to calibrate on."""
    return settings(folder).model_copy(update={"simulator": SimulatorSection(instrument=7)})


class Guided(FakeInstrument):
    """An instrument whose routine waits for a slide, and passes once it lies there."""

    state: Mapping[str, Any] = MappingProxyType({"phase": "none"})

    def _answer(self, ask: str, arguments: dict[str, Any]) -> dict[str, Any]:
        match ask:
            case "service_state":
                return dict(self.state)
            case "service_picture":
                written = io.BytesIO()
                Image.fromarray(np.full((60, 80, 3), 200, np.uint8)).save(written, "JPEG")
                return {"jpeg": base64.b64encode(written.getvalue()).decode()}
            case "service_begin":
                self.state = READY
            case "service_routine":
                asked = {"wanted": "slide", "sentence": "Put a clean slide on the stage.", "slide": "blank"}
                waits = {**asked, "number": 3}
                self.state = {
                    **READY,
                    "doing": "flat_field",
                    "told": ["Taking blank fields."],
                    "waits": waits,
                }
            case "service_answer":
                self.state = {**READY, "verdict": PASSED}
        return super()._answer(ask, arguments)


def test_an_engineer_takes_the_microscope_in_hand_moves_and_calibrates(browser: Any, tmp_path: Path) -> None:
    config = with_errors(tmp_path)
    fake = Guided(config.socket_path, a_run("completed"))
    with served(config) as address, shown(browser, f"{address}/service/microscope", role="engineer") as page:
        page.get_by_label("The stage is going to move").check()
        page.get_by_role("button", name="Begin", exact=True).click()
        page.get_by_text("engineer has the microscope in hand.").wait_for()
        page.get_by_role("img", name="What the camera sees now").wait_for()
        page.get_by_role("button", name="z −").click()
        page.get_by_text("How thoroughly").click()
        page.get_by_label("Watch the stage stand still").check()
        page.get_by_role("button", name="Begin the routine").click()
        page.get_by_text("Put a clean slide on the stage.").wait_for()
        page.locator("#told").scroll_into_view_if_needed()
        assert page.get_by_role("button", name="Stop the routine").evaluate(IN_VIEW), (
            "the log is read meanwhile"
        )
        assert page.get_by_role("button", name="x +").is_disabled()
        page.get_by_role("button", name="It lies there").click()
        page.get_by_text("[camera] exposure_us = 9800").wait_for()
        link = page.get_by_role("link", name="See it and put it in force")
        assert link.get_attribute("href") == "/service/calibrations/cal-0123456789ab"
    fake.dies()
    assert [ask for ask, _ in fake.asked] == [
        "service_begin",
        "service_jog",
        "service_routine",
        "service_answer",
    ]
    assert dict(fake.asked)["service_answer"] == {"by": "engineer", "yes": True, "question": 3}
    assert dict(fake.asked)["service_jog"] == {"by": "engineer", "dz": -1}
    extent = {"returns": 30, "tilt": True, "drift": True, "overview": True}
    assert dict(fake.asked)["service_routine"]["extent"] == extent


IN_VIEW = (
    "part => { const at = part.getBoundingClientRect(); return at.top >= 0 && at.bottom <= innerHeight; }"
)


class Unwilling(Guided):
    """An instrument that has the microscope in hand and begins no routine."""

    def _answer(self, ask: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if ask == "service_routine":
            raise ApplianceRefused("The lamp is off.")
        return super()._answer(ask, arguments)


def test_a_refusal_is_seen_beside_the_button_that_was_pressed(browser: Any, tmp_path: Path) -> None:
    config = with_errors(tmp_path)
    fake = Unwilling(config.socket_path, a_run("completed"))
    fake.state = READY
    with served(config) as address, shown(browser, f"{address}/service/microscope", role="engineer") as page:
        page.get_by_role("button", name="Begin the routine").click()
        page.locator("#routine").get_by_text("The lamp is off.").wait_for()
    fake.dies()
