"""`hemadiff serve`: the page, an instrument beside it, and what happens when either ends."""

import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from builders_web import (
    FakeInstrument,
    a_hub,
    a_run,
    hemadiff_serve,
    instrument_pid,
    read_json,
    settings,
    until,
)
from click.testing import CliRunner

from appliance.cause import Cause
from appliance.channel_client import InstrumentClient
from appliance.cli import Session, cli
from appliance.errors import ApplianceRefused
from appliance.store import Store
from appliance.store_lock import StoreLock
from web.serve_command import _start_when_ready, serve
from web.supervisor import MOST_FAILURES, Supervisor

SIMULATED = {"HEMADIFF_COUNT__MIN_CELLS": "400", "HEMADIFF_COUNT__MAX_CELLS": "400"}


def a_supervisor(tmp_path, script, taken=lambda: False):
    """A supervisor of a small program, and what it says. The program notes each of its starts in ``starts``."""
    said = []
    note = f"open({str(tmp_path / 'starts')!r}, 'a').write('x'); "
    supervisor = Supervisor(
        [sys.executable, "-c", note + script], dict(os.environ), taken, said.append, again_after_s=0.001
    )
    supervisor.start()
    return supervisor, said


def starts(tmp_path):
    file = tmp_path / "starts"
    return len(file.read_text()) if file.exists() else 0


def up(address):
    return until(lambda: (now := read_json(f"{address}/api/v1/state"))["link"]["up"] and now, "it is up")


def test_an_instrument_that_dies_is_started_again_but_not_for_ever(tmp_path):
    supervisor, said = a_supervisor(tmp_path, "raise SystemExit(3)")
    assert supervisor.gave_up.wait(timeout=30)
    assert starts(tmp_path) == MOST_FAILURES
    assert "exit status 3" in said[0]
    assert "attempt 2 of 5" in said[0]
    assert "not started again" in said[-1]
    supervisor.close()


def test_an_instrument_that_can_never_begin_is_started_once(tmp_path):
    supervisor, said = a_supervisor(tmp_path, "raise SystemExit(2)")
    assert supervisor.refused.wait(timeout=30)
    supervisor.close()
    assert starts(tmp_path) == 1
    assert "cannot begin" in said[-1]


def test_a_store_that_is_none_ends_serve_with_the_instruments_sentence_and_status_2(tmp_path):
    (tmp_path / "s.sqlite").write_text("This is a letter, and no database at all. " * 50)
    with hemadiff_serve(tmp_path) as (_, process):
        assert process.wait(timeout=30) == 2
    log = (tmp_path / "log").read_text()
    assert "s.sqlite" in log
    assert "Traceback" not in log
    assert "again" not in log


def test_what_ended_an_instrument_is_said_by_name(tmp_path):
    supervisor, said = a_supervisor(tmp_path, "import os; os.kill(os.getpid(), 9)")
    until(lambda: said, "it says something")
    supervisor.close()
    assert "SIGKILL" in said[0]


def test_no_second_instrument_is_started_while_another_has_the_store(tmp_path):
    held = threading.Event()
    held.set()
    asked = threading.Semaphore(0)

    def taken():
        asked.release()
        return held.is_set()

    supervisor, said = a_supervisor(tmp_path, "import time; time.sleep(60)", taken)
    assert asked.acquire(timeout=10)
    assert asked.acquire(timeout=10)
    assert starts(tmp_path) == 0
    assert said == []
    held.clear()
    until(lambda: starts(tmp_path) == 1, "its own is started")
    supervisor.close()


def test_closing_ends_the_instrument_in_order(tmp_path):
    script = (
        "import signal, sys, time; from pathlib import Path; "
        f"signal.signal(signal.SIGTERM, lambda *_: (Path({str(tmp_path / 'ended')!r}).touch(), sys.exit(0))); "
        f"Path({str(tmp_path / 'ready')!r}).touch(); time.sleep(60)"
    )
    supervisor, said = a_supervisor(tmp_path, script)
    until((tmp_path / "ready").exists, "it is ready")
    supervisor.close()
    assert (tmp_path / "ended").exists()
    assert said == []
    assert starts(tmp_path) == 1


