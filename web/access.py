"""Who may open what. A view says what it takes with `allow` or `public`; one that says nothing is denied."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Flask, Response, abort, current_app, g, redirect, request, session, url_for
from flask_babel import gettext
from markupsafe import Markup

from appliance.accounts.accounts import Accounts
from appliance.accounts.roles import Permission, may
from appliance.accounts.secret import new_token
from appliance.accounts.signing_in import LONGEST_SESSION_S
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.store import Store
from web import guard
from web.after import here
from web.known import RUN_OUT, Known, Person

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as AnyResponse

    from appliance.config import Config
    from web.rooms import Rooms

View = TypeVar("View", bound=Callable[..., Any])
NEEDS = "_needs"
PUBLIC = "public"
PERSONAL = "personal"
OF_A_LINK = frozenset(
    {
        "api.brief",
        "api.state",
        "api.stream",
        "live.field",
        "live.finds",
        "live.page",
        "live.patch",
        "live.regions",
        "live.slide",
    }
    | {"sign_in.prefer"}
)
READS = ("GET", "HEAD", "OPTIONS")
TOKEN_HEADER = "X-CSRF-Token"
TOKEN_FIELD = "csrf_token"
ONLY_AT_THE_INSTRUMENT = frozenset({Permission.COUNT, Permission.SERVICE, Permission.QC, Permission.BACK_UP})


def allow(permission: Permission) -> Callable[[View], View]:
    """Let those open a view whose role may do this."""

    def marked(view: View) -> View:
        setattr(view, NEEDS, permission)
        return view

    return marked


def public(view: View) -> View:
    """Let everybody open a view."""
    setattr(view, NEEDS, PUBLIC)
    return view


def personal(view: View) -> View:
    """Let everybody who signed in open a view: it is about themself."""
    setattr(view, NEEDS, PERSONAL)
    return view


def who() -> Person:
    """Return who asks. Only in a view that is not public."""
    person: Person | None = g.get("person")
    if person is None:
        abort(401, gettext("Sign in first."))
    return person


def may_here(permission: Permission) -> bool:
    """Whether who asks may do it, from where they are; False where nobody is signed in."""
    person: Person | None = g.get("person")
    return person is not None and person.may(permission) and _near(permission)


def install(app: Flask, rooms: Rooms) -> None:
    """Have every request looked at before its view is."""
    known = Known(rooms)
    app.config.update(ROOMS=rooms, KNOWN=known)

    @app.before_request
    def decide() -> AnyResponse | None:
        needed = getattr(app.view_functions.get(request.endpoint or ""), NEEDS, None)
        if request.routing_exception is not None:
            g.person = _who_strayed(known)
            return None
        if request.endpoint == "static":
            return None
        g.person = known.who_asks(_bearer(), _by_hand())
        if needed is None:
            abort(403, gettext("Nobody may open this."))
        _refuse_forged()
        if needed == PUBLIC:
            return None
        return _decide_personal() if needed == PERSONAL else _decide(Permission(needed))

    app.jinja_env.globals.update(
        csrf_field=csrf_field, csrf_token=csrf_token, may_here=may_here, Permission=Permission
    )
    app.context_processor(lambda: {"person": g.get("person")})


def goes_on() -> Callable[[], bool]:
    """Return whether who asks now may still watch, to be asked again while a stream lasts."""
    known: Known = current_app.config["KNOWN"]
    rooms: Rooms = current_app.config["ROOMS"]
    person, began, epoch = who(), session.get("began", 0.0), session.get("epoch")
    until, this = session.get("until", began + LONGEST_SESSION_S), session.get("id", session.get("link", ""))

    def still() -> bool:
        if person.how == "token":
            return known.opens(person.name)
        if person.how == "link":
            return time.time() < until and known.watches(this) and _shows(rooms, person)
        account = known.account(person.name)
        if account is None or account.disabled or account.epoch != epoch or this in known.ended():
            return False
        return bool(time.time() < until)

    return still


def begin_session(name: str, epoch: int, how: str) -> None:
    """Let this browser be somebody from now on. Who says again who they are goes on with the same session."""
    this = session.get("id") if session.get("name") == name else None
    session.clear()
    now = time.time()
    session.update(
        name=name, epoch=epoch, how=how, began=now, seen=now, csrf=new_token(), id=this or new_token()
    )


def go_on_as(name: str, epoch: int) -> None:
    """Let this browser's session outlive a change that ends the person's others."""
    known: Known = current_app.config["KNOWN"]
    known.forget(name)
    session["epoch"] = epoch


def session_id() -> str:
    """Return by which name this browser's session is ended, with every copy of its cookie."""
    return str(session.get("id", ""))


def end_session() -> None:
    """Let this browser be nobody from now on."""
    session.clear()


def look_again() -> None:
    """Look up anew which sessions and links are over: that just changed."""
    known: Known = current_app.config["KNOWN"]
    known.look_again()


def begin_watching(link: str, run: str, until: datetime) -> None:
    """Let this browser watch one run."""
    session.clear()
    session.update(link=link, run=run, until=until.timestamp(), csrf=new_token())


def csrf_token() -> str:
    """Return the word that only this browser's own pages know."""
    if "csrf" not in session:
        session["csrf"] = new_token()
    return str(session["csrf"])


