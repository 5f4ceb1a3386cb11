"""`hemadiff count`: from a folder to a differential and an exit status, alone or through another instrument."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import builders_instrument
import pytest
from builders_commands import at_home, hemadiff, with_analyser
from builders_images import ome_tiff
from builders_instrument import Gate, PixelAnalyser, blood_field, failing_field, field, folder, until
from builders_store import NOON, create

from appliance.channel_client import InstrumentClient, NoAnswer
from appliance.config import load_config
from appliance.instrument import Instrument
from appliance.instrument_process import served_instrument
from appliance.plan import Plan
from appliance.run import State
from appliance.store import Store

PUBLISHED = [
    "run", "state", "reason", "counted", "unidentified", "not_counted", "tally", "me_ratio", "engine", "weights",
    "um_per_px", "fields", "calibration", "calibration_source", "marks", "red_cells",
    "specimen", "camera", "simulated", "use",
]  # fmt: skip


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with_analyser(monkeypatch)
    monkeypatch.setenv("HEMADIFF_LABORATORY__BLOOD__WATCHED", '{"blast": []}')
    return at_home(tmp_path, monkeypatch)


@pytest.fixture
def smear(tmp_path: Path) -> Path:
    return folder(tmp_path / "smear", (blood_field(n) for n in range(60)))


def count(where: Path, *words: object) -> Any:
    return hemadiff("count", "--camera", f"folder:{where}", "--um-per-px", 0.1, *words)


SHORT = ("--min-cells", 60, "--max-cells", 90)


def without_id(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key != "run"}


def test_a_completed_count_is_status_zero_and_its_json_has_exactly_the_published_keys(
    smear: Path, store: Path
) -> None:
    result = count(smear, *SHORT, "--json", "-")
    assert result.exit_code == 0, result.stderr
    published = json.loads(result.stdout)
    assert list(published) == PUBLISHED
    assert published["state"] == "completed"
    assert 60 <= published["counted"] <= 64
    assert (published["engine"], published["weights"], published["um_per_px"]) == (
        "pixels, no device",
        "pixels 1",
        0.1,
    )
    with Store.read_only(store) as opened:
        assert opened.run(published["run"]).state is State.COMPLETED


def test_running_out_of_fields_is_status_three_and_says_what_to_do(smear: Path) -> None:
    result = count(smear, "--json", "out.json")
    assert result.exit_code == 3
    published = json.loads(Path("out.json").read_text())
    assert published["state"] == "insufficient"
    assert "60 fields" in published["reason"]
    assert "Insufficient." in result.stdout
    assert "Add fields or another smear" in result.stdout


def test_a_failed_count_is_status_one_and_never_looks_like_an_empty_smear(tmp_path: Path) -> None:
    result = count(folder(tmp_path / "a", [failing_field()] * 30), "--json", "out.json")
    assert result.exit_code == 1
    published = json.loads(Path("out.json").read_text())
    assert published["state"] == "failed"
    assert published["fields"] == {"counted": 0, "skipped": {"analysis failed": 20}}


def test_the_table_has_the_limits_and_what_it_may_be_used_for(smear: Path) -> None:
    result = count(smear, *SHORT)
    assert "95 % limits" in result.stdout
    assert "Segmented neutrophil" in result.stdout
    assert "Research use only" in result.stdout
    assert "command line: 0.1 µm/px" in result.stdout


def test_nothing_of_a_progress_bar_reaches_a_pipe(smear: Path) -> None:
    result = count(smear, *SHORT, "--json", "-")
    assert result.stdout.startswith("{")
    assert "\x1b" not in result.stdout + result.stderr
    assert "━━━━━━━━ " not in result.stderr


def test_the_same_count_comes_again_in_the_same_random_order_and_another_in_another(tmp_path: Path) -> None:
    kinds = ("lymphocyte", "monocyte", "eosinophil", "basophil", "segmented_neutrophil")
    where = folder(tmp_path / "a", (field(kinds[n % 5], kinds[n % 5]) for n in range(60)))

    def once(seed: int) -> dict[str, Any]:
        result = count(
            where, "--order", f"random:{seed}", "--min-cells", 30, "--max-cells", 30, "--json", "-"
        )
        return without_id(json.loads(result.stdout))

    assert once(1) == once(1)
    assert once(1) != once(2)


def test_skipped_files_are_in_the_result_with_their_reasons(smear: Path) -> None:
    (smear / "0.png").write_bytes(b"")
    (smear / "1.png").write_bytes((smear / "1.png").read_bytes()[:60])
    published = json.loads(count(smear, *SHORT, "--json", "-").stdout)
    assert sum(published["fields"]["skipped"].values()) == 2
    assert len(published["fields"]["skipped"]) == 2


def test_the_specimen_and_the_settings_decide_on_the_rules(
    smear: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEMADIFF_COUNT__MIN_CELLS", "20")
    monkeypatch.setenv("HEMADIFF_COUNT__MAX_CELLS", "40")
    monkeypatch.setenv("HEMADIFF_COUNT__MERGE_BAND_AND_SEGMENTED", "true")
    published = json.loads(count(smear, "--json", "-").stdout)
    assert 20 <= published["counted"] < 25
    assert "band_neutrophil" not in [row["label"] for row in published["tally"]]


def test_the_settings_camera_is_counted_when_the_command_names_none(
    smear: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEMADIFF_CAMERA__SOURCE", f"folder:{os.path.relpath(smear)}")
    monkeypatch.setenv("HEMADIFF_CAMERA__UM_PER_PX", "0.125")
    published = json.loads(hemadiff("count", *SHORT, "--json", "-").stdout)
    assert published["um_per_px"] == 0.125


def test_a_calibration_on_the_command_wins_over_the_settings_and_a_scale_says_its_origin(
    smear: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEMADIFF_CAMERA__UM_PER_PX", "0.125")
    settings = hemadiff("count", "--camera", f"folder:{smear}", *SHORT)
    assert "0.125 µm/px (settings: 0.125 µm/px)" in settings.stdout
    (tmp_path / "100x.json").write_text('{"hemadiff_calibration": 1, "id": "100x", "um_per_px": 0.11}')
    said = hemadiff("count", "--camera", f"folder:{smear}", "--calibration", "100x.json", *SHORT)
    assert "0.11 µm/px (100x, stated by the calibration file 100x.json)" in said.stdout


def test_a_folder_with_names_that_are_not_utf_8_is_counted_and_shown(tmp_path: Path) -> None:
    where = folder(tmp_path / os.fsdecode(b"\xe4"), [field("lymphocyte")] * 3)
    os.rename(where / "0.png", os.fsencode(where) + b"/\xff.png")
    (where / "1.png").rename(where / os.fsdecode(b"\xfe.png"))
    (where / os.fsdecode(b"\xfe.png")).write_bytes(b"")
    result = count(where, "--min-cells", 2, "--max-cells", 2)
    assert result.exit_code == 0, result.stderr
    assert f"folder:{tmp_path}/\\xe4" in result.stdout
    assert "\\xfe.png: the file is empty" in result.stdout
    run = next(line for line in result.stdout.splitlines() if line.startswith("Run ")).split()[1].rstrip(":")
    assert "\\xff.png" in [
        cell["image"] for cell in json.loads(hemadiff("runs", "export", run).stdout)["cells"]
    ]


def test_the_scale_may_come_from_the_images_themselves(tmp_path: Path) -> None:
    for n in range(9):
        ome_tiff(tmp_path / "a" / f"{n}.ome.tiff", "0.11", pixels=field("lymphocyte", "monocyte"))
    result = hemadiff(
        "count", "--camera", f"folder:{tmp_path / 'a'}", "--min-cells", 6, "--max-cells", 6, "--json", "-"
    )
    assert json.loads(result.stdout)["um_per_px"] == 0.11


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--um-per-px", "0.1"], "No camera is set"),
        (["--camera", "folder:smear"], "--um-per-px"),
        (["--camera", "folder:nowhere", "--um-per-px", "0.1"], "nowhere"),
        (["--camera", "webcam", "--um-per-px", "0.1"], "webcam"),
        (["--camera", "folder:smear", "--um-per-px", "0.4"], "too coarse"),
        (["--camera", "folder:smear", "--um-per-px", "0.1", "--order", "sideways"], "sideways"),
        (["--camera", "folder:smear", "--um-per-px", "0.1", "--specimen", "soup"], "soup"),
        (
            ["--camera", "folder:smear", "--um-per-px", "0.1", "--min-cells", "9", "--max-cells", "5"],
            "min_cells",
        ),
        (
            ["--camera", "folder:smear", "--um-per-px", "0.1", "--panel", "smear-12"],
            'Did you mean "smear-13"',
        ),
        (["--camera", "folder:smear", "--um-per-px", "0.1", "--json", "no/such/out"], "no/such/out"),
        (["--camera", "folder:smear", "--calibration", "none.json"], "none.json"),
        (["--resume", "abc", "--um-per-px", "0.1"], "--resume alone"),
        (["--resume", "abc"], 'no run "abc"'),
    ],
)
def test_what_cannot_be_counted_is_one_sentence_and_status_two(
    smear: Path, store: Path, words: list[str], sentence: str
) -> None:
    result = hemadiff("count", *words)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
    if store.exists():
        with Store.read_only(store) as opened:
            assert opened.runs() == [], "a refusal leaves no run behind"


@contextmanager
def another_instrument(analyser: Any = None) -> Iterator[Instrument]:
    with served_instrument(load_config(), lambda *_: analyser or PixelAnalyser()) as made:
        yield made


def test_a_count_through_another_instrument_is_the_same_count(smear: Path) -> None:
    alone = count(smear, *SHORT, "--json", "-")
    with another_instrument() as other:
        through = count(smear, *SHORT, "--json", "-")
        assert other.broadcast.snapshot()["run"]["run"] == json.loads(through.stdout)["run"]
    assert "Another instrument has the store" in through.stderr
    assert (through.exit_code, alone.exit_code) == (0, 0)
    assert without_id(json.loads(through.stdout)) == without_id(json.loads(alone.stdout))


def test_an_insufficient_count_through_another_instrument_is_status_three_too(smear: Path) -> None:
    with another_instrument():
        assert count(smear).exit_code == 3


def test_a_busy_instrument_refuses_a_second_count(smear: Path) -> None:
    gate = Gate(at=2)
    with another_instrument(PixelAnalyser(gate)) as other:
        other.start(Plan(f"folder:{smear}", um_per_px=0.1))
        assert gate.reached.wait(60)
        result = count(smear)
        gate.opened.set()
        until(other, lambda run: run["ended"])
    assert result.exit_code == 2
    assert "One run at a time" in result.stderr


def too_late(store: Path, begun: bool) -> Any:
    """A start that takes too long. begun: whether the run that it was to begin is on record, paused."""

    def start(*_: Any) -> str:
        if begun:
            with Store(store) as opened:
                opened.set_state(create(opened, "066d0789ad4f"), State.PAUSED, "Shut down.", NOON)
        raise NoAnswer("The instrument gave no answer within 60 s. Restart it.")

    return start


@pytest.mark.parametrize(
    ("begun", "then"),
    [(False, "Run the same command again."), (True, "Go on with: hemadiff count --resume 066d0789ad4f")],
)
def test_a_count_that_is_not_ready_in_time_says_how_to_go_on(
    store: Path, smear: Path, monkeypatch: pytest.MonkeyPatch, begun: bool, then: str
) -> None:
    monkeypatch.setattr(InstrumentClient, "start", too_late(store, begun))
    said = count(smear)
    assert (said.exit_code, "Restart" in said.stderr) == (1, False)
    assert said.stderr.rstrip().endswith(then)


CONTROL_C_WHILE_IT_STARTS = """
from appliance.channel_client import InstrumentClient
look = lambda frame: None
start = InstrumentClient.start
def start_and_interrupt(self, plan):
    os.kill(os.getpid(), signal.SIGINT)
    return start(self, plan)
