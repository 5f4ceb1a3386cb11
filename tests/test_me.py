"""One's own password and PIN, the first sign-in with what somebody else chose, and sessions that are over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builders_people import CSRF, PASSWORD, PIN, a_cookie, a_person, kept_password, kept_pin, signed_in
from builders_web import FakeInstrument, a_hub, settings
from flask.testing import FlaskClient

from appliance.accounts import secret
from appliance.accounts.accounts import Account, Accounts
from appliance.accounts.lockout import Lockout, Wanted, Way, counted_as
from appliance.audit import AuditTrail
from appliance.errors import ApplianceRefused
from appliance.service_desk import at_desk
from appliance.store import Store
from web.app import create_app
from web.hub import Hub

NEW, NEW_PIN = "oil-over-smear", "314159"
PINS = {"pin": NEW_PIN, "pin_again": NEW_PIN}


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Any]:
    config = settings(tmp_path)
    fake = FakeInstrument(config.socket_path, None, config.store.path)
    yield SimpleNamespace(config=config, app=create_app(config, Hub(a_hub(config)._follow)), fake=fake)
    fake.dies()


def robin(page: Any, **values: Any) -> FlaskClient:
    """The browser in which robin, a reviewer, signed in with a password."""
    a_person(page.config, "reviewer", "robin", password=kept_password(), **values)
    return signed_in(page.app.test_client(), page.config, "reviewer", "robin")


def by_pin(page: Any, **values: Any) -> FlaskClient:
    """The touchscreen where robin signed in with a PIN."""
    a_person(page.config, "reviewer", "robin", pin=kept_pin(), **values)
    client: FlaskClient = page.app.test_client()
    word = client.get("/sign-in").text.split('name="csrf_token" value="')[1].split('"')[0]
    client.post("/sign-in", data={"name": "robin", "pin": PIN, "csrf_token": word})
    with client.session_transaction() as session:
        client.environ_base["HTTP_X_CSRF_TOKEN"] = session["csrf"]
    return client


def account(page: Any, name: str = "robin") -> Account:
    with Store.read_only(page.config.store.path) as store:
        return Accounts(store).get(name)


def test_everybody_finds_the_page_of_their_password(page: Any) -> None:
    assert 'href="/me"' in robin(page).get("/runs").text


def test_whoever_knows_the_old_password_chooses_a_new_one(page: Any) -> None:
    client = robin(page)
    assert client.post("/me", data={"old": PASSWORD, "password": NEW, "again": NEW}).status_code == 303
    assert secret.fits(account(page).password, NEW)
    assert client.get("/runs").status_code == 200, "this session goes on"


def test_a_new_password_ends_ones_other_sessions(page: Any) -> None:
    client, other = robin(page), robin(page)
    client.post("/me", data={"old": PASSWORD, "password": NEW, "again": NEW})
    assert other.get("/api/v1/state").status_code == 401


def test_nobody_changes_a_password_without_the_old_one(page: Any) -> None:
    client = robin(page)
    for _ in range(5):
        answer = client.post("/me", data={"old": "guessed", "password": NEW, "again": NEW})
        assert answer.status_code == 409
    answer = client.post("/me", data={"old": PASSWORD, "password": NEW, "again": NEW})
    assert "Too many wrong tries" in answer.text
    assert secret.fits(account(page).password, PASSWORD)


def test_a_pin_changes_a_pin_and_no_password(page: Any) -> None:
    client = by_pin(page)
    refused = client.post("/me", data={"old": PIN, "password": NEW, "again": NEW, **PINS})
    assert "Sign in with your password" in refused.text
    assert client.post("/me", data={"old": PIN, **PINS}).status_code == 303
    assert secret.fits(account(page).pin, NEW_PIN)


def test_who_has_no_password_is_told_of_none(page: Any) -> None:
    assert "sign in with it" in by_pin(page, password=kept_password()).get("/me").text
    a_person(page.config, "reviewer", "robin", password=None)
    assert "sign in with it" not in by_pin(page).get("/me").text


def test_which_pins_are_refused_is_said_before_one_is_typed(page: Any) -> None:
    for client in (by_pin(page), robin(page)):
        assert "no row such as 123456 or 111111" in client.get("/me").text


def test_a_wrong_old_pin_is_said_to_be_that(page: Any) -> None:
    assert "That is not your PIN." in by_pin(page).post("/me", data={"old": "999999", **PINS}).text


def test_the_first_accounts_pin_is_typed_twice(page: Any) -> None:
    client = page.app.test_client()
    first = client.get("/first").text
    assert first.count('inputmode="numeric"') == 2
    word = first.split('name="csrf_token" value="')[1].split('"')[0]
    typed = {"name": "ada", "password": NEW, "again": NEW, "pin": NEW_PIN, "pin_again": PIN}
    refused = client.post("/first", data={**typed, "csrf_token": word})
    assert "The two PINs differ" in refused.text


def test_a_new_pin_that_was_mistyped_once_changes_nothing(page: Any) -> None:
    client = by_pin(page)
    assert client.get("/me").text.count("data-pin") == 3, "the old one, the new one, and that again"
    refused = client.post("/me", data={"old": PIN, "pin": NEW_PIN, "pin_again": "314150"})
    assert "The two PINs differ" in refused.text
    assert secret.fits(account(page).pin, PIN)


def test_who_is_locked_in_a_way_changes_nothing_in_that_way(page: Any) -> None:
    robin(page)
    with Store(page.config.store.path) as store:
        for _ in range(5):
            Lockout(store).failed("robin", counted_as(Way.PASSWORD, Wanted.CHANGE), datetime.now(UTC))
        with pytest.raises(ApplianceRefused, match="Too many wrong tries"):
            at_desk(store, "change_own", {"by": "robin", "how": "password", "pin": "own"})
        at_desk(store, "change_own", {"by": "robin", "how": "pin", "pin": "own"})


def test_nobody_tries_to_change_a_password_all_the_time(page: Any) -> None:
    client = robin(page)
    tries = [client.post("/me", data={"password": NEW, "again": "another"}).status_code for _ in range(12)]
    assert (tries[0], tries[-1]) == (409, 429)


def test_what_one_chose_is_on_the_trail_without_it(page: Any) -> None:
    robin(page).post("/me", data={"old": PASSWORD, "password": NEW, "again": NEW})
    with Store.read_only(page.config.store.path) as store:
        line = AuditTrail(store).entries(1)[0]
    assert (line.who, line.what, line.subject, dict(line.details)) == (
        "robin", "account", "robin", {"password": "changed"},
    )  # fmt: skip


# What somebody else chose


@pytest.mark.parametrize("path", ["/", "/runs", "/links", "/api/v1/state"])
def test_who_signs_in_with_what_somebody_else_chose_opens_nothing_but_its_change(
    page: Any, path: str
) -> None:
    client = robin(page, password_given=1)
    answer = client.get(path, headers={"Accept": "text/html"})
    said = (answer.status_code, answer.headers.get("Location"))
    assert said in ((303, f"/me?next={path}"), (403, None))
    assert client.get("/me").status_code == 200


def test_who_has_chosen_their_own_goes_on(page: Any) -> None:
    client = robin(page, password_given=1)
    assert client.post("/me", data={"old": PASSWORD, **PINS}).status_code == 409, "the PIN alone"
    same = {"old": PASSWORD, "password": PASSWORD, "again": PASSWORD}
    assert client.post("/me", data=same).status_code == 409, "the same again"
    form = client.get("/me?next=/runs?state%3Dpaused").text
    assert '<input type="hidden" name="next" value="/runs?state=paused">' in form
    wanted = {"old": PASSWORD, "password": NEW, "again": NEW, "next": "/runs?state=paused"}
    answer = client.post("/me", data=wanted)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/runs?state=paused"), "where they went"
    assert client.get("/runs").status_code == 200


def test_a_pin_that_somebody_else_chose_is_replaced_at_the_screen(page: Any) -> None:
    client = by_pin(page, pin_given=1)
    assert client.get("/runs", headers={"Accept": "text/html"}).headers["Location"] == "/me?next=/runs"
    client.post("/me", data={"old": PIN, **PINS})
    assert client.get("/runs").status_code == 200


def test_what_an_administrator_sets_is_given_and_what_the_first_one_chose_is_not(tmp_path: Path) -> None:
    said = {"by": "ada", "name": "robin", "password": "kept", "pin": "kept"}
    with Store(tmp_path / "s.sqlite") as store:
        at_desk(store, "first_administrator", {"name": "ada", "password": "kept", "pin": None})
        at_desk(store, "add_account", {**said, "role": "viewer"})
        ada, robin = Accounts(store).get("ada"), Accounts(store).get("robin")
        assert (ada.password_given, robin.password_given, robin.pin_given) == (False, True, True)
        at_desk(store, "change_own", {"by": "robin", "how": "password", "password": "own", "pin": "own"})
        robin = Accounts(store).get("robin")
        assert (robin.password_given, robin.pin_given) == (False, False)
        at_desk(store, "change_account", said)
        assert Accounts(store).get("robin").password_given


def test_an_administrator_changes_their_own_with_the_old_one_alone(page: Any) -> None:
    client = signed_in(page.app.test_client(), page.config, name="ada")
    answer = client.post("/accounts/ada", data={"role": "administrator", "password": NEW})
    assert (answer.status_code, account(page, "ada").epoch) == (409, 0)


# Sessions that are over


def test_signing_out_ends_every_copy_of_the_cookie_and_no_other_session(page: Any) -> None:
    client = robin(page)
    copied = page.app.test_client()
    copied.set_cookie("hemadiff", a_cookie(page.config, "reviewer", "robin"))
    elsewhere = by_pin(page)
    assert copied.get("/runs").status_code == 200
    assert client.post("/sign-out").status_code == 303
    assert copied.get("/api/v1/state").status_code == 401
    assert elsewhere.get("/api/v1/state").status_code == 200


def test_what_ended_stays_ended_when_the_page_starts_anew(page: Any) -> None:
    robin(page).post("/sign-out")
    anew = create_app(page.config, Hub(a_hub(page.config)._follow)).test_client()
    anew.set_cookie("hemadiff", a_cookie(page.config, "reviewer", "robin"))
    assert anew.get("/api/v1/state").status_code == 401


def test_whoever_takes_a_screen_over_ends_the_session_before(page: Any) -> None:
    client = robin(page)
    a_person(page.config, "reviewer", "ada", pin=kept_pin())
    client.environ_base["HTTP_X_CSRF_TOKEN"] = CSRF
    assert client.post("/sign-in", data={"name": "ada", "pin": PIN}).status_code == 303
    copied = page.app.test_client()
    copied.set_cookie("hemadiff", a_cookie(page.config, "reviewer", "robin"))
    assert copied.get("/api/v1/state").status_code == 401


@pytest.mark.parametrize("wanted", ["/\nx", "/%0ax", "/\x00", "//[x", "/\t/evil.example", "/\\evil.example"])
def test_wherever_one_wanted_to_go_signing_in_leads_inside(page: Any, wanted: str) -> None:
    a_person(page.config, "reviewer", "robin", pin=kept_pin())
    client = page.app.test_client()
    word = client.get("/sign-in").text.split('name="csrf_token" value="')[1].split('"')[0]
    answer = client.post("/sign-in", data={"name": "robin", "pin": PIN, "csrf_token": word, "next": wanted})
    assert answer.status_code == 303
    assert answer.headers["Location"] in ("/", "/%0ax")


def test_a_database_without_secrets_says_at_the_instrument_how_people_sign_in_again(page: Any) -> None:
    a_person(page.config, "reviewer", "robin", password=None)
    client = page.app.test_client()
    assert "hemadiff accounts password NAME" in client.get("/sign-in").text
    afar = client.get("/sign-in", environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
    assert "hemadiff accounts password" not in afar.text
