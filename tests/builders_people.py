"""People with accounts, and browsers that are signed in."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from flask.testing import FlaskClient

from appliance.accounts.accounts import Account, Accounts
from appliance.accounts.roles import Role
from appliance.accounts.secret import hash_password, hash_pin
from appliance.store import Store
from web.sessions import key_in

CSRF = "a word of this browser"
PASSWORD, PIN = "smear-under-oil", "271828"
_kept: dict[str, str] = {}  # argon2 takes its time: once is enough for a test run


_stores: dict[str, Path] = {}  # of every page that is served, by its address


def belongs_to(address: str, store: Path) -> None:
    """Remember whose people may open a page."""
    _stores[address] = store


def cookie_at(address: str, role: str = "administrator") -> str:
    """The cookie of somebody who has signed in at a page that is served; none where nobody can yet."""
    for home, store in _stores.items():
        if address.startswith(home):
            return a_cookie(SimpleNamespace(store=SimpleNamespace(path=store)), role)
    return ""


def kept_password() -> str:
    return _kept.setdefault("password", hash_password(PASSWORD))


def kept_pin() -> str:
    return _kept.setdefault("pin", hash_pin(PIN))


def a_person(config: Any, role: str = "administrator", name: str = "", **values: Any) -> str:
    """Somebody with an account in the configured store; returns the name."""
    name = name or role
    with Store(config.store.path) as store:
        if Accounts(store).find(name) is None:
            account = Account(name, Role(role), "not used", None, False, 0, datetime.now(UTC))
            Accounts(store).add(account)
        if values:
            Accounts(store).change(name, **values)
    return name


def a_cookie(config: Any, role: str = "administrator", name: str = "", seen_s_ago: float = 0.0) -> str:
    """The cookie of a browser in which somebody has signed in."""
    name = a_person(config, role, name)
    now = time.time()
    session = {
        "name": name, "epoch": 0, "how": "password", "began": now, "seen": now - seen_s_ago, "csrf": CSRF,
        "id": f"the session of {name}",
    }  # fmt: skip
    signer = Flask("web")
    signer.secret_key = key_in(config.store.path.parent)
    serializer = SecureCookieSessionInterface().get_signing_serializer(signer)
    assert serializer is not None
    return str(serializer.dumps(session))


def signed_in(client: FlaskClient, config: Any, role: str = "administrator", name: str = "") -> FlaskClient:
    """The client as the browser of somebody with this role."""
    client.set_cookie("hemadiff", a_cookie(config, role, name))
    client.environ_base["HTTP_X_CSRF_TOKEN"] = CSRF
    return client