InstrumentClient.start = start_and_interrupt
"""


def test_control_c_while_another_instrument_starts_the_count_stops_it(smear: Path) -> None:
    gate = Gate(at=0)
    words = ("count", "--camera", f"folder:{smear}", "--um-per-px", 0.1)
    with (
        another_instrument(PixelAnalyser(gate)) as other,
        child(CONTROL_C_WHILE_IT_STARTS, *words) as process,
    ):
        _, errors = process.communicate(timeout=60)
        gate.opened.set()
        run = other.broadcast.snapshot()["run"]
    assert process.returncode == 130, errors
    assert run is not None, "it was started"
    assert run["state"] == "stopped"


def test_others_can_follow_a_count_while_it_runs(smear: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command serves its instrument's socket, so that a page can watch."""
    seen: list[Any] = []

    def look(frame: Any) -> None:
        if frame.index == 7:
            with InstrumentClient(load_config().socket_path).follow() as messages:
                seen.append(next(messages))

    with_analyser(monkeypatch, PixelAnalyser(look))
    assert count(smear, *SHORT).exit_code == 0
    assert seen[0]["run"]["fields"]["counted"] == 7


def child(script: str, *words: object) -> subprocess.Popen[str]:
    """The command in a process of its own, with an analyser that the script sets."""
    here = str(Path(builders_instrument.__file__).parent)
    program = (
        "import os, signal, sys, threading\n"
        "from builders_instrument import *\n"
        "from appliance import cli, instrument, network_analyser\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"{script}\n"
        "network_analyser.load_analyser = lambda *_: PixelAnalyser(look)\n"
        "cli.main()"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, *(str(word) for word in words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([here, *sys.path])},
    )