def csrf_field() -> Markup:
    """Return it as a hidden field of a form."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(TOKEN_FIELD, csrf_token())


def accounts_exist() -> bool:
    """Whether anybody can sign in yet. False also while there is no store: the instrument has the last word."""
    rooms: Rooms = current_app.config["ROOMS"]
    try:
        with Store.read_only(rooms.config.store.path) as store:
            return bool(Accounts(store).all())
    except (ApplianceRefused, ApplianceError):
        return False


def _decide(needed: Permission) -> AnyResponse | None:
    person: Person | None = g.person
    if person is None:
        return _to_sign_in(gettext("Sign in first."))
    if person.how == "link":
        _refuse_beyond_link(person)
    if person.newcomer:
        return _to_choose()
    if not person.may(needed):
        if person.locked and may(person.role, needed):
            return _to_sign_in(gettext("This screen was left alone for a while. Say again who you are."))
        abort(403, gettext("Your role may not do this."))
    if request.method not in READS and not _near(needed):
        abort(
            403,
            gettext(
                "Counts are started, and the instrument is served, at the instrument itself. To allow it from other "
                'machines, set "remote_control" under [web].'
            ),
        )
    return None


def _decide_personal() -> AnyResponse | None:
    """Decide about a page of whoever signed in. A newcomer opens only the one where they choose."""
    person: Person | None = g.person
    if person is None:
        return _to_sign_in(gettext("Sign in first."))
    if not person.human:
        abort(403, gettext("This is for people who signed in."))
    if person.locked:
        return _to_sign_in(gettext("This screen was left alone for a while. Say again who you are."))
    return _to_choose() if person.newcomer and request.blueprint != "me" else None


def _to_choose() -> AnyResponse:
    sentence = gettext("Somebody else chose what you signed in with. Choose your own first.")
    if request.method not in READS or request.path.startswith("/api/") or not _is_page():
        abort(403, sentence)
    return redirect(url_for("me.form", next=here()), 303)


def _who_strayed(known: Known) -> Person | None:
    """Return who came to a page that there is not, which has their menu as others do; it opens nothing."""
    if request.path.startswith("/api/"):
        return None
    with suppress(
        ApplianceError, ApplianceRefused
    ):  # no store: that there is no such page can be said all the same
        return known.who_asks(None, by_hand=False)
    return None


def _refuse_beyond_link(person: Person) -> None:
    """Refuse what a link does not show: all but the live page of its run, while that is the instrument's."""
    rooms: Rooms = current_app.config["ROOMS"]
    wanted = (request.view_args or {}).get("run", person.run)
    run = rooms.hub.snapshot()["run"]  # none: this server has not heard of it yet, and the phone asks again
    if request.endpoint not in OF_A_LINK or wanted != person.run or run is None:
        abort(403, gettext("This link shows one run, and nothing else."))
    if run["run"] != person.run:
        abort(410, gettext("The count that this link showed is over, and another one has begun."))


def _shows(rooms: Rooms, person: Person) -> bool:
    run = rooms.hub.snapshot()["run"]
    return run is not None and run["run"] == person.run


def _to_sign_in(sentence: str) -> AnyResponse:
    """Send a person to where they sign in, and refuse a script. Whoever came by a link has nothing to sign in with."""
    if over := session.get("over"):
        abort(410, _why_over(over))
    if request.method not in READS or request.path.startswith("/api/") or not _is_page():
        abort(401, sentence)
    if not accounts_exist():
        return redirect(url_for("sign_in.first"), 303)
    return redirect(url_for("sign_in.form", next=here()), 303)


def _why_over(over: str) -> str:
    if over == RUN_OUT:
        return str(gettext("The time of this link is over."))
    return str(gettext("This link was ended."))


def _is_page() -> bool:
    return request.accept_mimetypes.accept_html and request.headers.get("Sec-Fetch-Dest", "document") in (
        "document",
        "iframe",
    )


def _near(permission: Permission) -> bool:
    """Whether who asks is where this may be changed from. Looking is allowed from everywhere."""
    config: Config = current_app.config["ROOMS"].config
    anywhere = permission not in ONLY_AT_THE_INSTRUMENT or config.web.remote_control
    return anywhere or guard.from_this_machine(request)


def _refuse_forged() -> None:
    """Refuse a change that another site had this browser send."""
    if request.method in READS or _bearer() is not None:
        return
    if not guard.from_this_site(request):
        abort(403, gettext("Only this page itself may ask for a change."))
    given = request.headers.get(TOKEN_HEADER) or request.form.get(TOKEN_FIELD, "")
    if not hmac.compare_digest(given.encode(), str(session.get("csrf", "")).encode()) or not given:
        abort(403, gettext("This page is too old to ask for a change. Load it again."))


def _bearer() -> str | None:
    kind, _, word = request.headers.get("Authorization", "").partition(" ")
    return word.strip() if kind.lower() == "bearer" and word else None


def _by_hand() -> bool:
    """Whether a person did something: a page that only listens keeps nobody signed in."""
    return _is_page() or request.method not in READS


def no_store(response: Response) -> Response:
    """Return an answer that no cache keeps."""
    response.headers["Cache-Control"] = "no-store"
    return response
