"""`hemadiff stage`, on emulated boards."""

from __future__ import annotations

import json
from typing import Any

import pytest
from builders_stage import board, until
from click.testing import CliRunner, Result

from appliance.commands.stage import stage
from appliance.errors import ApplianceError, ApplianceRefused
from firmware_bridge.emulated.board import EmulatedBoard
from firmware_bridge.emulated.faults import Fault
from firmware_bridge.point import Point
from firmware_bridge.protocols.grbl import GrblStage


def run(of: EmulatedBoard, command: str, *words: str, typed: str | None = None) -> Result:
    axes = [
        f"--{name}={low}:{high},steps_per_mm={of.mechanics.steps_per_mm[i]},speed_um_s={of.speeds_um_s[i]}"
        for i, (name, (low, high)) in enumerate(zip("xyz", of.limits_um, strict=True))
    ]
    return CliRunner().invoke(stage, [command, "--port", of.address, *axes, *words], input=typed)


def test_info_says_what_answers_and_what_it_knows() -> None:
    with board("grbl") as of:
        said = run(of, "info").output
    assert said.startswith("Grbl 1.1h on ")
    assert "x: 800 steps/mm, at most 20000 µm/s, travel 0 to 12000 µm" in said


def test_info_is_an_object_for_programs() -> None:
    with board("sangaboard") as of:
        said: dict[str, Any] = json.loads(run(of, "info", "--json").output)
    assert (said["switches"], said["axes"]["z"]["steps_per_mm"]) == (False, 4_000.0)


def test_info_moves_nothing() -> None:
    with board("marlin") as of:
        before = of.true_position()
        assert run(of, "info").exit_code == 0
        assert of.true_position() == before


def test_home_asks_whether_the_way_is_free() -> None:
    with board("grbl") as of:
        before = of.true_position()
        said = run(of, "home", typed="n\n")
        assert (said.exit_code, of.true_position()) == (1, before)
        assert "Is the way free?" in said.output


def test_home_where_nobody_can_answer_names_what_says_yes() -> None:
    with board("grbl") as of:
        said = run(of, "home", typed="")
    assert said.exit_code != 0
    assert "give --yes" in f"{said.output} {said.exception}"


def test_home_of_a_stage_without_switches_asks_for_its_reference() -> None:
    with board("sangaboard") as of:
        said = run(of, "home", typed="y\n").output
    assert "no end switches" in said
    assert "Home: x 0.0 µm, y 0.0 µm" in said


def test_move_homes_and_goes_there_at_the_height_of_home() -> None:
    with board("grbl") as of:
        said = run(of, "move", "--yes", "3000", "2000").output
        true = of.true_position()
    assert "Reached: x 3000.0 µm, y 2000.0 µm, z 1000.00 µm" in said
    assert (true.x_um, true.y_um) == pytest.approx((3_000.0, 2_000.0), abs=10.0)


@pytest.mark.parametrize(("wish", "axis"), [(("13000", "2000"), "x"), (("3000", "2000", "2001"), "z")])
def test_a_move_outside_the_limits_is_bad_input_and_not_even_homes(wish: tuple[str, ...], axis: str) -> None:
    with board("grbl") as of:
        before = of.true_position()
        said = run(of, "move", "--yes", *wish)
        assert of.true_position() == before
    assert isinstance(said.exception, ApplianceRefused)
    assert str(said.exception).startswith(f"Axis {axis}: the wish is")


def test_a_stage_that_is_not_there_is_a_failure() -> None:
    said = CliRunner().invoke(stage, ["info", "--port", "grbl:/dev/no-such-port"])
    assert isinstance(said.exception, ApplianceError)
    assert "There is no stage" in str(said.exception)


def test_an_axis_that_cannot_be_read_is_bad_input() -> None:
    said = CliRunner().invoke(stage, ["info", "--port", "grbl:/dev/null", "--x", "wide"])
    assert isinstance(said.exception, ApplianceRefused)


def test_jog_goes_by_keys_and_says_where_it_is() -> None:
    with board("grbl") as of:
        said = run(of, "jog", "--step", "50", typed="hd+w-fq").output
    assert said.splitlines()[-1].startswith("x 1050.0 µm, y 1100.0 µm, z 995.00 µm")


def test_jog_refuses_in_words_and_goes_on() -> None:
    with board("grbl") as of:
        said = run(of, "jog", typed="dhdq").output.splitlines()
    assert "not known" in said[1]
    assert said[-1].startswith("x 1100.0 µm")


def test_jogging_without_a_keyboard_says_where_to_run_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_terminal(echo: bool = False) -> str:
        raise OSError(6, "No such device or address", "/dev/tty")

    monkeypatch.setattr("click.getchar", no_terminal)
    with board("grbl") as of:
        said = CliRunner().invoke(stage, ["jog", "--port", of.address], standalone_mode=False)
    assert isinstance(said.exception, ApplianceRefused)
    assert "Run it in a terminal" in str(said.exception)


def test_jog_nudges_a_stage_without_switches_to_its_reference() -> None:
    with board("sangaboard") as of:
        said = run(of, "jog", typed="dhq").output.splitlines()
        assert of.true_position().x_um == pytest.approx(5_100.0)
    assert said[1].startswith("not homed; the controller says x 100.0")
    assert said[2].startswith("x 0.0 µm")


def test_the_end_of_the_input_ends_jogging() -> None:
    with board("grbl") as of:
        assert run(of, "jog", typed="").exit_code == 0


def test_monitor_prints_as_often_as_asked() -> None:
    with board("marlin") as of:
        said = run(of, "monitor", "--count", "2", "--every", "0.05")
    assert len(said.output.splitlines()) == 2
    assert "not homed; the controller says" in said.output


def test_monitor_says_what_the_controller_complains_of() -> None:
    with board("grbl") as of:
        said = run(of, "monitor", "--count", "1").output
    assert 'in the state "Alarm"' in said


def test_monitor_ends_when_the_port_vanishes() -> None:
    with board("marlin") as of:
        of.schedule(Fault("unplug", on="M114", after=4))
        said = run(of, "monitor", "--every", "0.05")
    assert isinstance(said.exception, ApplianceError)
    assert "Plug it in again" in str(said.exception)


@pytest.mark.parametrize("command", ["home", "move", "jog"])
def test_an_interrupted_command_leaves_nothing_moving(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(stage: GrblStage) -> tuple[bool, Point | None]:
        raise KeyboardInterrupt

    words = {"home": ("--yes",), "move": ("3000", "2000", "--yes"), "jog": ()}[command]
    with board("grbl") as of:
        monkeypatch.setattr(GrblStage, "_look", interrupted)
        run(of, command, *words, typed="hq")
        until(lambda: of.heard[-1] == "\x18")


@pytest.mark.parametrize("command", ["info", "home", "move", "jog", "monitor"])
def test_every_command_shows_an_example(command: str) -> None:
    assert f"hemadiff stage {command} " in CliRunner().invoke(stage, [command, "--help"]).output


def test_the_port_may_come_from_the_environment() -> None:
    with board("grbl") as of:
        said = CliRunner().invoke(stage, ["info"], env={"HEMADIFF_STAGE": of.address})
    assert said.exit_code == 0
