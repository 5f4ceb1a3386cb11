"""What a stage is told about itself."""

from __future__ import annotations

import pytest

from firmware_bridge.connect import open_stage
from firmware_bridge.errors import StageRefused
from firmware_bridge.settings import AxisSettings, StageSettings, parse_axis


@pytest.mark.parametrize("port", ["", "grbl", "grbl:", ":/dev/ttyUSB0", "/dev/ttyUSB0"])
def test_a_port_names_its_protocol(port: str) -> None:
    with pytest.raises(StageRefused, match="PROTOCOL:PORT"):
        StageSettings(port)


def test_an_unknown_protocol_is_answered_with_the_nearest() -> None:
    with pytest.raises(StageRefused, match='Did you mean "marlin"'):
        open_stage(StageSettings("merlin:/dev/null"))


def test_an_unlike_protocol_is_answered_with_all_there_are() -> None:
    with pytest.raises(StageRefused, match="There are: grbl, marlin, sangaboard"):
        open_stage(StageSettings("xyz:/dev/null"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"limits_um": (5.0, 5.0)},
        {"limits_um": (float("nan"), 5.0)},
        {"steps_per_mm": 0.0},
        {"speed_um_s": -1.0},
        {"acceleration_um_s2": float("inf")},
        {"backlash_um": -1.0},
        {"approach": 0},
    ],
)
def test_an_axis_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(StageRefused, match="Correct"):
        AxisSettings(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["settle_s", "reply_within_s", "home_within_s", "stop_within_s"])
def test_a_negative_time_is_refused(name: str) -> None:
    with pytest.raises(StageRefused, match=name):
        StageSettings("grbl:/dev/null", **{name: -0.1})  # type: ignore[arg-type]


def test_an_axis_is_read_from_a_line() -> None:
    assert parse_axis("-10:60000,backlash_um=8,approach=-1") == AxisSettings(
        (-10.0, 60_000.0), backlash_um=8.0, approach=-1
    )


@pytest.mark.parametrize("text", ["", "5", "a:b", "0:1,speed", "0:1:2"])
def test_an_axis_that_cannot_be_read_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(StageRefused, match="LOW:HIGH"):
        parse_axis(text)


def test_a_mistyped_name_of_an_axis_is_named() -> None:
    with pytest.raises(StageRefused, match=r'no "sped_um_s".*speed_um_s'):
        parse_axis("0:1,sped_um_s=3")


def test_the_environment_may_give_another_baud_rate() -> None:
    said = {"HEMADIFF_STAGE": "marlin:/dev/ttyUSB0", "HEMADIFF_STAGE_BAUD": "250000"}
    assert StageSettings.from_environment(said).baud_rate == 250_000


@pytest.mark.parametrize("text", ["fast", "-9600", "0", "9600.0"])
def test_a_baud_rate_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(StageRefused, match="baud rate"):
        StageSettings.from_environment({"HEMADIFF_STAGE": "grbl:x", "HEMADIFF_STAGE_BAUD": text})


def test_the_environment_describes_a_stage() -> None:
    said = {"HEMADIFF_STAGE": "grbl:/dev/ttyUSB0", "HEMADIFF_STAGE_Z": "0:900"}
    settings = StageSettings.from_environment(said)
    assert (settings.url, settings.z.limits_um, settings.x.limits_um) == ("/dev/ttyUSB0", (0.0, 900.0), None)
    assert settings.z.speed_um_s == StageSettings("grbl:x").z.speed_um_s
