"""A calibration that was just measured comes onto the record, into force with a person's word, and is never lost."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builders_calibration import record
from builders_commands import at_home, hemadiff
from click.testing import CliRunner

from appliance.calibrating.pixel_size import RulerOnStage
from appliance.calibrations import Calibrations
from appliance.cli import Session
from appliance.commands.asking import Unanswered
from appliance.commands.calibrating import AtTerminal
from appliance.commands.new_record import offer_certificate, put_away, put_on_record, refuse_before
from appliance.errors import ApplianceRefused
from appliance.instrument_process import served_instrument
from appliance.servicing.measurement import Measurement
from appliance.store import Store
from appliance.store_lock import StoreLock, lock_path
from calibration import CalibrationRefused
from calibration.record import CalibrationRecord
from calibration.record_json import from_json

NOW = datetime.now(UTC)
VALID: dict[str, Any] = {"made": NOW, "expires": NOW + timedelta(days=100)}
ONE, FAR = record(**VALID), record(0.2062, **VALID)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return at_home(tmp_path, monkeypatch)


@pytest.fixture
def one_in_force(store: Path) -> Path:
    with Store(store) as opened:
        Calibrations(opened).add(ONE, NOW)
        Calibrations(opened).use(ONE.id, "R. Hooke", NOW)
    return store


def in_force(store: Path) -> CalibrationRecord | None:
    with Store.read_only(store) as opened:
        return Calibrations(opened).in_force(ONE.setup)


def put(made: CalibrationRecord, *, yes: bool, typed: str = "") -> bool:
    with CliRunner().isolation(input=typed):
        return put_on_record(Session(), made, yes)


def test_what_needs_no_word_is_in_force_with_yes(store: Path) -> None:
    assert put(ONE, yes=True)
    assert in_force(store) == ONE


def test_a_far_change_is_on_record_and_not_in_force_by_yes_alone(one_in_force: Path) -> None:
    assert not put(FAR, yes=True)
    assert in_force(one_in_force) == ONE
    with Store.read_only(one_in_force) as opened:
        assert Calibrations(opened).get(FAR.id).record == FAR


@pytest.mark.parametrize(("typed", "then"), [("\n", ONE), ("n\n", ONE), ("y\n", FAR)])
def test_a_far_change_comes_into_force_by_a_persons_yes(
    one_in_force: Path, typed: str, then: CalibrationRecord
) -> None:
    assert put(FAR, yes=False, typed=typed) is (then == FAR)
    assert in_force(one_in_force) == then


def test_where_nobody_answers_it_is_on_record_with_its_certificate_and_says_how_to_go_on(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.certificate.certificate_pdf", lambda *_, **__: b"%PDF-")
    published: list[bool] = []
    with CliRunner().isolation(), pytest.raises(Unanswered, match=rf"calibrate use {ONE.id} --by NAME"):
        put_away(Session(), ONE, tmp_path / "c.pdf", False, published.append)
    assert published == [False]
    assert (tmp_path / "c.pdf").read_bytes() == b"%PDF-"
    assert in_force(store) is None


def test_a_far_change_that_nobody_confirms_is_refused_and_not_interrupted(one_in_force: Path) -> None:
    with Store(one_in_force) as opened:
        Calibrations(opened).add(FAR, NOW)
    said = hemadiff("calibrate", "use", FAR.id, "--by", "Eve")
    assert (said.exit_code, "Interrupted" in said.output) == (2, False)
    assert f"{FAR.id} is not in force. Confirm it at a terminal, or with --yes." in said.stderr


def test_a_running_instrument_puts_it_on_record(store: Path) -> None:
    from appliance.config import load_config

    with served_instrument(load_config()):
        assert put(ONE, yes=True)
    assert in_force(store) == ONE


def test_what_cannot_be_put_on_record_is_kept_beside_the_store(store: Path) -> None:
    lock = StoreLock(lock_path(store))  # another command works with it, and answers nobody
    with pytest.raises(Exception, match=rf"kept in .*{ONE.id}\.json: hemadiff calibrate import") as refused:
        put(ONE, yes=True)
    lock.release()
    kept = store.with_name(f"{ONE.id}.json")
    assert from_json(kept.read_text(encoding="utf-8"), "kept") == ONE
    assert str(kept) in str(refused.value)
    assert hemadiff("calibrate", "import", kept).exit_code == 0


def test_it_is_kept_elsewhere_where_the_stores_folder_is_gone(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEMADIFF_STORE__PATH", str(tmp_path / "a file" / "s.sqlite"))
    (tmp_path / "a file").write_text("")
    with pytest.raises(ApplianceRefused, match=rf"kept in {tmp_path / ONE.id}\.json"):
        put(ONE, yes=True)
    assert (tmp_path / f"{ONE.id}.json").is_file()


def test_the_certificate_compares_with_what_was_in_force_before(
    one_in_force: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[CalibrationRecord | None] = []

    def drawn(made: CalibrationRecord, before: CalibrationRecord | None, **_: Any) -> bytes:
        compared.append(before)
        return b"%PDF-"

    monkeypatch.setattr("appliance.certificate.certificate_pdf", drawn)
    for typed in ("y\n", "n\n"):
        offer_certificate(Session(), FAR, put(FAR, yes=False, typed=typed), tmp_path / "c.pdf", yes=True)
    assert compared == [ONE, ONE]


@pytest.mark.parametrize("scale", ["HEMADIFF_CAMERA__UM_PER_PX", "HEMADIFF_CAMERA__CALIBRATION"])
def test_a_scale_that_the_settings_state_is_said_to_take_its_place(
    store: Path, monkeypatch: pytest.MonkeyPatch, scale: str
) -> None:
    monkeypatch.setenv(scale, "0.1" if scale.endswith("PX") else "a.json")
    with CliRunner().isolation() as (_, err, _):
        put_on_record(Session(), ONE, yes=True)
        assert "until [camera] um_per_px and calibration are taken out" in err.getvalue().decode()


# Refused before anything is measured


def wanted(by: str | None, note: str = "", ruler: RulerOnStage | None = None) -> Measurement:
    return Measurement(Session().config, "all", ruler or RulerOnStage(), by=by, note=note)


@pytest.mark.parametrize(
    ("by", "note", "pdf", "ruler", "sentence"),
    [
        (" ", "", None, None, "Give a name: --by NAME"),
        ("R. H\udcff", "", None, None, "broken character"),
        ("R. Hooke", "\ud800", None, None, "broken character"),
        ("R. Hooke", "", Path("none/c.pdf"), None, "cannot be written"),
        (None, "", Path("c.pdf"), None, "A certificate is of a record"),
        ("R. Hooke", "", None, RulerOnStage(-5.0), "not plausible for a ruler"),
        (None, "", None, RulerOnStage(math.nan), "not plausible for a ruler"),
        (None, "", None, RulerOnStage(10.0, pitch_uncertainty_um=3.0), "is no ruler"),
    ],
)
def test_what_would_be_refused_at_the_end_is_refused_at_the_start(
    store: Path, by: str | None, note: str, pdf: Path | None, ruler: RulerOnStage | None, sentence: str
) -> None:
    with pytest.raises((ApplianceRefused, CalibrationRefused), match=sentence):
        refuse_before(wanted(by, note, ruler), pdf)


def test_a_store_that_cannot_be_had_is_found_out_at_the_start(store: Path) -> None:
    store.write_bytes(b"no store" * 999)
    with pytest.raises(ApplianceRefused, match="is no store"):
        refuse_before(wanted("R. Hooke"), None)


@pytest.mark.parametrize(
    "command", ["all", "flat-field", "pixel-size", "stage-map", "backlash", "focus", "lenses"]
)
def test_a_certificates_place_is_checked_before_anything_moves(
    store: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("HEMADIFF_SIMULATOR__INSTRUMENT", "11")
    said = hemadiff("calibrate", command, "--simulate", "--yes", "--by", "Eve", "--pdf", "none/c.pdf")
    assert (said.exit_code, "Homing" in said.output) == (2, False)
    assert "none/c.pdf cannot be written" in said.stderr


@pytest.mark.parametrize("command", ["all", "pixel-size"])
def test_the_commands_ask_before_they_begin(
    store: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("HEMADIFF_SIMULATOR__INSTRUMENT", "11")
    said = hemadiff("calibrate", command, "--simulate", "--yes", "--by", " ")
    assert (said.exit_code, "Homing" in said.output) == (2, False)
    assert "Give a name: --by NAME" in said.stderr


def test_a_slide_that_nobody_lays_ends_it_with_a_sentence() -> None:
    with CliRunner().isolation(), pytest.raises(Unanswered, match="Nothing is on record"):
        AtTerminal(yes=False).lay("blank", "Put a clean slide on the stage.")
