"""The analyser of real networks: cells of a field, or an error, never a doubtful nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from appliance.frame import Frame, Point
from appliance.network_analyser import NetworkAnalyser, load_analyser
from calibration import Scale
from models import AnalysisError, ModelRefused

SCALE = Scale.stated(0.1)


@pytest.fixture(scope="module")
def analyser() -> NetworkAnalyser:
    return load_analyser("network", "smear-13", "blood")


def frame(pixels: np.ndarray, calibration_id: str = SCALE.id) -> Frame:
    return Frame(0, "a.png", pixels, Point(1000, 2000), 0, None, None, calibration_id)


def test_an_empty_field_has_no_cells(analyser: NetworkAnalyser) -> None:
    assert analyser.analyse(frame(np.full((400, 400, 3), 225, np.uint8)), SCALE) == []


def test_a_dark_field_is_an_error_not_an_empty_field(analyser: NetworkAnalyser) -> None:
    with pytest.raises(AnalysisError, match=r"a\.png is dark"):
        analyser.analyse(frame(np.full((400, 400, 3), 20, np.uint8)), SCALE)


def test_a_dark_field_says_that_it_is_dark_where_skipped_fields_are_listed() -> None:
    networks: Any = SimpleNamespace(name="none", engine="none", outputs=())
    with pytest.raises(AnalysisError) as caught:
        NetworkAnalyser(networks, networks).analyse(frame(np.full((400, 400, 3), 20, np.uint8)), SCALE)
    assert caught.value.reason == "dark field"


def test_a_frame_of_another_calibration_is_an_error(analyser: NetworkAnalyser) -> None:
    with pytest.raises(AnalysisError, match="run of its own"):
        analyser.analyse(frame(np.full((400, 400, 3), 225, np.uint8), "other"), SCALE)


def test_a_scale_that_is_too_coarse_is_refused_before_a_run(analyser: NetworkAnalyser) -> None:
    analyser.check(Scale.stated(0.22))
    with pytest.raises(ModelRefused, match="higher magnification"):
        analyser.check(Scale.stated(0.25))


def test_engine_weights_and_outputs_are_named(analyser: NetworkAnalyser) -> None:
    assert "CPUExecutionProvider" in analyser.engine
    assert analyser.weights.startswith("smear-13 ")
    assert "detector " in analyser.weights
    assert len(analyser.outputs) == 14
