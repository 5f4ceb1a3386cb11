"""The microscope's page: what it shows of a service session, and what it asks for."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from builders_calibration import values
from builders_people import signed_in
from builders_web import FakeInstrument, a_hub, a_run, settings, until
from flask.testing import FlaskClient

from appliance.calibrations import Calibrations
from appliance.channel import ChannelServer
from appliance.config import Config
from appliance.errors import ApplianceRefused
from appliance.instrument import Instrument
from appliance.servicing.routines import NAMES
from appliance.servicing.service import Service
from appliance.simulator.imperfect import Imperfect
from appliance.store import Store
from calibration.measured import Measured
from calibration.record import CalibrationRecord
from calibration.setup import Setup
from web.app import create_app
from web.hub import Hub
from web.service_microscope import TITLES, not_now

NUMBER, SIZE = 7, (256, 192)


class InService(FakeInstrument):
    """An instrument whose microscope an engineer has in hand."""

    def _answer(self, ask: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if ask == "service_state":
            return {"phase": "ready", "by": "engineer", "doing": ""}
        if ask == "service_picture":
            return {"jpeg": base64.b64encode(b"\xff\xd8 a picture").decode()}
        return super()._answer(ask, arguments)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return settings(tmp_path)


@pytest.fixture
def fake(config: Config) -> Iterator[InService]:
    instrument = InService(config.socket_path, a_run())
    yield instrument
    instrument.dies()


def a_client(config: Config, role: str = "engineer") -> FlaskClient:
    return signed_in(create_app(config, Hub(a_hub(config)._follow)).test_client(), config, role)


def test_the_page_offers_every_routine(config: Config, fake: InService) -> None:
    page = a_client(config).get("/service/microscope").text
    assert [name for name in NAMES if f'<option value="{name}"' not in page] == []
    assert set(TITLES) == set(NAMES)


def test_a_perfect_simulated_microscope_offers_no_routine_and_says_how_to_get_one(tmp_path: Path) -> None:
    section = {"camera": {"source": "simulated"}}
    perfect = settings(tmp_path).model_copy(update={"camera": Config(**section).camera})  # type: ignore[arg-type]
    page = a_client(perfect).get("/service/microscope").text
    assert "data-none hidden>" in page
    assert "set [simulator] instrument = 7 in the settings" in page


def test_while_a_count_goes_on_the_page_says_that_nobody_can_begin() -> None:
    said = "A run is going on. Stop it first."
    rooms: Any = SimpleNamespace(
        hub=SimpleNamespace(snapshot=lambda: {"run": {"ended": False}, "instrument": {"why_not": said}})
    )
    assert not_now(rooms) == said


def test_the_page_shows_the_state_and_the_picture(config: Config, fake: InService) -> None:
    client = a_client(config)
    assert client.get("/service/state.json").json == {"phase": "ready", "by": "engineer", "doing": ""}
    picture = client.get("/service/picture.jpg")
    assert (picture.data, picture.mimetype) == (b"\xff\xd8 a picture", "image/jpeg")


def test_whoever_asks_is_named_to_the_instrument(config: Config, fake: InService) -> None:
    assert a_client(config).post("/service/microscope/jog", json={"dx": 10}).status_code == 200
    assert fake.asked == [("service_jog", {"by": "engineer", "dx": 10})]


@pytest.mark.parametrize(("role", "anybodys"), [("engineer", False), ("administrator", True)])
def test_an_administrator_ends_the_session_of_another(
    config: Config, fake: InService, role: str, anybodys: bool
) -> None:
    a_client(config, role).post("/service/microscope/end", json={})
    assert fake.asked == [("service_end", {"by": role, "anybodys": anybodys})]


def test_what_the_instrument_refuses_is_said(config: Config, fake: InService) -> None:
    fake.refusal = "That is beyond the limits."
    answer = a_client(config).post("/service/microscope/jog", json={"dx": 10})
    assert (answer.status_code, answer.json["detail"]) == (409, "That is beyond the limits.")


@pytest.mark.parametrize(
    ("what", "said", "status"), [("fly", {}, 404), ("jog", {"by": "anna"}, 400), ("jog", [1], 400)]
)
def test_nothing_else_can_be_asked_for(
    config: Config, fake: InService, what: str, said: Any, status: int
) -> None:
    assert a_client(config).post(f"/service/microscope/{what}", json=said).status_code == status
    assert fake.asked == []


def test_an_operator_moves_no_stage_from_here(config: Config, fake: InService) -> None:
    assert a_client(config, "operator").post("/service/microscope/jog", json={"dx": 10}).status_code == 403


def test_from_another_machine_the_microscope_is_only_looked_at(config: Config, fake: InService) -> None:
    client = a_client(config)
    far = {"REMOTE_ADDR": "192.0.2.7"}
    assert (
        "That is done at the instrument itself." in client.get("/service/microscope", environ_base=far).text
    )
    assert client.post("/service/microscope/begin", json={}, environ_base=far).status_code == 403


# The whole way, on a simulated microscope


@pytest.fixture
def simulated(tmp_path: Path) -> Config:
    """A microscope with errors, small pictures and a calibration of its pixel size."""
    config = Config(
        store={"path": tmp_path / "h.sqlite"},  # type: ignore[arg-type]
        instrument={"socket": tmp_path / "i.sock"},  # type: ignore[arg-type]
        camera={"source": "simulated", "width_px": SIZE[0], "height_px": SIZE[1]},  # type: ignore[arg-type]
        simulator={"instrument": NUMBER, "rate": 200},  # type: ignore[arg-type]
    )
    true = Imperfect.drawn(NUMBER)
    setup = Setup("100x", true.name, 1, SIZE)
    size = Measured(float(np.hypot(*true.on_slide[0])), 1e-5, "µm/px")
    from datetime import UTC, datetime, timedelta

    now = datetime.now(UTC)
    made = CalibrationRecord(
        setup,
        now - timedelta(days=9),
        "R. Hooke",
        {**values(), "um_per_px": size},
        expires=now + timedelta(days=90),
    )
    with Store(config.store.path) as store:
        Calibrations(store).add(made, now)
        Calibrations(store).use(made.id, "R. Hooke", now)
    return config


def test_an_engineer_measures_the_flat_field_on_the_page_and_puts_it_in_force(simulated: Config) -> None:
    def no_plan() -> Any:
        raise ApplianceRefused("Nothing is counted here.")

    with Instrument(simulated.store.path, no_plan, service=Service(simulated)) as instrument:
        server = ChannelServer(simulated.socket_path)
        server.serve(instrument.broadcast, instrument.answer)
        client = a_client(simulated)

        def state() -> Any:
            return client.get("/service/state.json").json

        client.post("/service/microscope/begin", json={})
        until(lambda: state()["phase"] == "ready", "the microscope is in hand")
        assert client.get("/service/picture.jpg").data.startswith(b"\xff\xd8")
        client.post("/service/microscope/routine", json={"name": "flat_field"})
        verdict = until(lambda: state()["verdict"], "the routine ends")
        assert verdict["passed"], verdict["said"]
        made = verdict["calibration"]
        assert "On record, and not in force." in client.get(f"/service/calibrations/{made}").text
        client.post(f"/service/calibrations/{made}/use")
        assert "In force for" in client.get(f"/service/calibrations/{made}").text
        assert client.post("/service/microscope/end", json={}).status_code == 200
        server.close()
