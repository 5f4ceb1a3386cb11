"""Signing in and out, the first administrator, and how a person likes the page."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

from flask import Blueprint, Flask, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from appliance.accounts import secret
from appliance.accounts.accounts import Accounts
from appliance.errors import ApplianceError, ApplianceRefused
from web import guard
from web.access import accounts_exist, begin_session, end_session, look_again, public, session_id
from web.after import after
from web.languages import LANGUAGES
from web.proving import Proving, refuse_too_often, way_of
from web.rate import Rate
from web.rooms import Rooms

THEMES = ("light", "dim")
YEAR_S = 365 * 24 * 3600


def blueprint(rooms: Rooms) -> Blueprint:
    """Return the pages with which everybody begins."""
    pages = Blueprint("sign_in", __name__)
    rate, proving = Rate(at_once=10, per_minute=20), Proving(rooms)

    @pages.get("/sign-in")
    @public
    def form() -> Response | str:
        if not accounts_exist():
            return redirect(url_for("sign_in.first"), 303)
        return render_template(
            "sign_in/sign_in.html",
            here=_here(),
            names=_names(rooms),
            after=after(),
            nobody=_nobody_can(rooms),
        )

    @pages.post("/sign-in")
    @public
    def sign_in() -> Response | tuple[str, int]:
        refuse_too_often(rate)
        name = request.form.get("name", "").strip().lower()
        how = "pin" if request.form.get("pin") else "password"
        try:
            account = proving.proved(name, how, request.form.get(how, ""))
            rooms.instrument.ask("signed_in", name=account.name, how=way_of(how))
        except (ApplianceRefused, ApplianceError) as refusal:
            page = render_template(
                "sign_in/sign_in.html",
                here=_here(),
                names=_names(rooms),
                after=after(),
                wrong=str(refusal),
                name=name,
            )
            return page, 403
        if g.person is not None and g.person.name != account.name:
            _on_record_as_gone(rooms)
        begin_session(account.name, account.epoch, how)
        return redirect(after(), 303)

    @pages.post("/sign-out")
    @public
    def sign_out() -> Response:
        try:
            _on_record_as_gone(rooms)
        finally:
            end_session()
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
        refuse_too_often(rate)
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
        answer = redirect(after(), 303)
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
            "this_page": _this_page(),
        }
    )


def _theme() -> str:
    chosen = request.cookies.get("theme", "")
    return chosen if chosen in THEMES else "light"


def _this_page() -> str:
    """Return the address of the page that is shown; for the answer to a form, of that which the form was on."""
    if request.method != "POST":
        return request.full_path.rstrip("?")
    try:
        came = urlsplit(request.referrer or "/")
    except ValueError:  # no browser says such a thing
        return "/"
    return urlunsplit(("", "", came.path, came.query, "")) if came.netloc in ("", request.host) else "/"


def _here() -> bool:
    return guard.from_this_machine(request)


def _names(rooms: Rooms) -> Sequence[str]:
    """Return whose PIN can be typed here: at the touchscreen nobody types a name."""
    if not _here():
        return ()
    with rooms.store() as store:
        return [each.name for each in Accounts(store).all() if each.pin is not None and not each.disabled]


def _nobody_can(rooms: Rooms) -> bool:
    """Whether the database was put back from a copy without secrets; said at the instrument, where it is mended."""
    with rooms.store() as store:
        return _here() and Accounts(store).without_secrets()


def _on_record_as_gone(rooms: Rooms) -> None:
    """Have the instrument remember that this browser's session is over, whoever has a copy of its cookie."""
    if g.person is not None and g.person.human:
        rooms.instrument.ask("signed_out", name=g.person.name, session=session_id())
        look_again()


def _kept(form: dict[str, str]) -> tuple[str, str | None]:
    password, again, pin, pin_again = (form.get(key, "") for key in ("password", "again", "pin", "pin_again"))
    if password != again:
        raise ApplianceRefused(gettext("The two passwords differ. Type them again."))
    if pin != pin_again:
        raise ApplianceRefused(gettext("The two PINs differ. Type them again."))
    return secret.hash_password(password), secret.hash_pin(pin) if pin else None
