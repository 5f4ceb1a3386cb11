"""Who may open what. A view says what it takes with `allow` or `public`; one that says nothing is denied."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Flask, Response, abort, current_app, g, redirect, request, session, url_for
from flask_babel import gettext
from markupsafe import Markup

from appliance.accounts.accounts import Account, Accounts
from appliance.accounts.passes import Passes
from appliance.accounts.roles import FOR_PROGRAMS, Permission, Role, may
from appliance.accounts.secret import new_token, token_digest
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.store import Store
from web import guard

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as AnyResponse

    from appliance.config import Config
    from web.rooms import Rooms

View = TypeVar("View", bound=Callable[..., Any])
NEEDS = "_needs"
PUBLIC = "public"
OF_A_LINK = frozenset(
    {
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
LONGEST_SESSION_S = 12 * 3600
KNOWN_FOR_S = 2.0  # a person is looked up anew after this; a page of thumbnails asks once
ONLY_AT_THE_INSTRUMENT = frozenset({Permission.COUNT, Permission.SERVICE, Permission.QC})


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks. name: the login name, or what a program or a link is called.

    how: "pin", "password", "token" or "link".  run: the one that a link shows.  locked: idle for long; until they say
    who they are again they only watch.
    """

    name: str
    role: Role
    how: str
    run: str | None = None
    locked: bool = False

    def may(self, permission: Permission) -> bool:
        """Whether they may do it now."""
        if self.how == "token" and permission not in FOR_PROGRAMS:
            return False
        return may(Role.VIEWER if self.locked else self.role, permission)


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
    known = _Known(rooms)
    app.config.update(ROOMS=rooms, KNOWN=known)

    @app.before_request
    def decide() -> AnyResponse | None:
        needed = getattr(app.view_functions.get(request.endpoint or ""), NEEDS, None)
        if request.endpoint == "static" or request.routing_exception is not None:
            return None
        g.person = known.who_asks()
        if needed is None:
            abort(403, gettext("Nobody may open this."))
        _refuse_forged()
        if needed == PUBLIC:
            return None
        return _decide(Permission(needed))

    app.jinja_env.globals.update(
        csrf_field=csrf_field, csrf_token=csrf_token, may_here=may_here, Permission=Permission
    )
    app.context_processor(lambda: {"person": g.get("person")})


def goes_on() -> Callable[[], bool]:
    """Return whether who asks now may still watch, to be asked again while a stream lasts."""
    known: _Known = current_app.config["KNOWN"]
    rooms: Rooms = current_app.config["ROOMS"]
    word = _bearer()
    person, began, epoch = who(), session.get("began", 0.0), session.get("epoch")
    until = session.get("until", began + LONGEST_SESSION_S)

    def still() -> bool:
        if word is not None:
            return known.program(word) is not None
        if person.how == "link":
            return time.time() < until and _shows(rooms, person)
        account = known.account(person.name)
        return account is not None and not account.disabled and account.epoch == epoch and time.time() < until

    return still


def begin_session(name: str, epoch: int, how: str) -> None:
    """Let this browser be somebody from now on."""
    session.clear()
    now = time.time()
    session.update(name=name, epoch=epoch, how=how, began=now, seen=now, csrf=new_token())


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
    if person.how == "link" and not _in_link(person):
        abort(403, gettext("This link shows one run, and nothing else."))
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


def _in_link(person: Person) -> bool:
    """Whether a link shows what is asked for: the live page of its run."""
    rooms: Rooms = current_app.config["ROOMS"]
    wanted = (request.view_args or {}).get("run", person.run)
    return request.endpoint in OF_A_LINK and wanted == person.run and _shows(rooms, person)


def _shows(rooms: Rooms, person: Person) -> bool:
    run = rooms.hub.snapshot()["run"]
    return run is not None and run["run"] == person.run


def _to_sign_in(sentence: str) -> AnyResponse:
    if request.method not in READS or request.path.startswith("/api/") or not _is_page():
        abort(401, sentence)
    if not accounts_exist():
        return redirect(url_for("sign_in.first"), 303)
    return redirect(url_for("sign_in.form", next=request.full_path.rstrip("?")), 303)


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


class _Known:
    """Looks up who a session or a token belongs to."""

    def __init__(self, rooms: Rooms) -> None:
        self._path = rooms.config.store.path
        self._idle_s = rooms.config.web.idle_minutes * 60.0
        self._accounts: dict[str, tuple[float, Account | None]] = {}

    def who_asks(self) -> Person | None:
        word = _bearer()
        if word is not None:
            return self.program(word)
        if "link" in session:
            if time.time() >= session["until"]:
                session.clear()
                return None
            return Person(f"link {session['link']}", Role.VIEWER, "link", session["run"])
        return self._signed_in() if "name" in session else None

    def _signed_in(self) -> Person | None:
        account = self.account(session["name"])
        now = time.time()
        if (
            account is None
            or account.disabled
            or account.epoch != session["epoch"]
            or now - session["began"] > LONGEST_SESSION_S
        ):
            session.clear()
            return None
        person = Person(account.name, account.role, session["how"])
        if now - session["seen"] > self._idle_s:
            return replace(person, locked=True)
        if _by_hand() and now - session["seen"] > min(30.0, self._idle_s / 4):
            session["seen"] = now
        return person

    def account(self, name: str) -> Account | None:
        now = time.monotonic()
        looked, account = self._accounts.get(name, (-KNOWN_FOR_S, None))
        if now - looked >= KNOWN_FOR_S or account is None:
            account = self._read(name)
            self._accounts[name] = now, account
        return account

    def _read(self, name: str) -> Account | None:
        try:
            with Store.read_only(self._path) as store:
                return Accounts(store).find(name)
        except ApplianceRefused:
            return None

    def program(self, word: str) -> Person | None:
        try:
            with Store.read_only(self._path) as store:
                token = Passes(store).token(token_digest(word))
        except ApplianceRefused:
            return None
        if token is None or not token.valid(datetime.now(UTC)):
            return None
        return Person(f"token {token.id}", token.role, "token")


def _by_hand() -> bool:
    """Whether a person did something: a page that only listens keeps nobody signed in."""
    return _is_page() or request.method not in READS


def no_store(response: Response) -> Response:
    """Return an answer that no cache keeps."""
    response.headers["Cache-Control"] = "no-store"
    return response
