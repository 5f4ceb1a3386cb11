"""The service pages: how the instrument stands, its calibrations, its backup, its diagnostics."""

from __future__ import annotations

import io
import json
import sqlite3
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builders_calibration import record
from builders_people import a_person, kept_pin, signed_in
from builders_review import ended
from builders_web import FakeInstrument, a_hub, a_run, settings
from flask.testing import FlaskClient

from appliance.audit import AuditTrail
from appliance.calibrations import Calibrations
from appliance.config import Config
from appliance.doctor import CHECKS
from appliance.doctor.finding import failed, passed
from appliance.doctor.hardware import port
from appliance.doctor.records import quality_control
from appliance.servicing import journal
from appliance.servicing.diagnostics import Told, bundle
from appliance.servicing.self_test import as_objects, self_test
from appliance.store import Store
from calibration.measured import Measured
from calibration.record import CalibrationRecord
from web.app import create_app
from web.hub import Hub

NUMBER = "H-2026-1234"
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(autouse=True)
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the journal says."""
    lines = ["2026-03-01T09:30:00+0000 box hemadiff[7]: run c0ffee00 paused"]
    monkeypatch.setattr(journal, "_run", lambda asked: "\n".join(lines))
    return lines


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return settings(tmp_path)


class Checked(FakeInstrument):
    """An instrument that knows how it stands."""

    def _answer(self, ask: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if ask == "self_test":
            return {
                "findings": as_objects(
                    [passed("camera", "It answers."), failed("disk", "It is full.", "Empty it.")]
                )
            }
        return super()._answer(ask, arguments)


@pytest.fixture
def fake(config: Config) -> Iterator[FakeInstrument]:
    instrument = Checked(config.socket_path, a_run(), store=config.store.path)
    yield instrument
    instrument.dies()


def a_client(config: Config, role: str = "engineer") -> FlaskClient:
    return signed_in(create_app(config, Hub(a_hub(config)._follow)).test_client(), config, role)


def measured(um_per_px: float, days_ago: int = 1) -> CalibrationRecord:
    made = NOW - timedelta(days=days_ago)
    return record(um_per_px, made=made, expires=made + timedelta(days=365))


def put(config: Config, *records: CalibrationRecord, used: int | None = None) -> None:
    with Store(config.store.path) as store:
        for each in records:
            Calibrations(store).add(each, NOW)
        if used is not None:
            known, chosen = Calibrations(store), records[used]
            known.use(chosen.id, "R. Hooke", NOW, known.to_confirm(chosen))


def in_force(config: Config) -> list[str]:
    with Store.read_only(config.store.path) as store:
        return [each.id for each in Calibrations(store).all_in_force()]


def test_a_viewer_may_not_open_the_service_pages(config: Config, fake: FakeInstrument) -> None:
    assert a_client(config, "viewer").get("/service").status_code == 403


def test_before_the_first_count_the_home_page_says_what_is_not_there_yet(
    config: Config, fake: FakeInstrument
) -> None:
    page = a_client(config).get("/service")
    assert page.status_code == 200
    assert "No calibration is on record." in page.text
    assert "Research use only" in page.text


def test_the_home_page_names_the_calibration_in_force_and_draws_its_history(
    config: Config, fake: FakeInstrument
) -> None:
    old, new = measured(0.2, 90), measured(0.2001)
    put(config, old, new, used=1)
    page = a_client(config).get("/service").text
    assert page.index(f"{new.id}: {new.claimed['um_per_px']}") < page.index(
        "Pixel size of the latest 2 calibrations"
    )
    assert f"/service/calibrations/{old.id}/certificate.pdf" in page


def test_the_record_claims_no_more_of_the_pixel_size_than_the_routine_and_the_certificate(
    config: Config, fake: FakeInstrument
) -> None:
    values = {"um_per_px": Measured(0.13391884, 4.5e-7, "µm/px"), "exposure_us": Measured(10_000, 0, "µs")}
    exact = record(values=values, made=NOW - timedelta(days=1), expires=NOW + timedelta(days=9))
    again = record(values=values, made=NOW, expires=NOW + timedelta(days=9))
    put(config, exact, again, used=1)
    client = a_client(config)
    pages = client.get("/service").text + client.get(f"/service/calibrations/{again.id}").text
    assert "0.133919 ± 0.000026 µm/px" in pages
    assert "0.0000009" not in pages
    assert "10000 µs" in pages


def test_all_pages_say_that_a_perfect_simulated_microscope_is_asked_for_no_control(
    config: Config, fake: FakeInstrument
) -> None:
    put(config, measured(0.2))
    client = a_client(config)
    for page in ("/service", "/qc"):
        assert "It is not asked for: images and a perfect simulated slide need none." in client.get(page).text
    assert quality_control(config).said.startswith("Not asked for:")


def test_a_simulated_microscope_is_said_to_have_its_own_scale_and_stage(config: Config) -> None:
    source = "simulated, 100x"
    fake = Checked(
        config.socket_path, a_run(), store=config.store.path, simulated=True, calibration_source=source
    )
    hub = a_hub(config)
    hub._heard({**fake._snapshot(), "seq": 1})
    page = signed_in(create_app(config, hub).test_client(), config, "engineer").get("/service").text
    fake.dies()
    assert f"counts go by a scale that is stated ({source})" in page
    assert "No calibration is on record" not in page
    assert port(config).said == "Not asked for: the simulated microscope has a stage of its own."


def test_an_expired_calibration_in_force_is_said_to_be(config: Config, fake: FakeInstrument) -> None:
    soon = record(0.2, made=NOW - timedelta(days=400), expires=NOW - timedelta(days=35))
    with Store(config.store.path) as store:
        Calibrations(store).add(soon, NOW)
        Calibrations(store).use(soon.id, "R. Hooke", NOW - timedelta(days=300))
    assert "has expired" in a_client(config).get("/service").text


def test_the_self_test_says_what_the_instrument_found_and_what_to_do(
    config: Config, fake: FakeInstrument
) -> None:
    page = a_client(config).get("/service/self-test").text
    assert "✕ failed" in page
    assert "Empty it." in page


def test_the_instruments_self_test_looks_at_all_but_the_page_that_asks(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.servicing.self_test.engine", lambda config: passed("engine", "It runs."))
    assert [finding.what for finding in self_test(config)] == [name for name in CHECKS if name != "page"]


def test_without_an_instrument_the_self_test_says_so_and_checks_the_rest(config: Config) -> None:
    page = a_client(config).get("/service/self-test").text
    assert "The instrument does not answer" in page
    assert "database" in page
    assert '<th scope="row">camera' not in page


def test_the_log_shows_what_the_services_said_last(config: Config, fake: FakeInstrument) -> None:
    assert "run c0ffee00 paused" in a_client(config).get("/service").text
    assert "run c0ffee00 paused" in a_client(config).get("/service/log").text


def test_a_machine_without_a_journal_is_said_to_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(asked: Any) -> str:
        raise FileNotFoundError

    assert "no journal" in journal.last_lines(command=missing).why_none


def test_a_journal_that_shows_nothing_says_how_to_ask_it() -> None:
    assert "sudo journalctl -u hemadiff-instrument" in journal.last_lines(command=lambda asked: "").why_none


def test_a_calibration_has_a_certificate_and_its_pictures(config: Config, fake: FakeInstrument) -> None:
    made = measured(0.2)
    put(config, made)
    client = a_client(config)
    assert client.get(f"/service/calibrations/{made.id}/certificate.pdf").data.startswith(b"%PDF")
    assert client.get(f"/service/calibrations/{made.id}/ruler.png").data == made.evidence[0].png
    assert client.get(f"/service/calibrations/{made.id}/other.png").status_code == 404


def test_a_calibration_that_changed_much_needs_a_persons_word(config: Config, fake: FakeInstrument) -> None:
    old, new = measured(0.2, 90), measured(0.21)
    put(config, old, new, used=0)
    client = a_client(config)
    page = client.get(f"/service/calibrations/{new.id}").text
    assert "beyond 1 %, confirm" in page
    assert client.post(f"/service/calibrations/{new.id}/use").status_code == 409
    assert in_force(config) == [old.id]


def test_a_confirmed_calibration_is_in_force_and_on_the_trail(config: Config, fake: FakeInstrument) -> None:
    old, new = measured(0.2, 90), measured(0.21)
    put(config, old, new, used=0)
    with Store.read_only(config.store.path) as store:
        sentences = list(Calibrations(store).to_confirm(new))
    answer = a_client(config).post(f"/service/calibrations/{new.id}/use", data={"confirmed": sentences})
    assert answer.status_code == 303
    assert in_force(config) == [new.id]
    with Store.read_only(config.store.path) as store:
        (line,) = AuditTrail(store).entries(1)
    assert (line.who, line.what, line.subject) == ("engineer", "calibration", new.id)


def test_a_backup_is_a_whole_database_and_on_the_trail(
    config: Config, fake: FakeInstrument, tmp_path: Path
) -> None:
    with Store(config.store.path) as store:
        ended(store, record_number=NUMBER)
    answer = a_client(config, "administrator").post("/service/backup")
    (tmp_path / "copy.sqlite").write_bytes(answer.data)
    with sqlite3.connect(tmp_path / "copy.sqlite") as copy:
        assert copy.execute("SELECT count(*) FROM runs").fetchone() == (1,)
    assert fake.asked[-1][0] == "record_backup"
    assert fake.asked[-1][1]["by"] == "administrator"


@pytest.mark.parametrize("role", ["reviewer", "engineer"])
def test_only_an_administrator_takes_every_samples_number_out(
    config: Config, fake: FakeInstrument, role: str
) -> None:
    assert a_client(config, role).post("/service/backup").status_code == 403


def test_a_backup_is_taken_at_the_instrument_alone_and_holds_nobodys_secret(
    config: Config, fake: FakeInstrument
) -> None:
    client = a_client(config, "administrator")
    a_person(config, "reviewer", "robin", pin=kept_pin())
    afar = {"environ_overrides": {"REMOTE_ADDR": "192.0.2.7"}}
    assert client.post("/service/backup", **afar).status_code == 403
    assert "/service/backup" not in client.get("/service", **afar).text
    here = client.post("/service/backup")
    assert (here.status_code, kept_pin().encode() in here.data) == (200, False)


@pytest.fixture
def bundled(config: Config, fake: FakeInstrument, log: list[str]) -> dict[str, str]:
    """The files of the diagnostics of an instrument on which a record number got nearly everywhere."""
    log.append(f"2026-03-01T09:31:00+0000 box hemadiff[7]: somebody logged {NUMBER}")
    with Store(config.store.path) as store:
        ended(store, record_number=NUMBER)
        AuditTrail(store).add(
            "anna", "note", NUMBER, {"note": f"of {NUMBER}", "added": NUMBER, "cells": 3, NUMBER: 1}, at=NOW
        )
    put(config, record(note=f"Measured on the slide of {NUMBER}.", ruler=None, made=NOW, expires=None))
    answer = a_client(config).get("/service/diagnostics.zip")
    assert answer.status_code == 200
    assert NUMBER.encode() not in answer.data
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert archive.testzip() is None
        return {name.partition("/")[2]: archive.read(name).decode() for name in archive.namelist()}


def test_who_took_the_diagnostics_is_on_the_trail(bundled: dict[str, str], fake: FakeInstrument) -> None:
    assert fake.asked[-1] == ("diagnostics_taken", {"by": "engineer"})


def test_the_diagnostics_are_had_of_an_instrument_that_does_not_answer(
    config: Config, fake: FakeInstrument
) -> None:
    fake.dies()
    assert a_client(config).get("/service/diagnostics.zip").status_code == 200


def test_the_diagnostics_hold_no_patients_number(bundled: dict[str, str]) -> None:
    assert [name for name, text in bundled.items() if NUMBER in text] == []


def test_the_diagnostics_say_how_the_instrument_stands(bundled: dict[str, str]) -> None:
    assert set(bundled) == {
        "README.txt", "versions.json", "settings.json", "self-test.json", "calibrations.json", "quality.json",
        "audit.json", "journal.txt",
    }  # fmt: skip
    assert json.loads(bundled["audit.json"])[0]["details"]["cells"] == 3
    assert {each["what"] for each in json.loads(bundled["self-test.json"])} == {"camera", "disk", "page"}
    assert "run c0ffee00 paused" in bundled["journal.txt"]


def test_the_diagnostics_hold_no_picture(bundled: dict[str, str]) -> None:
    (kept,) = json.loads(bundled["calibrations.json"])
    assert set(kept["evidence"][0]) == {"name", "caption", "sha256"}


def test_the_diagnostics_hold_no_key(tmp_path: Path) -> None:
    config = Config(
        store={"path": tmp_path / "h.sqlite"},  # type: ignore[arg-type]
        camera={"source": "remote:microscope.local", "key": tmp_path / "a-secret-place"},  # type: ignore[arg-type]
    )
    with zipfile.ZipFile(io.BytesIO(bundle(config, None, Told({}, [], journal.Log(()), NOW)))) as archive:
        said = archive.read("hemadiff-diagnostics/settings.json").decode()
    assert json.loads(said)["camera.source"] == "remote:microscope.local"
    assert "a-secret-place" not in said
