"""The instrument as a process of its own: it serves until it is told to end, and then loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import builders_instrument
import pytest
from builders_commands import at_home
from builders_instrument import blood_field, folder

from appliance.audit import AuditTrail
from appliance.channel_client import InstrumentClient, InstrumentGone
from appliance.config import load_config
from appliance.errors import ApplianceError
from appliance.instrument_on_trail import ENDED, STARTED, say_ended, say_started
from appliance.instrument_process import _on_trail
from appliance.run import State
from appliance.store import Store

PROGRAM = """
import sys, threading
from builders_instrument import *
from appliance import instrument_process, network_analyser
go_on = threading.Event()
def look(frame):
    if frame.index == 5:
        print("in the middle", flush=True)
        assert go_on.wait(60)
put_down = Instrument._put_down
def put_down_and_go_on(self, last):
    put_down(self, last)
    go_on.set()
Instrument._put_down = put_down_and_go_on
network_analyser.load_analyser = lambda *_: PixelAnalyser(look)
sys.exit(instrument_process.run(sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    where = folder(tmp_path / "smear", (blood_field(n) for n in range(60)))
    monkeypatch.setenv("HEMADIFF_CAMERA__SOURCE", f"folder:{where}")
    monkeypatch.setenv("HEMADIFF_CAMERA__UM_PER_PX", "0.1")
    return at_home(tmp_path, monkeypatch)


@contextmanager
def process() -> Iterator[subprocess.Popen[str]]:
    """An instrument of its own, which never outlives the test."""
    here = str(Path(builders_instrument.__file__).parent)
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([here, *sys.path])},
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def until_it_answers(client: InstrumentClient, running: subprocess.Popen[str]) -> None:
    while True:
        assert running.poll() is None, running.communicate()
        try:
            client.status()
        except InstrumentGone:
            continue
        return


def test_it_has_ended_only_once_its_run_is_paused_and_writes_nothing_after(
    tmp_path: Path, store: Path
) -> None:
    states: list[State] = []
    with builders_instrument.instrument(store) as made:
        run_id = made.start(builders_instrument.plan(tmp_path / "smear"))
        made.close(lambda opened: states.append(opened.run(run_id).state))
        assert states == [State.PAUSED]
        with pytest.raises(ApplianceError):
            made.answer("add_note", {"run": run_id, "by": "anna", "text": "Too late."})
        made.close(lambda _: pytest.fail("it was closed before"))


def test_a_store_that_takes_nothing_keeps_no_instrument_from_starting_or_ending(
    store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Store(store).close()
    with Store.read_only(store) as full:
        for say in (say_started, say_ended):
            _on_trail(say, full)
    assert caplog.text.count("does not say that the instrument started or ended") == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_it_pauses_its_run_and_its_followers_hear_so(store: Path, number: signal.Signals) -> None:
    client = InstrumentClient(load_config().socket_path)
    with process() as running:
        until_it_answers(client, running)
        run_id = client.start()
        assert running.stdout is not None
        assert running.stdout.readline() == "in the middle\n"
        with client.follow() as messages:
            assert next(messages)["run"]["state"] == "counting"  # type: ignore[index]
            running.send_signal(number)
            assert next(messages)["run"]["state"] == "paused"  # type: ignore[index]
            with pytest.raises(InstrumentGone):
                next(messages)
        running.communicate(timeout=60)
    assert running.returncode == 0
    with Store.read_only(store) as opened:
        assert opened.run(run_id).state is State.PAUSED
        assert opened.fields_counted(run_id) == 5
        assert [line.what for line in AuditTrail(opened).entries()] == [ENDED, "start", STARTED]
    assert not load_config().socket_path.exists()


def test_a_second_instrument_of_one_store_ends_at_once_and_says_why() -> None:
    with process() as first:
        until_it_answers(InstrumentClient(load_config().socket_path), first)
        with process() as second:
            _, errors = second.communicate(timeout=60)
        first.terminate()
        first.communicate(timeout=60)
    assert second.returncode == 2
    assert f"process {first.pid}" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("smear/0.png/h.sqlite", "The store {} cannot be made: Not a directory"),
        ("smear", "The store {} is a folder"),
        ("smear/0.png", "{} is no store: it is another file"),
        ("mistyped/h.sqlite", "There is no folder {0.parent} for the store"),
    ],
)
def test_a_place_that_can_hold_no_store_ends_it_at_once_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, sentence: str
) -> None:
    store = tmp_path / place
    monkeypatch.setenv("HEMADIFF_STORE__PATH", str(store))
    monkeypatch.setenv("HEMADIFF_INSTRUMENT__SOCKET", str(tmp_path / "i.sock"))
    with process() as running:
        _, errors = running.communicate(timeout=60)
    assert running.returncode == 2
    assert sentence.format(store) in errors
    assert "Traceback" not in errors
    assert not os.path.exists(f"{store}.lock")
    assert not (tmp_path / "mistyped").exists()
