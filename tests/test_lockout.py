"""Wrong tries: whom they keep out for how long, and what they tell whoever tries."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import BoundedSemaphore, Event
from types import SimpleNamespace
from typing import Any

import pytest
from argon2 import PasswordHasher, extract_parameters
from builders_people import PASSWORD, PIN, a_person, kept_password, kept_pin
from builders_web import FakeInstrument, a_hub, settings

from appliance.accounts import secret
from appliance.accounts.lockout import LONGEST_KEPT, MOST_STRANGERS, Failures, Lockout, Strangers, Way
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.service_desk import at_desk
from appliance.store import Store
from web import tries
from web.app import create_app
from web.hub import Hub
from web.rate import Rate

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FAR = {"REMOTE_ADDR": "192.0.2.7", "wsgi.url_scheme": "https"}


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Any]:
    """A page with robin, who has a password and a PIN; `tries` signs in."""
    config = settings(tmp_path)
    a_person(config, "reviewer", "robin", password=kept_password(), pin=kept_pin())
    fake = FakeInstrument(config.socket_path, None, config.store.path)
    app = create_app(config, Hub(a_hub(config)._follow))

    def try_in(environ: dict[str, str] | None = None, **form: str) -> Any:
        client = app.test_client()
        said = client.get("/sign-in", environ_overrides=environ or {}, base_url=_base(environ)).text
        word = said.split('name="csrf_token" value="')[1].split('"')[0]
        return client.post(
            "/sign-in",
            data={**form, "csrf_token": word},
            environ_overrides=environ or {},
            base_url=_base(environ),
        )

    yield SimpleNamespace(config=config, tries=try_in)
    fake.dies()


def _base(environ: dict[str, str] | None) -> str:
    return "https://localhost" if environ else "http://localhost"


def locked(config: Any, way: Way, failures: int = 5) -> None:
    """Robin with so many wrong tries, just now."""
    with Store(config.store.path) as store:
        for _ in range(failures):
            Lockout(store).failed("robin", way, datetime.now(UTC))


def test_wrong_tries_lock_for_longer_and_longer() -> None:
    def locked_s(count: int) -> float:
        until = Failures(count, NOON).locked_until
        return 0 if until is None else (until - NOON).total_seconds()

    assert [locked_s(n) for n in (0, 4, 5, 6, 7, 30, 5000)] == [0, 0, 30, 60, 120, 3600, 3600]


def test_wrong_passwords_from_afar_keep_nobody_from_the_instruments_own_screen(page: Any) -> None:
    locked(page.config, Way.FROM_AFAR)
    assert "Too many wrong tries" in page.tries(FAR, name="robin", password=PASSWORD).text
    assert page.tries(name="robin", pin=PIN).status_code == 303
    assert page.tries(name="robin", password=PASSWORD).status_code == 303


def test_who_signs_in_by_pin_gives_nobody_from_afar_more_tries(page: Any) -> None:
    locked(page.config, Way.FROM_AFAR)
    page.tries(name="robin", pin=PIN)
    assert page.tries(FAR, name="robin", password=PASSWORD).status_code == 403


def test_a_password_is_kept_at_the_librarys_own_costs(costs_of_passwords: PasswordHasher) -> None:
    theirs, own = extract_parameters(PasswordHasher().hash("a")), costs_of_passwords.hash("a")
    assert extract_parameters(own) == theirs


def test_a_name_that_is_nobodys_costs_what_somebodys_does() -> None:
    assert extract_parameters(secret._nobodys()) == extract_parameters(kept_password())


def test_a_name_that_is_nobodys_is_refused_as_one_that_is_somebodys(page: Any) -> None:
    def said(name: str, address: str) -> str:
        answer = page.tries({**FAR, "REMOTE_ADDR": address}, name=name, password="wrong-wrong-wrong")
        return str(answer.text.split('role="alert">')[1].split("<")[0])

    known = [said("robin", "192.0.2.7")[:20] for _ in range(6)]
    assert known == ["Name and password do"] * 5 + ["Too many wrong tries"]
    assert [said("mallory", "192.0.2.8")[:20] for _ in range(6)] == known


def test_so_many_tries_at_once_are_as_many_as_one_after_the_other(
    page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    all_in = Event()

    def fits(kept: str | None, given: str) -> bool:
        looked.append(given)
        if len(looked) == 8:
            all_in.set()
        all_in.wait(0.05)  # whoever is let in meanwhile comes now
        return False

    monkeypatch.setattr(secret, "fits", fits)
    monkeypatch.setattr(tries, "LONGEST_WAIT_S", 60.0)
    with ThreadPoolExecutor(8) as crowd:
        said = list(crowd.map(lambda n: page.tries(name="robin", password=f"wrong {n}").text, range(8)))
    assert len(looked) == 5
    assert sum("Too many wrong tries" in each for each in said) == 3


def test_an_account_that_is_shut_says_so_only_to_whoever_has_its_password(page: Any) -> None:
    a_person(page.config, "reviewer", "robin", disabled=1)
    assert "do not belong together" in page.tries(name="robin", password="wrong").text
    assert "is closed" in page.tries(name="robin", password=PASSWORD).text


def test_the_instrument_itself_refuses_who_is_locked(page: Any) -> None:
    locked(page.config, Way.PIN)
    with Store(page.config.store.path) as store:
        with pytest.raises(ApplianceRefused, match="Wait"):
            at_desk(store, "signed_in", {"name": "robin", "how": "pin"})
        at_desk(store, "signed_in", {"name": "robin", "how": "password"})


@pytest.mark.parametrize("how", ["", "face", "pin, signed in"])
def test_nobody_signs_in_in_a_way_that_is_none(page: Any, how: str) -> None:
    with (
        Store(page.config.store.path) as store,
        pytest.raises(ApplianceRefused, match="Say how it was proved"),
    ):
        at_desk(store, "signed_in", {"name": "robin", "how": how})


def test_a_new_password_opens_every_way(page: Any) -> None:
    locked(page.config, Way.PIN)
    locked(page.config, Way.FROM_AFAR)
    with Store(page.config.store.path) as store:
        assert Lockout(store).locked(datetime.now(UTC)) == {"robin"}
        said = {"by": "command line", "name": "robin", "password": kept_password(), "disabled": False}
        at_desk(store, "change_account", said)
        assert Lockout(store).locked(datetime.now(UTC)) == frozenset()


def test_who_waits_too_long_for_others_to_sign_in_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret, "LONGEST_WAIT_S", 0.0)
    monkeypatch.setattr(secret, "_AT_ONCE", BoundedSemaphore(1))
    with secret._AT_ONCE, pytest.raises(ApplianceError, match="Too many people"):
        secret.fits(None, "anything")


def test_one_network_of_version_6_has_one_rate() -> None:
    rate = Rate(at_once=2, per_minute=1, clock=lambda: 0.0)
    asking = ("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1", "192.0.2.7", "::ffff:192.0.2.7")
    assert [rate.allows(address) for address in asking] == [True, True, False, True, True, True]


def test_names_that_are_nobodys_are_remembered_only_so_many() -> None:
    strangers = Strangers()
    for n in range(MOST_STRANGERS + 5):
        strangers.failed(f"name {n}", Way.PIN, NOON + timedelta(seconds=n))
    assert len(strangers._tries) == MOST_STRANGERS
    assert strangers.failures("name 0", Way.PIN).count == 0


def test_of_a_long_name_that_is_nobodys_only_its_beginning_is_kept() -> None:
    strangers = Strangers()
    strangers.failed("m" * 65536, Way.PIN, NOON)
    assert strangers.failures("m" * 65536, Way.PIN).count == 1
    assert {len(name) for name, _ in strangers._tries} == {LONGEST_KEPT}
