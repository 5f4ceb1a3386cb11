"""Fields and sets that are left out from then on, and put back."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, request, url_for
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
        """What the form says: the set, or one field of it. withdrawn: "no" puts it back."""
        what, withdrawn = request.form.get("what"), request.form.get("withdrawn") != "no"
        said: dict[str, Any] = {"by": who().name, "set": set_id, "withdrawn": withdrawn}
        if what == "field" and (field := request.form.get("field", type=int)) is not None:
            rooms.instrument.ask("withdraw_label_field", **said, field=field)
        elif what == "set" and "field" not in request.form:
            rooms.instrument.ask("withdraw_label_set", **said)
        else:
            abort(400, gettext("This form does not say what is to be withdrawn. Load the page again."))
        flash(
            gettext("It is withdrawn. Nothing of it is lost: it can be put back.")
            if withdrawn
            else gettext("It is put back.")
        )
        alone = what == "set" and withdrawn
        return redirect(url_for("labelling.sets") if alone else url_for("labelling.one", set_id=set_id), 303)
