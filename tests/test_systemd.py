"""The units that a box boots into: systemd takes them, they are shut tight, and nothing waits for seconds."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from builders_box import REPOSITORY, UNITS, installed, missing, with_debian
from click.testing import CliRunner

from appliance.cli import LazyGroup, cli
from appliance.config import load_config

HERE = REPOSITORY / "systemd"
MOST_EXPOSED = 2.5
OPTIONS = ("--stage", "A50285BI", "--camera", "path:pci-0:usb-0:2", "--gpu", "--remote-camera", "--picamera")
needs_systemd = pytest.mark.skipif(
    bool(missing("systemd-analyze", "openssl")), reason=missing("systemd-analyze", "openssl")
)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with everything installed that can be asked for."""
    return with_debian(installed(tmp_path_factory.mktemp("box"), *OPTIONS))


@pytest.fixture(scope="module")
def plain_box(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root as it is without any option."""
    return with_debian(installed(tmp_path_factory.mktemp("plain")))


def analyse(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *map(str, words)], capture_output=True, text=True, check=False)


def exposure(root: Path, unit: str) -> float:
    said = analyse("security", "--offline=true", f"--root={root}", "--no-pager", unit)
    found = re.search(r"exposure level for \S+: ([0-9.]+)", said.stdout)
    assert found, said.stderr
    return float(found[1])


@needs_systemd
def test_systemd_finds_nothing_to_say_of_the_units(box: Path) -> None:
    said = analyse("verify", "--man=no", f"--root={box}", *UNITS)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


@needs_systemd
@pytest.mark.parametrize(
    "unit", ["hemadiff-instrument.service", "hemadiff-web.service", "hemadiff-backup.service"]
)
def test_what_runs_unattended_is_hardly_exposed(plain_box: Path, unit: str) -> None:
    assert exposure(plain_box, unit) <= MOST_EXPOSED


@needs_systemd
def test_an_instrument_with_gpu_and_a_camera_elsewhere_is_still_hardly_exposed(box: Path) -> None:
    assert exposure(box, "hemadiff-instrument.service") <= MOST_EXPOSED


def unit(name: str) -> configparser.RawConfigParser:
    """A unit; where a key is given several times, its last value."""
    read = configparser.RawConfigParser(strict=False, delimiters="=", comment_prefixes="#")
    read.optionxform = str  # type: ignore[assignment, method-assign]
    read.read(HERE / "units" / name)
    return read


SERVICES = ["hemadiff-instrument.service", "hemadiff-web.service"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_says_when_it_is_ready_and_is_watched(name: str) -> None:
    service = unit(name)["Service"]
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) > 0
    assert service["Restart"] == "on-failure"


def test_the_watchdog_allows_for_the_longest_answer_of_the_instrument() -> None:
    from appliance.channel_client import REPLY_WITHIN_S

    assert int(unit("hemadiff-instrument.service")["Service"]["WatchdogSec"]) > 2 * REPLY_WITHIN_S


@pytest.mark.parametrize("name", UNITS)
def test_nothing_waits_for_seconds_to_pass(name: str) -> None:
    text = (HERE / "units" / name).read_text()
    assert "sleep" not in text
    assert "ExecStartPre" not in text


def commands() -> list[tuple[str, list[str]]]:
    read = [(name, unit(name)) for name in UNITS if name.endswith(".service")]
    lines = [(name, shlex.split(each["Service"]["ExecStart"])) for name, each in read]
    return [(name, words[1:]) for name, words in lines if words[0].endswith("/bin/hemadiff")]


@pytest.mark.parametrize(("name", "words"), commands())
def test_every_command_that_a_unit_starts_is_one_of_ours(name: str, words: list[str]) -> None:
    group = cli
    assert isinstance(group, LazyGroup)
    said = CliRunner().invoke(group, [words[0], "--help"])
    assert said.exit_code == 0
    assert all(word in said.output for word in words if word.startswith("--"))


def test_the_page_can_write_nothing_of_the_instrument_s() -> None:
    service = unit("hemadiff-web.service")["Service"]
    assert service["ProtectSystem"] == "strict"
    assert "ReadWritePaths" not in service
    assert "/var/lib/hemadiff" in service["ReadOnlyPaths"]


def test_the_touchscreen_is_a_user_of_its_own_and_sees_no_data() -> None:
    service = unit("hemadiff-kiosk.service")["Service"]
    assert service["User"] == "hemadiff-kiosk"
    assert "/var/lib/hemadiff" in service["InaccessiblePaths"]


def test_the_touchscreen_opens_the_page_of_the_settings_that_are_installed() -> None:
    config = load_config(HERE / "etc" / "hemadiff.toml", {})
    assert unit("hemadiff-kiosk.service")["Service"]["Environment"].endswith(
        f"http://{config.web.host}:{config.web.port}/"
    )
    assert f"http://{config.web.host}:{config.web.port}" in (HERE / "proxy" / "nginx.conf").read_text()


def test_the_installed_settings_lie_where_the_units_may_write() -> None:
    config = load_config(HERE / "etc" / "hemadiff.toml", {})
    writable = unit("hemadiff-instrument.service")["Service"]["ReadWritePaths"].split()
    assert str(config.store.path.parent) in writable
    assert str(config.socket_path.parent) in writable


def test_nothing_can_be_done_at_the_touchscreen_but_use_the_page() -> None:
    compositor = (HERE / "kiosk" / "sway.conf").read_text()
    policy = json.loads((HERE / "kiosk" / "policy.json").read_text())
    assert "bindsym" not in compositor
    assert policy["URLBlocklist"] == ["*"]
    assert policy["DeveloperToolsAvailability"] == 2


def test_a_window_never_covers_the_on_screen_keyboard() -> None:
    assert "fullscreen disable" in (HERE / "kiosk" / "sway.conf").read_text()
    session = (HERE / "kiosk" / "session").read_text()
    assert "squeekboard" in session
    assert "--enable-wayland-ime" in session


@pytest.mark.parametrize("proxy", ["nginx.conf", "Caddyfile"])
def test_a_proxy_passes_server_sent_events_on_at_once_and_no_word_of_a_client_on_who_it_is(
    proxy: str,
) -> None:
    text = (HERE / "proxy" / proxy).read_text()
    assert "proxy_buffering off" in text or "flush_interval -1" in text
    assert "$proxy_add_x_forwarded_for" not in text
    assert "/etc/hemadiff/tls/hemadiff.crt" in text


PART = r'[A-Z_]+(?:\{[A-Za-z_/.]+\})?(?:==|!=|\+=|=)"[^"]*"'
RULE = re.compile(f"{PART}(?:, {PART})*")


@pytest.mark.skipif(bool(missing("openssl")), reason=missing("openssl"))
def test_every_udev_rule_is_a_list_of_matches_and_settings(box: Path) -> None:
    for file in (box / "etc/udev/rules.d").iterdir():
        rules = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
        assert rules
        assert all(RULE.fullmatch(rule) for rule in rules), file
