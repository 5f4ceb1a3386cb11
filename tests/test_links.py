"""Links to watch one run: who sees them, and who takes them back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builders_people import signed_in
from builders_web import FakeInstrument, a_hub, a_run, a_stored_cell, settings
from flask.testing import FlaskClient

from appliance.accounts.passes import Passes
from appliance.store import Store
from web.app import create_app
from web.stream import events


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Any]:
    """A page with a run that goes on."""
    config = settings(tmp_path, address="https://smears.example")
    a_stored_cell(config.store.path)
    fake = FakeInstrument(config.socket_path, a_run(), store=config.store.path)
    hub = a_hub(config)
    hub._heard({**fake._snapshot(), "seq": 1})
    yield SimpleNamespace(config=config, app=create_app(config, hub), fake=fake, hub=hub)
    fake.dies()


def person(page: Any, name: str, role: str = "operator") -> FlaskClient:
    return signed_in(page.app.test_client(), page.config, role, name)


def a_link(page: Any, by: FlaskClient) -> tuple[str, str]:
    """The word and the id of a link that somebody made."""
    word = by.post("/runs/c0ffee00/link").text.split("/watch/")[1].split("<")[0]
    with Store.read_only(page.config.store.path) as store:
        return word, Passes(store).links(datetime.now(UTC))[0].id


def opened(page: Any, word: str) -> tuple[FlaskClient, int]:
    phone: FlaskClient = page.app.test_client()
    csrf = phone.get(f"/watch/{word}").text.split('name="csrf_token" value="')[1].split('"')[0]
    return phone, phone.post(f"/watch/{word}", data={"csrf_token": csrf}).status_code


def test_a_link_that_is_taken_back_shows_nothing_any_more(page: Any) -> None:
    robin = person(page, "robin")
    word, link = a_link(page, robin)
    phone, _ = opened(page, word)
    assert phone.get("/api/v1/state").status_code == 200
    assert "a phone watches" in robin.get("/links").text
    assert robin.post(f"/links/{link}/end").status_code == 303
    assert phone.get("/api/v1/state").status_code == 410
    then = robin.get("/links").text
    assert "The link was ended: it shows nothing any more." in then
    assert "No link is open." in then


def test_a_phone_whose_link_was_taken_back_is_told_so_and_not_asked_to_sign_in(page: Any) -> None:
    robin = person(page, "robin")
    word, link = a_link(page, robin)
    phone, _ = opened(page, word)
    robin.post(f"/links/{link}/end")
    for _ in range(2):
        said = phone.get("/", headers={"Accept": "text/html"})
        assert said.status_code == 410
        assert "This link was ended." in said.text
        assert "robin" not in said.text
        assert "To the start" not in said.text


def test_a_phone_whose_time_is_over_is_told_so(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    word, _ = a_link(page, person(page, "robin"))
    phone, _ = opened(page, word)
    later = time.time() + 5 * 3600
    monkeypatch.setattr("web.known.time.time", lambda: later)
    assert phone.get("/api/v1/state").get_json()["detail"] == "The time of this link is over."


def test_a_phone_is_told_that_another_count_has_begun(page: Any) -> None:
    word, _ = a_link(page, person(page, "robin"))
    phone, _ = opened(page, word)
    page.hub._heard({**page.fake._snapshot(), "seq": 2, "run": a_run(run="decade00")})
    said = phone.get("/", headers={"Accept": "text/html"})
    assert said.status_code == 410
    assert "another one has begun" in said.text


@pytest.mark.parametrize(
    ("address", "elsewhere", "offered"),
    [("", False, False), ("https://smears.example", False, True), ("", True, True)],
)
def test_a_phone_is_offered_only_where_one_can_reach_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, elsewhere: bool, offered: bool
) -> None:
    config = settings(tmp_path, address=address, remote_control=True)
    if elsewhere:
        monkeypatch.setattr("web.guard.from_this_machine", lambda request: False)
    operator = signed_in(create_app(config, a_hub(config)).test_client(), config, "operator")
    assert ("Watch on a phone" in operator.get("/").text) == offered


def test_a_link_that_is_taken_back_before_it_was_opened_does_not_open(page: Any) -> None:
    robin = person(page, "robin")
    word, link = a_link(page, robin)
    robin.post(f"/links/{link}/end")
    assert opened(page, word)[1] == 409


def test_others_neither_see_nor_end_it_but_an_administrator_does(page: Any) -> None:
    _, link = a_link(page, person(page, "robin"))
    jo, ada = person(page, "jo"), person(page, "ada", "administrator")
    assert "No link is open." in jo.get("/links").text
    assert jo.post(f"/links/{link}/end").status_code == 409
    assert "robin" in ada.get("/links").text
    assert ada.post(f"/links/{link}/end").status_code == 303


def test_a_phone_that_watches_opens_no_page_of_people(page: Any) -> None:
    word, _ = a_link(page, person(page, "robin"))
    phone, _ = opened(page, word)
    assert [phone.get(path).status_code for path in ("/links", "/me")] == [403, 403]


def test_a_link_is_not_told_how_the_next_run_begins() -> None:
    others = False

    class Following:
        def next(self, within_s: float) -> Any:
            nonlocal others
            others = True  # while it was waited for, another run began
            return {"event": "run", "run": {"run": "decade00"}}

    told = list(events(Following(), lambda: others, "page"))  # type: ignore[arg-type]
    assert [each.split(b"\n")[0] for each in told] == [b"event: beat"]
