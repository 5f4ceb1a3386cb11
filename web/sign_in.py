"""Signing in and out, the first administrator, and how a person likes the page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

from flask import Blueprint, Flask, abort, flash, g, redirect, render_template, request, session, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from appliance.accounts import secret
from appliance.accounts.accounts import Account, Accounts, refuse_shut_out
from appliance.errors import ApplianceError, ApplianceRefused
from web import guard
from web.access import accounts_exist, begin_session, public
from web.languages import LANGUAGES
from web.rate import Rate
from web.rooms import Rooms

THEMES = ("light", "dim")
YEAR_S = 365 * 24 * 3600


def blueprint(rooms: Rooms) -> Blueprint:
    """Return the pages with which everybody begins."""
    pages = Blueprint("sign_in", __name__)
    rate = Rate(at_once=10, per_minute=20)

    @pages.get("/sign-in")
    @public
    def form() -> Response | str:
        if not accounts_exist():
            return redirect(url_for("sign_in.first"), 303)
        return render_template("sign_in/sign_in.html", here=_here(), names=_names(rooms), after=_after())

    @pages.post("/sign-in")
    @public
    def sign_in() -> Response | tuple[str, int]:
        _refuse_too_often(rate)
        name = request.form.get("name", "").strip().lower()
        try:
            account, how = _proved(rooms, name)
            rooms.instrument.ask("signed_in", name=account.name, how=how)
        except (ApplianceRefused, ApplianceError) as refusal:
            page = render_template(
                "sign_in/sign_in.html",
                here=_here(),
                names=_names(rooms),
                after=_after(),
                wrong=str(refusal),
                name=name,
            )
            return page, 403
        begin_session(account.name, account.epoch, how)
        return redirect(_after(), 303)

    @pages.post("/sign-out")
    @public
    def sign_out() -> Response:
        person = g.person
        if person is not None and person.how in ("pin", "password"):
            rooms.instrument.ask("signed_out", name=person.name)
        session.clear()
        return redirect(url_for("sign_in.form"), 303)

    @pages.get("/first")
    @public
    def first() -> Response | str:
        if accounts_exist():
            return redirect(url_for("sign_in.form"), 303)
        return render_template("sign_in/first.html", here=_here())

    @pages.post("/first")
    @public
    def make_first() -> Response | tuple[str, int]:
        _refuse_too_often(rate)
        name = request.form.get("name", "").strip().lower()
        try:
            if not _here():
                raise ApplianceRefused(gettext("The first account is made at the instrument itself."))
            password, pin = _kept(request.form)
            rooms.instrument.ask("first_administrator", name=name, password=password, pin=pin)
        except (ApplianceRefused, ApplianceError) as refusal:
            return render_template("sign_in/first.html", here=_here(), wrong=str(refusal), name=name), 409
        begin_session(name, 0, "password")
        flash(gettext("You are the administrator. Make accounts for the others under Accounts."))
        return redirect("/", 303)

    @pages.post("/preferences")
    @public
    def prefer() -> Response:
        answer = redirect(_after(), 303)
        for name, known in (("theme", THEMES), ("language", tuple(LANGUAGES))):
            if request.form.get(name) in known:
                answer.set_cookie(
                    name,
                    request.form[name],
                    max_age=YEAR_S,
                    samesite="Strict",
                    httponly=True,
                    secure=request.is_secure,
                )
        return answer

    return pages


def install(app: Flask, rooms: Rooms) -> None:
    """Add the pages, and what every page shows of them."""
    app.register_blueprint(blueprint(rooms))
    app.context_processor(
        lambda: {
            "theme": _theme(),
            "here": _here(),
            "languages": LANGUAGES,
            "this_page": request.full_path.rstrip("?"),
        }
    )


def _theme() -> str:
    chosen = request.cookies.get("theme", "")
    return chosen if chosen in THEMES else "light"


def _here() -> bool:
    return guard.from_this_machine(request)


def _names(rooms: Rooms) -> Sequence[str]:
    """Return whose PIN can be typed here: at the touchscreen nobody types a name."""
    if not _here():
        return ()
    with rooms.store() as store:
        return [each.name for each in Accounts(store).all() if each.pin is not None and not each.disabled]


def _proved(rooms: Rooms, name: str) -> tuple[Account, str]:
    """Return who proved to be who. Raises ApplianceRefused, with one sentence for whatever did not fit."""
    pin, password = request.form.get("pin", ""), request.form.get("password", "")
    how = "pin" if pin else "password"
    if how == "pin" and not _here():
        raise ApplianceRefused(gettext("A PIN is for the instrument's own screen. Use your password."))
    if how == "password" and not (_here() or request.is_secure):
        raise ApplianceRefused(
            gettext(
                "A password would travel readable. Open this page over https (docs/installing.md says how)."
            )
        )
    with rooms.store() as store:
        account = Accounts(store).find(name)
    now = datetime.now(UTC)
    if account is not None and account.locked_until is not None and now < account.locked_until:
        refuse_shut_out(account, now)
    kept = None if account is None else account.pin if how == "pin" else account.password
    if not secret.fits(kept, pin or password) or account is None:
        rooms.instrument.ask("sign_in_refused", name=name, how=how)
        raise ApplianceRefused(gettext("That does not fit. Try again."))
    refuse_shut_out(account, now)
    return account, how


def _kept(form: dict[str, str]) -> tuple[str, str | None]:
    password, again, pin = (form.get(key, "") for key in ("password", "again", "pin"))
    if password != again:
        raise ApplianceRefused(gettext("The two passwords differ. Type them again."))
    return secret.hash_password(password), secret.hash_pin(pin) if pin else None


def _after() -> str:
    """Return where to go then: a page of ours, and no other site."""
    wanted = request.values.get("next", "/")
    parts = urlsplit(wanted)
    inside = (
        wanted.startswith("/")
        and not wanted.startswith(("//", "/\\"))
        and not parts.netloc
        and not parts.scheme
    )
    return wanted if inside and not wanted.startswith(("/sign-", "/first", "/preferences")) else "/"


def _refuse_too_often(rate: Rate) -> None:
    if not rate.allows(request.remote_addr or ""):
        abort(429, gettext("Too many tries from this machine. Wait a minute."))