INTERRUPTED_AT_9 = """
stopped, stop = threading.Event(), instrument.Instrument.stop
def stop_and_tell(self, *asked):
    stop(self, *asked)
    stopped.set()
instrument.Instrument.stop = stop_and_tell
def look(frame):
    if frame.index == 9:
        os.kill(os.getpid(), signal.SIGINT)
        assert stopped.wait(60)
"""


def test_control_c_stops_the_count_and_keeps_what_was_counted(smear: Path, store: Path) -> None:
    with child(
        INTERRUPTED_AT_9, "count", "--camera", f"folder:{smear}", "--um-per-px", 0.1, "--json", "out.json"
    ) as process:
        said, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    published = json.loads(Path("out.json").read_text())
    assert published["state"] == "stopped"
    assert published["fields"]["counted"] == 9
    assert published["counted"] > 0
    assert "A person ended it" in said
    with Store.read_only(store) as opened:
        assert opened.run(published["run"]).state is State.STOPPED


def test_a_count_that_was_killed_can_be_resumed_and_ends_as_if_nobody_had(smear: Path, store: Path) -> None:
    straight = json.loads(count(smear, *SHORT, "--json", "-").stdout)
    with child(
        "look = killed_at(11)", "count", "--camera", f"folder:{smear}", "--um-per-px", 0.1, *SHORT
    ) as process:
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    with Store.read_only(store) as opened:
        (cut_off,) = opened.unfinished_runs()
    result = hemadiff("count", "--resume", cut_off[:6], "--json", "-")
    assert result.exit_code == 0, result.stderr
    resumed = json.loads(result.stdout)
    assert resumed["run"] == cut_off
    assert without_id(resumed) == without_id(straight)


