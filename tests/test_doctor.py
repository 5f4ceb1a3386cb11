"""`hemadiff doctor`: every line passes, or says what to do."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builders_commands import at_home, hemadiff
from builders_store import NOON, counted_run

from appliance.backup import back_up
from appliance.config import Config
from appliance.doctor import CHECKS, Verdict, box, examine, hardware, networks, records, services
from appliance.doctor.finding import Finding, failed, passed
from appliance.errors import ApplianceError
from appliance.store_lock import StoreLock, lock_path
from models.card import BUNDLED
from models.engines.box import Asked
from models.errors import ModelRefused


def settings(tmp_path: Path, **sections: Any) -> Config:
    return Config(store={"path": tmp_path / "h.sqlite"}, **sections)  # type: ignore[arg-type]


def with_count(tmp_path: Path, **sections: Any) -> Config:
    counted_run(tmp_path / "h.sqlite")
    return settings(tmp_path, **sections)


def test_a_line_passes_or_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="what to do"):
        Finding("disk", Verdict.FAILED, "It is full.")


def test_everything_that_a_count_needs_is_looked_at() -> None:
    needed = {
        "port",
        "camera",
        "disk",
        "clock",
        "database",
        "weights",
        "calibration",
        "engine",
        "permissions",
    }
    assert needed <= set(CHECKS)


def test_a_check_that_fails_itself_is_a_line_and_the_others_still_follow(tmp_path: Path) -> None:
    def breaks(config: Config) -> Finding:
        raise ZeroDivisionError("oh")

    checks = {"camera": breaks, "disk": lambda config: passed("disk", "There is room.")}
    first, second = examine(settings(tmp_path), checks)
    assert (first.what, first.verdict) == ("camera", Verdict.FAILED)
    assert "oh" in first.said
    assert second.verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("free", "verdict"), [(100e6, Verdict.FAILED), (2e9, Verdict.WARNING), (50e9, Verdict.PASSED)]
)
def test_a_disk_that_fills_up_is_found_before_a_count_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: float, verdict: Verdict
) -> None:
    usage = type("Usage", (), {"free": free, "total": 100e9})
    monkeypatch.setattr(box.shutil, "disk_usage", lambda _: usage)
    assert box.disk(settings(tmp_path)).verdict is verdict


def test_a_clock_before_the_newest_count_is_wrong(tmp_path: Path) -> None:
    found = box.clock(with_count(tmp_path), now=NOON - timedelta(days=400))
    assert found.verdict is Verdict.FAILED
    assert "battery" in found.do


@pytest.mark.parametrize(
    ("kept", "verdict"), [(True, Verdict.PASSED), (None, Verdict.PASSED), (False, Verdict.WARNING)]
)
def test_a_clock_that_nothing_keeps_right_is_to_be_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool | None, verdict: Verdict
) -> None:
    monkeypatch.setattr(box, "synchronised", lambda: kept)
    assert box.clock(with_count(tmp_path), now=NOON + timedelta(days=1)).verdict is verdict


def test_the_kernel_is_asked_whether_the_clock_is_synchronised() -> None:
    assert box.synchronised() in (True, False, None)


def test_a_store_that_others_may_read_is_to_be_closed(tmp_path: Path) -> None:
    config = with_count(tmp_path)
    assert box.permissions(config).verdict is Verdict.PASSED
    config.store.path.chmod(0o644)
    found = box.permissions(config)
    assert found.verdict is Verdict.FAILED
    assert f"chmod go= {config.store.path}" in found.do


def test_a_store_that_this_user_cannot_write_is_not_the_instrument_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = with_count(tmp_path)
    monkeypatch.setattr(box.os, "access", lambda *_: False)
    assert "sudo -u hemadiff" in box.permissions(config).do


def test_a_whole_database_passes_and_one_that_is_not_made_yet_too(tmp_path: Path) -> None:
    assert records.database(settings(tmp_path)).verdict is Verdict.PASSED
    assert "1 count" in records.database(with_count(tmp_path)).said


def test_a_damaged_database_asks_for_a_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = with_count(tmp_path)

    def finds_damage(*_: object, **__: object) -> int:
        raise ApplianceError("page 7 is damaged")

    monkeypatch.setattr(records, "check", finds_damage)
    found = records.database(config)
    assert found.verdict is Verdict.FAILED
    assert "hemadiff restore" in found.do


def test_a_line_taken_out_of_the_audit_trail_is_found(tmp_path: Path) -> None:
    config = with_count(tmp_path)
    with closing(sqlite3.connect(config.store.path)) as connection, connection:
        connection.execute(
            "INSERT INTO audit (seq, at, who, what, subject, details, before, digest) "
            "VALUES (7, '2026-03-01T12:00:00+00:00', 'anna', 'sign', '1', '{}', 'x', 'y')"
        )
    assert "broken" in records.database(config).said


@pytest.mark.parametrize(("days", "verdict"), [(1, Verdict.PASSED), (3, Verdict.WARNING)])
def test_an_old_backup_is_no_backup(tmp_path: Path, days: int, verdict: Verdict) -> None:
    config = with_count(tmp_path)
    back_up(config.store.path, tmp_path / "backups", now=NOON)
    assert records.backup(config, tmp_path / "backups", NOON + timedelta(days=days)).verdict is verdict


def test_a_store_without_any_backup_says_how_to_make_one(tmp_path: Path) -> None:
    found = records.backup(with_count(tmp_path), tmp_path / "none")
    assert "hemadiff-backup.timer" in found.do


def test_weights_that_are_not_what_their_card_says_are_found(tmp_path: Path) -> None:
    for name in ("detector.onnx", "detector.json"):
        shutil.copy(BUNDLED / name, tmp_path)
    assert networks.weights(settings(tmp_path), tmp_path).verdict is Verdict.PASSED
    with (tmp_path / "detector.onnx").open("ab") as file:
        file.write(b"!")
    found = networks.weights(settings(tmp_path), tmp_path)
    assert found.verdict is Verdict.FAILED
    assert "detector" in found.said


def test_the_engine_that_really_runs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Runs:
        engine, weights = "ONNX Runtime, CPU", "smear-13"

    monkeypatch.setattr("appliance.network_analyser.load_analyser", lambda *_: Runs)
    found = networks.engine(settings(tmp_path, engine={"name": "onnx"}))
    assert found.said == "ONNX Runtime, CPU runs smear-13. The settings ask for onnx."


def test_an_engine_that_is_absent_is_a_failure_that_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.engines.ask_box", lambda: Asked(None, "no GPU can be used"))
    found = networks.engine(settings(tmp_path, engine={"name": "tensorrt"}))
    assert found.verdict is Verdict.FAILED
    assert "ask for the engine tensorrt" in found.said
    assert "no GPU can be used" in found.said


def test_networks_that_do_not_load_are_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> None:
        raise ModelRefused("There are no weights for it.")

    monkeypatch.setattr("appliance.network_analyser.load_analyser", refuses)
    assert networks.engine(settings(tmp_path)).verdict is Verdict.FAILED


def test_a_port_that_is_not_there_says_where_to_look(tmp_path: Path) -> None:
    found = hardware.port(settings(tmp_path, stage={"port": f"grbl:{tmp_path}/ttyUSB0"}))
    assert found.verdict is Verdict.FAILED
    assert "/dev/serial/by-id" in found.do


def test_a_port_that_this_user_may_not_use_says_which_group_to_join(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = tmp_path / "ttyUSB0"
    device.touch(0o660)
    monkeypatch.setattr(hardware.os, "access", lambda *_: False)
    monkeypatch.setattr(hardware, "_group", lambda _: "dialout")
    assert "usermod -aG dialout" in hardware.port(settings(tmp_path, stage={"port": f"grbl:{device}"})).do


def test_hardware_in_the_instrument_s_hands_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = tmp_path / "ttyUSB0"
    device.touch()
    monkeypatch.setattr(hardware, "open_stage", lambda _: pytest.fail("touched"))
    config = settings(tmp_path, stage={"port": f"grbl:{device}"})
    with StoreLock(lock_path(config.store.path)):
        assert hardware.port(config).verdict is Verdict.PASSED


def test_a_camera_without_a_stage_is_no_microscope(tmp_path: Path) -> None:
    found = hardware.port(settings(tmp_path, camera={"source": "v4l2:/dev/video0"}))
    assert found.verdict is Verdict.FAILED
    assert "[stage] port" in found.do


@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        (None, Verdict.FAILED),
        ("simulated", Verdict.WARNING),
        ("folder:/no/such/folder", Verdict.FAILED),
        ("v4l2:/dev/no-such-camera", Verdict.FAILED),
    ],
)
def test_a_camera_passes_only_where_pictures_of_patients_slides_can_come_from_it(
    tmp_path: Path, source: str | None, verdict: Verdict
) -> None:
    assert hardware.camera(settings(tmp_path, camera={"source": source})).verdict is verdict


def test_a_microscope_that_is_not_calibrated_says_how_to_calibrate_it(tmp_path: Path) -> None:
    config = with_count(tmp_path, camera={"source": "v4l2:/dev/video0"})
    found = records.calibration(config)
    assert found.verdict is Verdict.FAILED
    assert "hemadiff calibrate" in found.do


def test_a_stated_pixel_size_is_named_as_what_it_is(tmp_path: Path) -> None:
    config = settings(tmp_path, camera={"source": f"folder:{tmp_path}", "um_per_px": 0.1})
    found = records.calibration(config)
    assert found.verdict is Verdict.PASSED
    assert "stated" in found.said or "settings" in found.said


def test_a_microscope_without_quality_control_is_to_have_one(tmp_path: Path) -> None:
    config = with_count(tmp_path, camera={"source": "v4l2:/dev/video0"})
    found = records.quality_control(config)
    assert found.verdict is Verdict.WARNING
    assert "hemadiff qc record" in found.do
    blocking = with_count_again(config, {"unmet": "block"})
    assert records.quality_control(blocking).verdict is Verdict.FAILED


def with_count_again(config: Config, qc: dict[str, str]) -> Config:
    return Config(store=config.store, camera=config.camera, qc=qc)  # type: ignore[arg-type]


def test_services_that_do_not_run_say_how_to_start_them(tmp_path: Path) -> None:
    config = settings(tmp_path, web={"port": 1})
    assert "hemadiff-instrument" in services.instrument(config).do
    assert "hemadiff-web" in services.page(config).do


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
@pytest.mark.parametrize(
    ("days", "verdict"), [(0, Verdict.PASSED), (80, Verdict.WARNING), (100, Verdict.FAILED)]
)
def test_a_certificate_is_to_be_renewed_before_it_expires(
    tmp_path: Path, days: int, verdict: Verdict
) -> None:
    made = tmp_path / "h.crt"
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    rest = ["-keyout", str(tmp_path / "h.key"), "-out", str(made), "-days", "90", "-subj", "/CN=box"]
    subprocess.run([*new, *rest], check=True, capture_output=True)
    now = datetime.now(UTC) + timedelta(days=days)
    assert services.certificate(settings(tmp_path), made, now).verdict is verdict


def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    at_home(tmp_path, monkeypatch)
    monkeypatch.setattr("appliance.doctor.examine", lambda _: iter(findings))


def test_the_command_fails_where_a_line_does_and_shows_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(tmp_path, monkeypatch, passed("disk", "There is room."), failed("camera", "None.", "Set one."))
    result = hemadiff("doctor")
    assert result.exit_code == 1
    assert "✓ disk: There is room." in result.output
    assert "✗ camera: None.\n  → Set one." in result.output


def test_the_command_writes_json_for_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked(tmp_path, monkeypatch, passed("disk", "There is room."))
    result = hemadiff("doctor", "--json")
    assert result.exit_code == 0
    assert json.loads(result.output)[1] == {
        "what": "disk",
        "verdict": "passed",
        "said": "There is room.",
        "do": "",
    }


def test_settings_that_cannot_be_read_are_the_first_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_home(tmp_path, monkeypatch)
    (tmp_path / "hemadiff.toml").write_text("[web]\nprot = 80\n")
    result = hemadiff("doctor")
    assert result.exit_code == 1
    assert 'Did you mean "port"?' in result.output
