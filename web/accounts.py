"""Who has an account here, and which programs have a token."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from appliance.accounts import secret
from appliance.accounts.accounts import Accounts
from appliance.accounts.lockout import Lockout
from appliance.accounts.passes import Passes
from appliance.accounts.roles import Permission, Role
from appliance.errors import ApplianceRefused
from web import audit
from web.access import allow, who
from web.rooms import Rooms

TOKEN_ROLES = tuple(role for role in Role if role is not Role.ADMINISTRATOR)


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
    def shown(wrong: str = "", status: int = 200) -> tuple[str, int]:
        with rooms.store() as store:
            people, tokens = Accounts(store).all(), Passes(store).tokens()
            locked = Lockout(store).locked(now := datetime.now(UTC))
        page = render_template(
            "accounts/people.html", people=people, tokens=tokens, now=now, locked=locked, roles=list(Role),
            token_roles=TOKEN_ROLES, wrong=wrong,
        )  # fmt: skip
        return page, status

    @pages.get("/accounts")
    @allow(Permission.ADMINISTER)
    def people() -> tuple[str, int]:
        return shown()

    @pages.post("/accounts")
    @allow(Permission.ADMINISTER)
    def add() -> Response | tuple[str, int]:
        name = request.form.get("name", "").strip().lower()
        try:
            rooms.instrument.ask(
                "add_account", by=who().name, name=name, role=request.form.get("role", ""), **_kept()
            )
        except ApplianceRefused as refusal:
            return shown(str(refusal), 409)
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
            return shown(str(refusal), 409)
        flash(gettext("The account %(name)s was changed; its sessions are over.", name=name))
        return redirect(url_for("accounts.people"), 303)


def _tokens(pages: Blueprint, rooms: Rooms) -> None:
    @pages.post("/tokens")
    @allow(Permission.ADMINISTER)
    def make_token() -> Response | tuple[str, int]:
        word = secret.new_token()
        try:
            rooms.instrument.ask(
                "add_token", by=who().name, title=request.form.get("title", ""), role=request.form.get("role", ""),
                digest=secret.token_digest(word), days=request.form.get("days", 90, type=int),
            )  # fmt: skip
        except ApplianceRefused as refusal:
            return render_template("error.html", sentence=str(refusal)), 409
        return render_template("accounts/token.html", made=Made(request.form["title"], word)), 200

    @pages.post("/tokens/<token>/revoke")
    @allow(Permission.ADMINISTER)
    def revoke(token: str) -> Response:
        rooms.instrument.ask("revoke_token", by=who().name, token=token)
        return redirect(url_for("accounts.people"), 303)


def _kept() -> dict[str, str | None]:
    """Return what is kept of the password and the PIN in a form; None of what was left empty."""
    password, pin = request.form.get("password", ""), request.form.get("pin", "")
    return {
        "password": secret.hash_password(password) if password else None,
        "pin": secret.hash_pin(pin) if pin else None,
    }
