"""`hemadiff calibrate` keeps the records, `hemadiff qc` the quality controls, on real stores."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builders_calibration import SETUP, picture, record
from builders_commands import PixelCascade, at_home, centred, hemadiff, with_analyser
from builders_stage import board
from builders_store import counted_run
from PIL import Image

from appliance.audit import AuditTrail
from appliance.calibrations import Calibrations
from appliance.config import load_config
from appliance.errors import ApplianceRefused
from appliance.instrument_process import served_instrument
from appliance.run import State
from appliance.service_desk import at_desk
from appliance.store import Store
from calibration.record import CalibrationRecord, Evidence
from calibration.record_json import from_json, to_json
from calibration.setup import Setup

NOW = datetime.now(UTC)
VALID: dict[str, Any] = {"made": NOW, "expires": NOW + timedelta(days=100)}
ONE, FAR, OLD = record(**VALID), record(0.2062, **VALID), record()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return at_home(tmp_path, monkeypatch)


def on_record(store: Path, *records: CalibrationRecord, use: bool = False) -> None:
    with Store(store) as opened:
        for each in records:
            Calibrations(opened).add(each, NOW)
            if use:
                Calibrations(opened).use(each.id, "R. Hooke", NOW, Calibrations(opened).to_confirm(each))


def test_without_any_the_list_says_how_to_make_one(store: Path) -> None:
    said = hemadiff("calibrate", "list")
    assert (said.exit_code, said.stdout.startswith("No calibrations yet.")) == (0, True)
    assert not store.exists()
    for words in (["show", "cal-1"], ["export", "cal-1"], ["certificate", "cal-1", "--pdf", "c.pdf"]):
        assert hemadiff("calibrate", *words).exit_code == 2


def test_the_list_says_which_is_in_force_and_which_has_expired(store: Path) -> None:
    on_record(store, ONE, use=True)
    on_record(store, record(made=NOW - timedelta(days=9), expires=NOW - timedelta(days=1)))
    lines = hemadiff("calibrate", "list").stdout.splitlines()
    assert [line.split()[-1] for line in lines[1:]] == ["force", "expired"]
    assert str(SETUP) in lines[1]
    listed = json.loads(hemadiff("calibrate", "list", "--json").stdout)
    assert (listed[0]["id"], listed[0]["in_force"]) == (ONE.id, True)


def test_show_says_who_when_with_what_and_how_it_changed(store: Path) -> None:
    on_record(store, ONE, FAR, use=True)
    said = hemadiff("calibrate", "show", FAR.id[:9]).stdout
    for part in (
        "R. Hooke",
        "SM-0417",
        "PTB 2025-118",
        "Grbl 1.1h",
        "0.2062",
        FAR.digest,
        "After the new lamp.",
    ):
        assert part in said
    assert "The pixel size changed by 3.1 %: beyond 1 %" in said
    shown = json.loads(hemadiff("calibrate", "show", FAR.id, "--json").stdout)
    assert shown["values"]["um_per_px"] == {"value": 0.2062, "uncertainty": 0.0002, "unit": "µm/px"}


def test_use_asks_before_a_far_change_and_takes_no_for_an_answer(store: Path) -> None:
    on_record(store, ONE, use=True)
    on_record(store, FAR)
    refused = hemadiff("calibrate", "use", FAR.id, "--by", "R. Hooke")
    assert refused.exit_code != 0
    assert "The pixel size changed by 3.1 %: beyond 1 %, confirm" in refused.output
    assert hemadiff("calibrate", "use", FAR.id, "--by", "R. Hooke", "--yes").exit_code == 0
    with Store.read_only(store) as opened:
        assert Calibrations(opened).in_force(SETUP) == FAR


def test_use_refuses_an_expired_calibration(store: Path) -> None:
    expired = record(made=NOW - timedelta(days=9), expires=NOW - timedelta(days=1))
    on_record(store, expired)
    said = hemadiff("calibrate", "use", expired.id, "--by", "R. Hooke")
    assert said.exit_code == 2
    assert "expired on" in said.stderr


def test_what_is_exported_here_is_imported_there(store: Path, tmp_path: Path) -> None:
    on_record(store, ONE)
    assert hemadiff("calibrate", "export", ONE.id, "-o", "100x.json").exit_code == 0
    assert from_json((tmp_path / "100x.json").read_text(encoding="utf-8"), "100x.json") == ONE
    for file in tmp_path.glob("s.sqlite*"):
        file.unlink()
    first, second = hemadiff("calibrate", "import", "100x.json"), hemadiff("calibrate", "import", "100x.json")
    assert first.stdout.startswith(f"On record: {ONE.id}.")
    assert "is on record already" in second.stdout
    with Store.read_only(store) as opened:
        assert Calibrations(opened).get(ONE.id).origin == "imported"
        (line,) = AuditTrail(opened).entries()
    assert (line.who, line.what, line.subject) == ("command line", "calibration", ONE.id)


def test_a_file_that_was_changed_is_not_imported(store: Path, tmp_path: Path) -> None:
    (tmp_path / "100x.json").write_text(to_json(ONE).replace("R. Hooke", "R. Crooke"), encoding="utf-8")
    said = hemadiff("calibrate", "import", "100x.json")
    assert said.exit_code == 2
    assert "100x.json was changed after it was exported" in said.stderr
    (tmp_path / "old.json").write_text('{"hemadiff_calibration": 1, "id": "100x", "um_per_px": 0.1}')
    assert "only states a scale" in hemadiff("calibrate", "import", "old.json").stderr
    assert "cannot be read" in hemadiff("calibrate", "import", "gone.json").stderr


def test_the_result_of_calibrating_is_not_taken_for_a_calibration(store: Path, tmp_path: Path) -> None:
    (tmp_path / "all.json").write_text(
        '{"calibration": "cal-1", "in_force": true, "settings": {}, "routines": {}}'
    )
    said = hemadiff("calibrate", "import", "all.json")
    assert said.exit_code == 2
    assert "hemadiff calibrate export ID -o FILE" in said.stderr


def test_an_import_of_what_is_in_force_says_so(store: Path, tmp_path: Path) -> None:
    on_record(store, ONE)
    hemadiff("calibrate", "use", ONE.id, "--by", "R. Hooke")
    hemadiff("calibrate", "export", ONE.id, "-o", "100x.json")
    said = hemadiff("calibrate", "import", "100x.json")
    assert said.stdout.strip() == f"{ONE.id} is on record already. It is in force."


def test_a_running_instrument_is_asked_to_write(store: Path) -> None:
    on_record(store, ONE)
    with served_instrument(load_config()):
        assert hemadiff("calibrate", "use", ONE.id, "--by", "R. Hooke").exit_code == 0
    with Store.read_only(store) as opened:
        assert Calibrations(opened).in_force(SETUP) == ONE


def test_a_running_instrument_takes_a_calibration_of_real_size(store: Path, tmp_path: Path) -> None:
    pictures = tuple(Evidence.of(f"field_{n}", "A quiet field.", picture(n, 360, 480)) for n in range(5))
    real = record(evidence=pictures, parts={"flat_field": bytes(200_000)}, **VALID)
    (tmp_path / "100x.json").write_text(to_json(real), encoding="utf-8")
    with served_instrument(load_config()):
        said = hemadiff("calibrate", "import", "100x.json")
    assert (said.exit_code, said.stderr) == (0, "")
    assert len(to_json(real)) > 1 << 20, "longer than the requests that anything else makes"
    with Store.read_only(store) as opened:
        assert Calibrations(opened).get(real.id).record == real


@pytest.mark.parametrize("arguments", [{"name": ONE.id}, {"name": ONE.id, "by": 5, "confirmed": []}])
def test_what_is_asked_of_the_desk_in_another_form_is_refused(
    tmp_path: Path, arguments: dict[str, Any]
) -> None:
    with (
        Store(tmp_path / "s.sqlite") as opened,
        pytest.raises(ApplianceRefused, match=r'^"use_calibration" was asked with'),
    ):
        at_desk(opened, "use_calibration", arguments)


def test_a_fault_of_the_desk_is_not_told_as_misuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise TypeError("a fault")

    monkeypatch.setattr(Calibrations, "use", broken)
    with Store(tmp_path / "s.sqlite") as opened, pytest.raises(TypeError, match="a fault"):
        at_desk(opened, "use_calibration", {"name": ONE.id, "by": "R. Hooke", "confirmed": []})


def test_a_certificate_is_written_where_it_is_wanted(store: Path, tmp_path: Path) -> None:
    on_record(store, ONE, use=True)
    assert hemadiff("calibrate", "certificate", ONE.id, "--pdf", "c.pdf").exit_code == 0
    assert (tmp_path / "c.pdf").read_bytes().startswith(b"%PDF-")
    assert hemadiff("calibrate", "certificate", ONE.id, "--pdf", "none/c.pdf").exit_code == 2


@pytest.mark.parametrize("command", ["analyse", "classify"])
def test_images_under_an_expired_calibration_are_marked_or_refused(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    old = record(
        setup=Setup("100x oil", "camera 1", 1, (24, 16)), made=NOW - timedelta(9), expires=NOW - timedelta(1)
    )
    (tmp_path / "100x.json").write_text(to_json(old), encoding="utf-8")
    (tmp_path / "images").mkdir()
    Image.fromarray(centred("lymphocyte")).save(tmp_path / "images" / "0.png")
    monkeypatch.setenv("HEMADIFF_CAMERA__CALIBRATION", str(tmp_path / "100x.json"))
    with_analyser(monkeypatch)
    monkeypatch.setattr("models.cascade.load_cascade", lambda *_: PixelCascade())
    assert f"Mark: The calibration {old.id} expired" in hemadiff(command, "images").stderr
    monkeypatch.setenv("HEMADIFF_CALIBRATION__EXPIRED", "block")
    said = hemadiff(command, "images")
    assert (said.exit_code, "Calibrate anew" in said.stderr) == (2, True)


def test_stage_info_says_what_is_in_force(store: Path) -> None:
    with board("grbl") as of:
        nothing = hemadiff("stage", "info", "--port", of.address)
        on_record(store, ONE, use=True)
        said = hemadiff("stage", "info", "--port", of.address)
        facts = json.loads(hemadiff("stage", "info", "--port", of.address, "--json").stdout)
        store.write_bytes(b"no store" * 999)
        broken = hemadiff("stage", "info", "--port", of.address)
    assert nothing.stdout.endswith("No calibration is in force.\n")
    assert f"In force: {ONE.id}, 0.2 µm/px, {ONE.scale.source}" in said.stdout
    (fact,) = facts["calibrations"]
    assert (fact["id"], fact["source"], fact["expired"]) == (ONE.id, ONE.scale.source, False)
    assert (broken.exit_code, "is no store" in broken.stdout) == (0, True), (
        "a stage can be looked at all the same"
    )


# Quality control


def qc(*words: object) -> tuple[int, str]:
    said = hemadiff("qc", *words)
    return said.exit_code, said.output


BY = ("--by", "M. Malpighi")


def test_a_control_is_judged_recorded_and_listed(store: Path) -> None:
    code, said = qc("record", *BY, "--located", 198, "--missed", 2, "--false", 1, "--slide", "QC 7")
    assert (code, said.startswith("Passed. 198 of 200 cells located: 99.0 % (95 % limits 96.4–99.7)")) == (
        0,
        True,
    )
    code, said = qc("record", *BY, "--located", 150, "--missed", 50, "--false", 1)
    assert (code, said.startswith("Failed: ")) == (1, True)
    lines = qc("history")[1].splitlines()
    assert "passed  QC 7, M. Malpighi" in lines[0]
    assert "FAILED" in lines[1]
    assert lines[2].startswith("The last quality control failed")
    listed = json.loads(qc("history", "--json")[1])
    assert [control["located_percent"] for control in listed["controls"]] == [99.0, 75.0]


def ended_control(store: Path, **changes: Any) -> str:
    """A count for quality control that has come to its end."""
    run = counted_run(store, **{"qc": True, **changes})
    with Store(store) as opened:
        opened.set_state(run, State.COMPLETED, "Done.", NOW - timedelta(hours=2))
    return run


def numbers(run: str) -> tuple[Any, ...]:
    return ("record", *BY, "--run", run, "--located", 199, "--missed", 1, "--false", 0)


def test_a_count_is_a_control_once_and_only_where_it_was_one(store: Path) -> None:
    control, patients = ended_control(store), ended_control(store, run="aa01", qc=False)
    code, said = qc(*numbers(patients))
    assert (code, "was not counted for quality control" in said) == (2, True)
    assert qc(*numbers(control))[0] == 0
    code, said = qc(*numbers(control))
    assert (code, "is on record and stays as it is" in said) == (2, True)


def test_a_control_holds_from_the_end_of_its_count(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert qc(*numbers(ended_control(store)))[0] == 0
    assert "is overdue" not in qc("history")[1]
    monkeypatch.setenv("HEMADIFF_QC__EVERY_H", "1")
    assert "is overdue" in qc("history")[1]


def test_a_control_by_numbers_is_of_the_calibration_in_force(store: Path) -> None:
    on_record(store, ONE, use=True)
    assert qc("record", *BY, "--located", 199, "--missed", 1, "--false", 0)[0] == 0
    (control,) = json.loads(qc("history", "--json")[1])["controls"]
    assert control["calibration"] == ONE.id


def test_the_history_says_what_the_next_count_would(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    camera = ("SOURCE", "v4l2:/dev/video0"), ("WIDTH_PX", "256"), ("HEIGHT_PX", "192")
    for name, value in camera:
        monkeypatch.setenv(f"HEMADIFF_CAMERA__{name}", value)
    monkeypatch.setenv("HEMADIFF_MICROSCOPE__OBJECTIVE", "100x oil")
    on_record(store, record(setup=Setup("100x oil", "v4l2:/dev/video0", 1, (256, 192)), **VALID), use=True)
    assert qc(*numbers(ended_control(store)))[0] == 0
    assert "was done under the calibration stated: 0.1 µm/px, not cal-" in qc("history")[1]


def test_a_control_of_a_count_takes_its_cells(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ended_control(store)
    assert (
        "needs 200 cells, and these are 7"
        in qc("record", *BY, "--run", run[:5], "--missed", 2, "--false", 0)[1]
    )
    monkeypatch.setenv("HEMADIFF_QC__CELLS", "5")
    code, said = qc("record", *BY, "--run", run[:5], "--missed", 0, "--false", 1)
    assert (code, "4 of 4" in said) == (2, False)
    assert qc("record", *BY, "--run", run[:5], "--missed", 1, "--false", 0)[0] == 1, "5 of 6 are too few"
    (control,) = json.loads(qc("history", "--json")[1])["controls"]
    assert (control["run"], control["calibration"], control["located"]) == (run, "stated: 0.1 µm/px", 5)


def test_a_control_needs_its_numbers(store: Path) -> None:
    code, said = qc("record", *BY, "--missed", 2, "--false", 0)
    assert (code, "--located N" in said) == (2, True)
    assert "No quality control is on record" in qc("history")[1]
