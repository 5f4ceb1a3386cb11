"""The command line: a sentence and an exit status for everything that may happen, and nothing imported in vain."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from appliance.cli import COMMANDS, Lazy, Session, cli, pass_session
from appliance.errors import ApplianceError, ApplianceRefused
from calibration import CalibrationRefused
from models import AnalysisError, ModelRefused


@pytest.fixture(autouse=True)
def somewhere_without_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "HEMADIFF_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def hemadiff(*words: str) -> Result:
    return CliRunner().invoke(cli, words, prog_name="hemadiff")


def given(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    """A command `try` that does this."""
    module = sys.modules[__name__]
    monkeypatch.setattr(module, "attempt", click.Command("attempt", callback=action), raising=False)
    monkeypatch.setitem(COMMANDS, "attempt", Lazy(f"{__name__}:attempt", "Try."))


def raising(error: BaseException) -> Callable[[], object]:
    def action() -> object:
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ApplianceRefused("The folder smear is empty. Give another."), 2),
        (CalibrationRefused("Nothing says the scale. Give --um-per-px."), 2),
        (ModelRefused('There is no panel "x". Choose one.'), 2),
        (ApplianceError("The disk is full. Make room."), 1),
        (AnalysisError("The inference failed. Start again."), 1),
    ],
)
def test_an_error_is_its_sentence_and_a_status(
    monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    given(monkeypatch, raising(error))
    result = hemadiff("attempt")
    assert result.exit_code == status
    assert result.stderr == f"{error}\n"
    assert result.stdout == ""


def test_a_bug_is_one_sentence_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, raising(KeyError("colour")))
    result = hemadiff("attempt")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "test_cli.py" in result.stderr
    assert "KeyError: 'colour'" in result.stderr
    assert "--debug attempt" in result.stderr


def test_debug_shows_the_trace_too(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, raising(ApplianceRefused("No.")))
    result = hemadiff("--debug", "attempt")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr
    assert result.stderr.endswith("No.\n")


def test_control_c_leaves_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, raising(KeyboardInterrupt()))
    assert hemadiff("attempt").exit_code == 130


def test_a_command_may_leave_with_3(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, lambda: click.get_current_context().exit(3))
    assert hemadiff("attempt").exit_code == 3


def test_a_command_finds_the_session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "lab.toml"
    file.write_text("[web]\nport = 81\n")
    ports: list[int] = []

    @pass_session
    def action(session: Session) -> None:
        ports.append(session.config.web.port)

    given(monkeypatch, action)
    assert hemadiff("--config", str(file), "attempt").exit_code == 0
    assert ports == [81]


def test_wrong_settings_stop_a_command_with_2(tmp_path: Path) -> None:
    (tmp_path / "hemadiff.toml").write_text("[web]\nprot = 81\n")
    result = hemadiff("config", "show")
    assert result.exit_code == 2
    assert result.stderr == 'hemadiff.toml, line 2: [web] has no key "prot". Did you mean "port"?\n'


def test_heights_that_the_microscope_will_refuse_are_shown_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "hemadiff.toml").write_text(
        "[stage.z]\nlimits_um = [0, 1000]\n[microscope]\nheights_um = [900, 1100]\nfocus_um = 1200\n"
    )
    said = hemadiff("config", "show")
    assert said.exit_code == 0
    assert "focus_um (1200) is outside heights_um" in said.stderr
    assert "reach beyond the limits of z" in said.stderr


def test_an_unknown_command_is_refused_with_the_nearest_one() -> None:
    result = hemadiff("cuont")
    assert result.exit_code == 2
    assert 'There is no command "cuont". Did you mean "count"?' in result.stderr


def test_another_room_adds_its_command_by_an_entry_point(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "room-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: room\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[hemadiff.commands]\nsweep = room_sweep:sweep\n")
    (tmp_path / "room_sweep.py").write_text(
        "import click\n\n@click.command()\ndef sweep():\n    click.echo('swept')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert hemadiff("sweep").stdout == "swept\n"
    assert "\n  sweep" in hemadiff("--help").stdout


def test_help_lists_every_command_with_examples_and_the_exit_status() -> None:
    result = hemadiff("--help")
    assert result.exit_code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in result.stdout
    assert "Examples:\n" in result.stdout
    assert "hemadiff count --camera folder:" in result.stdout
    assert "Exit status: 0" in result.stdout
    assert "Research use only" in result.stdout


@pytest.mark.parametrize(
    "words",
    [("config",), ("config", "show"), ("runs",), ("runs", "list"), ("runs", "show"), ("runs", "export")],
)
def test_every_commands_help_has_an_example(words: tuple[str, ...]) -> None:
    result = hemadiff(*words, "--help")
    assert result.exit_code == 0
    assert f"hemadiff {words[0]}" in result.stdout.partition("Example")[2]


def test_help_and_version_import_neither_networks_nor_pictures_nor_settings() -> None:
    heavy = ("numpy", "cv2", "scipy", "onnxruntime", "pydantic", "sqlite_utils", "flask", "PIL", "torch")
    code = (
        "import sys; from appliance.cli import cli\n"
        "for word in ('--help', '--version'): cli.main([word], 'hemadiff', standalone_mode=False)\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    root = Path(__file__).parent.parent
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert result.stdout.splitlines()[-1] == "[]"


def test_what_config_show_prints_is_a_settings_file_that_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "hemadiff.toml").write_text(
        '[camera]\nsource = "folder:smear \\"1\\""\n[laboratory.blood.reference]\nlymphocyte = [20, 40]\n'
    )
    shown = hemadiff("config", "show").stdout
    again = tmp_path / "again.toml"
    again.write_text(shown)
    assert tomllib.loads(shown)["laboratory"]["blood"]["reference"] == {"lymphocyte": [20.0, 40.0]}
    as_json = [
        hemadiff(*words, "config", "show", "--json").stdout for words in ((), ("--config", "again.toml"))
    ]
    first, second = ({row["key"]: row["value"] for row in json.loads(text)} for text in as_json)
    assert first == second
    assert first["camera.source"] == f'folder:{tmp_path}/smear "1"'


def test_config_show_says_where_every_value_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hemadiff.toml").write_text("[web]\nport = 81\n")
    monkeypatch.setenv("HEMADIFF_WEB__HOST", "0.0.0.0")
    lines = hemadiff("config", "show").stdout.splitlines()
    assert [line.split("  # ")[1] for line in lines if line.startswith(("port", "host", "threads"))] == [
        "HEMADIFF_WEB__HOST",
        "hemadiff.toml, line 2",
        "default",
    ]
