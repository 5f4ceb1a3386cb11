"""Nobody keeps the instrument busy for the others: changes and files are made only so often for one machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders_people import signed_in
from builders_web import FakeInstrument, a_hub, a_run, settings
from flask import Flask, g, request
from flask.testing import FlaskClient

from appliance.accounts.roles import Permission, Role
from web import languages, pace
from web.access import allow, public
from web.app import create_app
from web.known import Person


def name_from_header() -> None:
    """Stand in for `web.access`, which says who asks."""
    if name := request.headers.get("X-Name"):
        g.person = Person(name, Role.REVIEWER, "password")


@pytest.fixture
def asked() -> FlaskClient:
    """A server at whose clock no time passes."""
    app = Flask(__name__)
    languages.install(app)
    app.before_request(name_from_header)
    pace.install(app, clock=lambda: 0.0)
    app.get("/look", endpoint="look")(public(lambda: "seen"))
    app.post("/change", endpoint="change")(public(lambda: "changed"))
    app.post("/stop", endpoint="stop")(allow(Permission.COUNT)(lambda: "stopped"))
    app.get("/file", endpoint="file")(allow(Permission.EXPORT)(lambda: "made"))
    return app.test_client()


def test_who_changes_things_without_end_is_told_to_wait_and_nobody_else_is(asked: FlaskClient) -> None:
    rita, ralf = {"X-Name": "rita"}, {"X-Name": "ralf"}
    assert [asked.post("/change", headers=rita).status_code for _ in range(301)] == [200] * 300 + [429]
    assert asked.get("/look", headers=rita).status_code == 200
    assert asked.post("/change", headers=ralf).status_code == 200


def test_strangers_use_up_what_their_own_machine_may(asked: FlaskClient) -> None:
    assert [asked.post("/change").status_code for _ in range(301)] == [200] * 300 + [429]
    assert asked.post("/change", headers={"X-Name": "rita"}).status_code == 200
    assert asked.post("/change", environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 200


def test_a_stop_is_never_too_often(asked: FlaskClient) -> None:
    assert {asked.post("/stop").status_code for _ in range(400)} == {200}


def test_who_has_files_made_without_end_is_told_to_wait(asked: FlaskClient) -> None:
    assert [asked.get("/file").status_code for _ in range(31)] == [200] * 30 + [429]
    assert asked.post("/change").status_code == 200


def test_the_page_keeps_that_pace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.pace.FILES_AT_ONCE", 1)
    config = settings(tmp_path)
    fake = FakeInstrument(config.socket_path, a_run(), store=config.store.path)
    client = signed_in(create_app(config, a_hub(config)).test_client(), config, "reviewer", "rita")
    answers = [client.get("/runs/decade00/report.csv") for _ in range(2)]
    assert [each.status_code for each in answers] == [404, 429]
    assert answers[1].json["detail"] == "You ask too often. Wait a minute."
    fake.dies()