OF_A_MICROSCOPE = {"HEMADIFF_CAMERA__UM_PER_PX": "0.31", "HEMADIFF_CAMERA__ORDER": "random:7"}


@dataclass(frozen=True, slots=True)
class Demonstrations:
    """One count under three pages: the first is killed, the second follows its instrument, the third resumes.

    Each run as the page showed it.  instruments: under the first page and the second.
    status: with which the third page ended.  left: the instrument that then still holds the store.
    """

    folder: Path
    killed: dict[str, Any]
    followed: dict[str, Any]
    resumed: dict[str, Any]
    instruments: tuple[int | None, int | None]
    status: int
    left: int | None


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory):
    """The first one under the settings of some microscope; the last one is ended from the keyboard."""
    folder = tmp_path_factory.mktemp("demonstration")
    begun = hemadiff_serve(folder, "--simulate", "--start", **SIMULATED, **OF_A_MICROSCOPE)
    with begun as (address, process):
        killed = until(lambda: (now := up(address)["run"]) and now["counted"] and now, "cells are counted")
        first = instrument_pid(folder)
        process.kill()
        process.wait(timeout=30)
        try:
            with hemadiff_serve(folder, "--simulate") as (again, _):
                followed, second = up(again)["run"], instrument_pid(folder)
        finally:
            os.kill(first, signal.SIGTERM)
    until(lambda: instrument_pid(folder) is None, "the instrument ends")
    with hemadiff_serve(folder, "--simulate", "--start", **SIMULATED) as (address, process):
        resumed = until(
            lambda: (now := up(address)["run"]) and now["state"] in ("counting", "completed") and now,
            "the count goes on",
        )
        process.send_signal(signal.SIGINT)
        status = process.wait(timeout=30)
    return Demonstrations(folder, killed, followed, resumed, (first, second), status, instrument_pid(folder))


def test_a_page_that_is_killed_leaves_the_count_alone_and_the_next_one_follows_it(demonstrations):
    first, second = demonstrations.instruments
    assert second == first
    assert demonstrations.followed["state"] in ("counting", "completed")
    assert demonstrations.followed["counted"] >= demonstrations.killed["counted"]


def test_a_signal_ends_page_and_instrument_and_keeps_the_count(demonstrations):
    assert (demonstrations.status, demonstrations.left) == (0, None)
    with Store.read_only(demonstrations.folder / "s.sqlite") as store:
        (run,) = store.runs()
        assert run.state == "paused"
        assert store.tally(run.id).counted >= demonstrations.resumed["counted"] > 0


EARLY_SIGNAL = """
import os, signal, sys, time
from pathlib import Path
from appliance.cli import main
from appliance.store_lock import is_held
import web.serve_command

def announce(config, port):
    while not is_held(config.lock_path):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)

web.serve_command._announce = announce
sys.argv = ["hemadiff", "serve", "--simulate", "--port", "0"]
main()
"""


def test_a_signal_before_the_page_is_announced_leaves_no_instrument_behind(tmp_path):
    env = os.environ | {"HEMADIFF_STORE__PATH": str(tmp_path / "s.sqlite")}
    try:
        ended = subprocess.run([sys.executable, "-c", EARLY_SIGNAL], env=env, timeout=120, check=False)
        assert ended.returncode == 0
        assert instrument_pid(tmp_path) is None
    finally:
        if left := instrument_pid(tmp_path):
            os.kill(left, signal.SIGTERM)


def test_another_demonstration_goes_on_with_the_count_that_was_paused(demonstrations):
    assert demonstrations.resumed["run"] == demonstrations.killed["run"]
    assert demonstrations.resumed["counted"] >= demonstrations.killed["counted"]


