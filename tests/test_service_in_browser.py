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
    config = settings(tmp_path)
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
