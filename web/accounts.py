"""Who has an account here, and which programs have a token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from appliance.accounts import secret
from appliance.accounts.accounts import NEEDS_A_SECRET, Accounts
from appliance.accounts.lockout import Lockout
from appliance.accounts.passes import Passes
from appliance.accounts.roles import Permission, Role
from appliance.errors import ApplianceRefused
from web import audit
from web.access import allow, look_again, who
from web.rooms import Rooms

TOKEN_ROLES = tuple(role for role in Role if role is not Role.ADMINISTRATOR)


@dataclass(frozen=True, slots=True)
class Refused:
    """A form of the page that was refused. form: "account", "change" or "token".

    typed: what stood in it, to be mended there; secrets are typed again.  field: the one that is to be mended.
    """

    form: str
    sentence: str
    typed: Mapping[str, str]
    field: str = ""


class FieldRefused(ApplianceRefused):
    """A field of a form that cannot be taken as it is."""

    def __init__(self, field: str, why: ApplianceRefused) -> None:
        super().__init__(str(why))
        self.field = field


@dataclass(frozen=True, slots=True)
class Made:
    """A token that was just made: its word is shown once."""

    title: str
    word: str


def blueprint(rooms: Rooms) -> Blueprint:
    """Return the pages."""
    pages = Blueprint("accounts", __name__)
    _people(pages, rooms)
    _tokens(pages, rooms)
    audit.add(pages, rooms)
    return pages


def _people(pages: Blueprint, rooms: Rooms) -> None:
    @pages.get("/accounts")
    @allow(Permission.ADMINISTER)
    def people() -> str:
        return _shown(rooms)

    @pages.post("/accounts")
    @allow(Permission.ADMINISTER)
    def add() -> Response | tuple[str, int]:
        name, role = request.form.get("name", "").strip().lower(), request.form.get("role", "")
        try:
            rooms.instrument.ask("add_account", by=who().name, name=name, role=role, **_kept())
        except ApplianceRefused as refusal:
            field = _field(refusal, "password" if str(refusal) == NEEDS_A_SECRET else "name")
            return _shown(rooms, Refused("account", str(refusal), {"name": name, "role": role}, field)), 409
        flash(gettext("%(name)s can sign in now.", name=name))
        return redirect(url_for("accounts.people"), 303)

    @pages.post("/accounts/<name>")
    @allow(Permission.ADMINISTER)
    def change(name: str) -> Response | tuple[str, int]:
        role, shut = request.form.get("role"), request.form.get("disabled")
        try:
            if name == who().name and (request.form.get("password") or request.form.get("pin")):
                raise ApplianceRefused(gettext("Change your own under your name, with the old one."))
            rooms.instrument.ask(
                "change_account", by=who().name, name=name, role=role or None,
                disabled=None if shut is None else shut == "yes", **_kept(),
            )  # fmt: skip
        except ApplianceRefused as refusal:
            typed = {"name": name, "role": role or ""}
            return _shown(rooms, Refused("change", str(refusal), typed, _field(refusal))), 409
        flash(gettext("The account %(name)s was changed; its sessions are over.", name=name))
        return redirect(url_for("accounts.people"), 303)


def _shown(rooms: Rooms, refused: Refused | None = None) -> str:
    with rooms.store() as store:
        people, tokens = Accounts(store).all(), Passes(store).tokens()
        locked = Lockout(store).locked(now := datetime.now(UTC))
    return render_template(
        "accounts/people.html", people=people, tokens=tokens, now=now, locked=locked, roles=list(Role),
        token_roles=TOKEN_ROLES, refused=refused,
    )  # fmt: skip


def _tokens(pages: Blueprint, rooms: Rooms) -> None:
    @pages.post("/tokens")
    @allow(Permission.ADMINISTER)
    def make_token() -> Response | tuple[str, int]:
        word = secret.new_token()
        typed = {name: request.form.get(name, "") for name in ("title", "role", "days")}
        try:
            rooms.instrument.ask(
                "add_token", by=who().name, title=typed["title"], role=typed["role"],
                digest=secret.token_digest(word), days=request.form.get("days", 90, type=int),
            )  # fmt: skip
        except ApplianceRefused as refusal:
            return _shown(rooms, Refused("token", str(refusal), typed)), 409
        return render_template("accounts/token.html", made=Made(typed["title"], word)), 200

    @pages.post("/tokens/<token>/revoke")
    @allow(Permission.ADMINISTER)
    def revoke(token: str) -> Response:
        rooms.instrument.ask("revoke_token", by=who().name, token=token)
        look_again()
        return redirect(url_for("accounts.people"), 303)


def _kept() -> dict[str, str | None]:
    """Return what is kept of the password and the PIN in a form; None of what was left empty."""
    return {"password": _hashed("password", secret.hash_password), "pin": _hashed("pin", secret.hash_pin)}


def _hashed(field: str, kept: Callable[[str], str]) -> str | None:
    given = request.form.get(field, "")
    try:
        return kept(given) if given else None
    except ApplianceRefused as why:
        raise FieldRefused(field, why) from why


def _field(refusal: ApplianceRefused, otherwise: str = "") -> str:
    return refusal.field if isinstance(refusal, FieldRefused) else otherwise
