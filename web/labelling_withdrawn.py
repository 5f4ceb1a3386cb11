"""Fields and sets that are left out from then on, and put back."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from appliance.accounts.roles import Permission
from web.access import allow, who
from web.rooms import Rooms


def add(pages: Blueprint, rooms: Rooms) -> None:
    """Add what asks for it."""

    @pages.post("/<set_id>/withdraw")
    @allow(Permission.LABEL)
    def withdraw(set_id: str) -> Response:
        """A field of the set where the form names one, and otherwise the set. withdrawn: "no" puts it back."""
        field, withdrawn = request.form.get("field", type=int), request.form.get("withdrawn") != "no"
        of = {"set": set_id} if field is None else {"field": field}
        what = "withdraw_label_set" if field is None else "withdraw_label_field"
        rooms.instrument.ask(what, by=who().name, withdrawn=withdrawn, **of)
        flash(
            gettext("It is withdrawn. Nothing of it is lost: it can be put back.")
            if withdrawn
            else gettext("It is put back.")
        )
        alone = field is None and withdrawn
        return redirect(url_for("labelling.sets") if alone else url_for("labelling.one", set_id=set_id), 303)
