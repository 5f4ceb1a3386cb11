"""One's own password and PIN: changed by whoever knows the old one, and chosen at the first sign-in."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from appliance.accounts import secret
from appliance.accounts.accounts import Accounts
from appliance.accounts.lockout import Wanted
from appliance.errors import ApplianceError, ApplianceRefused
from web.access import go_on_as, personal, who
from web.after import after
from web.proving import Proving, refuse_too_often, way_of
from web.rate import Rate
from web.rooms import Rooms


def blueprint(rooms: Rooms) -> Blueprint:
    """Return the page."""
    pages = Blueprint("me", __name__)
    rate, proving = Rate(at_once=10, per_minute=20), Proving(rooms)

    def shown(wrong: str = "") -> str:
        with rooms.store() as store:
            account = Accounts(store).find(who().name)
        return render_template(
            "me.html",
            wrong=wrong,
            after=after(),
            has_password=account is not None and account.password is not None,
        )

    @pages.get("/me")
    @personal
    def form() -> str:
        return shown()

    @pages.post("/me")
    @personal
    def change() -> Response | tuple[str, int]:
        refuse_too_often(rate)
        me = who()
        try:
            password, pin = _chosen(me.how)
            proving.proved(me.name, me.how, request.form.get("old", ""), Wanted.CHANGE)
            said = rooms.instrument.ask(
                "change_own", by=me.name, how=way_of(me.how),
                password=secret.hash_password(password) if password else None,
                pin=secret.hash_pin(pin) if pin else None,
            )  # fmt: skip
        except (ApplianceRefused, ApplianceError) as refusal:
            return shown(str(refusal)), 409
        go_on_as(me.name, int(said["epoch"]))
        flash(gettext("It is changed. Wherever else you were signed in, you are not any more."))
        return redirect(after() if me.newcomer else url_for("me.form"), 303)

    return pages


def _chosen(how: str) -> tuple[str, str]:
    """Return the new password and PIN of the form; empty what was left empty. Raises ApplianceRefused.

    A PIN is short, and typed where others stand: it changes no password, which opens the page from afar.
    """
    password, again = request.form.get("password", ""), request.form.get("again", "")
    pin, pin_again = request.form.get("pin", ""), request.form.get("pin_again", "")
    old = request.form.get("old", "")
    if password and how == "pin":
        raise ApplianceRefused(gettext("Sign in with your password to change it."))
    if password != again:
        raise ApplianceRefused(gettext("The two passwords differ. Type them again."))
    if pin != pin_again:
        raise ApplianceRefused(gettext("The two PINs differ. Type them again."))
    if who().newcomer and not (pin if how == "pin" else password):
        raise ApplianceRefused(gettext("Somebody else chose what you signed in with. Choose your own first."))
    if old and old in (password, pin):
        raise ApplianceRefused(gettext("That is the old one. Choose another."))
    return password, pin