def test_a_count_whose_camera_is_lost_ends_paused_and_says_how_to_go_on(
    smear: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(frame: Any) -> None:
        if frame.index == 3:
            shutil.move(smear, smear.with_name("unplugged"))

    with_analyser(monkeypatch, PixelAnalyser(look))
    result = count(smear, *SHORT, "--json", "out.json")
    assert result.exit_code == 1
    paused = json.loads(Path("out.json").read_text())
    assert paused["state"] == "paused"
    assert f"hemadiff count --resume {paused['run']}" in result.stdout
    shutil.move(smear.with_name("unplugged"), smear)
    with_analyser(monkeypatch)
    assert hemadiff("count", "--resume", paused["run"]).exit_code == 0


def test_help_has_examples_and_the_exit_status() -> None:
    said = hemadiff("count", "--help").stdout
    assert "hemadiff count --camera folder:smear/" in said
    assert "3 insufficient" in said


@pytest.mark.parametrize(
    ("corners", "said"),
    [
        ("1,2 3,4", "Three corners or more"),
        ("1,2 3,4 a,5", "Three corners or more"),
        ("0,0 9,0 0,9", "drawn on a slide"),
    ],
)
def test_a_region_is_corners_on_a_slide(smear: Path, corners: str, said: str) -> None:
    done = count(smear, "--region", corners)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())
