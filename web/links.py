"""One-time links: a phone scans a code at the touchscreen and watches this run only."""

from __future__ import annotations

from datetime import UTC, datetime

import segno
from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from appliance.accounts.passes import Passes
from appliance.accounts.roles import Permission
from appliance.accounts.secret import new_token, token_digest
from appliance.errors import ApplianceRefused
from web import guard
from web.access import allow, begin_watching, look_again, may_here, personal, public, who
from web.rate import Rate
from web.rooms import Rooms

HOURS = 4


def blueprint(rooms: Rooms) -> Blueprint:
    """Return the pages."""
    pages = Blueprint("links", __name__)
    rate = Rate(at_once=10, per_minute=20)

    @pages.post("/runs/<run>/link")
    @allow(Permission.COUNT)
    def make(run: str) -> str:
        own = rooms.config.web.address.rstrip("/")
        if not own and guard.from_this_machine(request):
            raise ApplianceRefused(
                gettext(
                    "A phone needs the page's address: set [web] address (docs/installing.md) and start anew."
                )
            )
        word = new_token()
        rooms.instrument.ask("add_link", by=who().name, run=run, digest=token_digest(word), hours=HOURS)
        way = url_for("links.opened", word=word)
        address = f"{own}{way}" if own else url_for("links.opened", word=word, _external=True)
        code = segno.make(address, micro=False, error="m").svg_data_uri(
            scale=6, border=4, dark="#000", light="#fff"
        )
        return render_template("accounts/link.html", code=code, address=address, hours=HOURS, run=run)

    @pages.get("/links")
    @personal
    def open_links() -> str:
        """Those of whoever asks; an administrator sees everybody's."""
        by = None if may_here(Permission.ADMINISTER) else who().name
        with rooms.store() as store:
            links = Passes(store).links(datetime.now(UTC), by)
        return render_template("accounts/links.html", links=links)

    @pages.post("/links/<link>/end")
    @personal
    def end(link: str) -> Response:
        anybodys = may_here(Permission.ADMINISTER)
        rooms.instrument.ask("end_link", by=who().name, link=link, anybodys=anybodys)
        look_again()
        flash(gettext("The link was ended: it shows nothing any more."))
        return redirect(url_for("links.open_links"), 303)

    @pages.get("/watch/<word>")
    @public
    def opened(word: str) -> str:
        """Ask first: a preview that fetches the address must not use it up."""
        return render_template("accounts/watch.html", word=word)

    @pages.post("/watch/<word>")
    @public
    def watch(word: str) -> Response | tuple[str, int]:
        if not rate.allows(request.remote_addr or ""):
            return render_template("error.html", sentence=gettext("Too many tries. Wait a minute.")), 429
        try:
            found = rooms.instrument.ask("open_link", digest=token_digest(word))
        except ApplianceRefused as refusal:
            return render_template("error.html", sentence=str(refusal)), 409
        look_again()
        begin_watching(found["link"], found["run"], datetime.fromisoformat(found["expires"]))
        return redirect(url_for("live.page"), 303)

    return pages