def test_what_the_settings_say_of_the_microscope_does_not_hinder_a_demonstration(demonstrations):
    assert demonstrations.killed["simulated"]
    assert demonstrations.killed["um_per_px"] != 0.31


class OfAnotherVersion(FakeInstrument):
    """An instrument that cannot go on with what it finds paused."""

    def _answer(self, ask, arguments):
        if ask == "resume":
            raise ApplianceRefused("The run was counted with other weights.")
        return super()._answer(ask, arguments)


def what_is_asked(tmp_path, run, resume_simulated=True, kind=FakeInstrument):
    """What a page that shall start a count asks of an instrument in whose hand the run is."""
    config = settings(tmp_path)
    fake, hub = kind(config.socket_path, run), a_hub(config)
    hub.start()
    try:
        _start_when_ready(hub, InstrumentClient(config.socket_path), resume_simulated)
    finally:
        hub.close()
        fake.dies()
    return fake.asked


RESUMED = [("resume", {"run": "c0ffee00"})]
STARTED = [("start", {"plan": None})]


@pytest.mark.parametrize(
    ("state", "simulated", "resume_simulated", "asked"),
    [
        ("paused", True, True, RESUMED),
        ("paused", True, False, []),
        ("paused", False, True, []),
        ("counting", True, True, []),
        ("completed", True, True, STARTED),
        ("failed", False, False, STARTED),
    ],
)
def test_only_a_simulated_count_is_resumed_without_being_asked(
    tmp_path, state, simulated, resume_simulated, asked
):
    assert what_is_asked(tmp_path, a_run(state, simulated=simulated), resume_simulated) == asked


@pytest.mark.parametrize(
    ("cause", "asked"), [(Cause.SHUT_DOWN, RESUMED), (Cause.PAUSED, []), (Cause.NO_FOCUS, [])]
)
def test_a_simulated_count_that_waits_for_a_person_is_left_to_one(tmp_path, cause, asked):
    assert what_is_asked(tmp_path, a_run("paused", simulated=True, cause=cause)) == asked


def test_a_simulated_count_that_cannot_go_on_gives_way_to_a_new_one(tmp_path):
    assert what_is_asked(tmp_path, a_run("paused", simulated=True), kind=OfAnotherVersion) == [
        ("stop", {"run": "c0ffee00"}),
        *STARTED,
    ]


def test_an_instrument_of_ones_own_follows_when_the_other_lets_go(tmp_path):
    with (
        StoreLock(tmp_path / "s.sqlite.lock") as other,
        hemadiff_serve(tmp_path, "--simulate") as (address, _),
    ):
        assert not read_json(f"{address}/api/v1/state")["link"]["up"]
        other.release()
        assert up(address)["instrument"]["simulated"]


def test_an_address_in_use_is_refused_with_one_sentence_and_status_2(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = CliRunner().invoke(
            cli,
            ["serve", "--port", str(taken.getsockname()[1])],
            env={"HEMADIFF_STORE__PATH": str(tmp_path / "s.sqlite")},
        )
    assert result.exit_code == 2
    assert "--port" in result.stderr
    assert "Traceback" not in result.output
    assert not (tmp_path / "s.sqlite").exists()


def test_help_shows_how_to_begin():
    result = CliRunner().invoke(serve, ["--help"], obj=Session())
    assert result.exit_code == 0
    assert "hemadiff serve --simulate --start" in result.output


def test_the_demonstration_makes_the_folder_of_its_store():
    root = Path(__file__).parents[1]
    command = ["make", "--dry-run", "demo", "DEMO_STORE=new/folder/demo.sqlite"]
    steps = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    assert steps.index("mkdir -p new/folder/") < steps.index("hemadiff serve")


def test_the_demonstration_says_that_it_installs_before_it_falls_silent():
    root = Path(__file__).parents[1]
    command = ["make", "--dry-run", "--always-make", "demo"]
    steps = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    assert steps.index("takes some minutes") < steps.index("scripts/install.sh")
