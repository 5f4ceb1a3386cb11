"""People and passes on record: who signs in, who is locked, and what stays on the trail."""

from datetime import UTC, datetime, timedelta

import pytest
from builders_people import a_person, kept_password, signed_in
from builders_review import RUN, ended
from builders_web import FakeInstrument, a_hub, a_run, a_stored_cell, settings
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from appliance.accounts import secret
from appliance.accounts.accounts import Accounts
from appliance.accounts.roles import Permission, Role, may
from appliance.audit import AuditTrail
from appliance.cli import cli
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.instrument_on_trail import say_ended, say_started
from appliance.record_number import checked_record_number, masked
from appliance.service_desk import DESK, at_desk
from appliance.store import Store
from web.app import create_app
from web.duties import DUTIES
from web.hub import Hub

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "s.sqlite") as store:
        yield store


def ask(store, what, **arguments):
    return at_desk(store, what, arguments)


def administrator(store, name="ada"):
    ask(store, "first_administrator", name=name, password="kept", pin=None)


def test_the_first_account_is_an_administrator_and_there_is_one_first(store):
    administrator(store)
    assert Accounts(store).get("ada").role is Role.ADMINISTRATOR
    with pytest.raises(ApplianceRefused, match="Sign in"):
        administrator(store, "eve")


def test_the_last_administrator_stays(store):
    administrator(store)
    for change in ({"role": "viewer"}, {"disabled": True}):
        with pytest.raises(ApplianceRefused, match="last administrator"):
            ask(store, "change_account", by="ada", name="ada", **change)


@pytest.mark.parametrize("name", ["", "A", "Robin", "a b", "1st", "x" * 40, "a/../b"])
def test_a_name_that_is_none_is_refused(store, name):
    with pytest.raises(ApplianceRefused):
        ask(store, "add_account", by="ada", name=name, role="viewer", password="kept", pin=None)


def test_a_change_ends_the_sessions_that_there_are(store):
    administrator(store)
    ask(store, "add_account", by="ada", name="robin", role="viewer", password="kept", pin=None)
    assert ask(store, "change_account", by="ada", name="robin", role="reviewer")["epoch"] == 1


def test_what_is_typed_as_a_name_and_is_nobodys_stays_off_the_trail(store):
    ask(store, "sign_in_refused", name="my-secret-password", how="password")
    assert "secret" not in str(AuditTrail(store).entries())


@pytest.mark.parametrize("odd", [{"how": "face"}, {"how": "pin", "wanted": "anything"}])
def test_what_was_refused_is_of_a_known_way_and_for_a_known_end(store, odd):
    with pytest.raises(ApplianceRefused, match="Say "):
        ask(store, "sign_in_refused", name="robin", **odd)
    assert AuditTrail(store).entries() == []


def test_nobody_is_called_what_the_trail_calls_the_instrument(store):
    administrator(store)
    with pytest.raises(ApplianceRefused, match="instrument itself"):
        ask(store, "add_account", by="ada", name="instrument", role="viewer", password="kept", pin=None)


def test_nobody_asks_for_the_instruments_own_rows():
    assert not {say_started, say_ended} & set(DESK.values())


@pytest.mark.parametrize("pin", ["12345", "123456", "654321", "111111", "12345a", "1234567890123"])
def test_a_pin_that_is_guessed_first_is_refused(pin):
    with pytest.raises(ApplianceRefused):
        secret.hash_pin(pin)


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaa", "x" * 300])
def test_a_password_that_is_too_easy_is_refused(password):
    with pytest.raises(ApplianceRefused):
        secret.hash_password(password)


def test_a_password_fits_itself_alone():
    assert secret.fits(kept_password(), "smear-under-oil")
    assert not secret.fits(kept_password(), "smear-under-oi")
    assert not secret.fits(None, "")


def test_a_token_opens_what_its_role_may_until_it_is_revoked(tmp_path):
    config = settings(tmp_path)
    fake = FakeInstrument(config.socket_path, a_run(), store=config.store.path)
    a_person(config)
    client = create_app(config, Hub(a_hub(config)._follow)).test_client()
    word = secret.new_token()
    arguments = {"by": "administrator", "title": "LIS", "role": "viewer", "days": 30}
    token = fake._answer("add_token", {**arguments, "digest": secret.token_digest(word)})["token"]
    headers = {"Authorization": f"Bearer {word}"}
    assert client.get("/api/v1/state", headers=headers).status_code == 200
    assert client.post("/api/v1/stop", json={}, headers=headers).status_code == 403
    fake._answer("revoke_token", {"by": "administrator", "token": token})
    assert client.get("/api/v1/state", headers=headers).status_code == 401
    fake.dies()


def test_what_is_a_persons_no_program_does(tmp_path):
    config = settings(tmp_path)
    fake = FakeInstrument(config.socket_path, a_run(), store=config.store.path)
    with Store(config.store.path) as store:
        ended(store)
    word = secret.new_token()
    said = {"by": "ada", "title": "LIS", "role": "reviewer", "days": 30, "digest": secret.token_digest(word)}
    fake._answer("add_token", said)
    client = create_app(config, Hub(a_hub(config)._follow)).test_client()
    signature = {"status": "final", "digest": "0" * 64, "note": ""}
    answer = client.post(
        f"/api/v1/runs/{RUN}/review/signatures", json=signature, headers={"Authorization": f"Bearer {word}"}
    )
    assert answer.status_code == 403
    assert (
        client.get(f"/runs/{RUN}/report.csv", headers={"Authorization": f"Bearer {word}"}).status_code == 200
    )
    fake.dies()


def test_a_phone_is_given_an_address_that_it_can_reach(tmp_path):
    a_stored_cell(settings(tmp_path).store.path)
    for address, told in (("", 409), ("https://smears.example", 200)):
        config = settings(tmp_path, address=address)
        fake = FakeInstrument(config.socket_path, a_run(), store=config.store.path)
        answer = signed_in(create_app(config, a_hub(config)).test_client(), config).post(
            "/runs/c0ffee00/link"
        )
        assert answer.status_code == told
        assert ("https://smears.example/watch/" in answer.text) == bool(address)
        fake.dies()


def test_a_link_opens_one_run_once(tmp_path):
    config = settings(tmp_path, address="https://smears.example")
    a_stored_cell(config.store.path)
    fake = FakeInstrument(config.socket_path, a_run(), store=config.store.path)
    hub = a_hub(config)
    hub._heard({**fake._snapshot(), "seq": 1})
    app = create_app(config, hub)
    page = signed_in(app.test_client(), config).post("/runs/c0ffee00/link").text
    address = page.split("/watch/")[1].split("<")[0]
    phone = app.test_client()
    word = phone.get(f"/watch/{address}").text.split('name="csrf_token" value="')[1].split('"')[0]
    assert phone.post(f"/watch/{address}", data={"csrf_token": word}).status_code == 303
    assert phone.get("/api/v1/state").json["run"]["run"] == "c0ffee00"
    assert phone.get("/audit").status_code == 403
    hub._heard({**fake._snapshot(), "seq": 2, "run": a_run(run="decade00")})
    assert phone.get("/api/v1/state").status_code == 410
    second = app.test_client()
    word = second.get(f"/watch/{address}").text.split('name="csrf_token" value="')[1].split('"')[0]
    assert second.post(f"/watch/{address}", data={"csrf_token": word}).status_code == 409
    fake.dies()


def test_an_administrator_makes_accounts_and_reads_the_trail(tmp_path):
    config = settings(tmp_path)
    fake = FakeInstrument(config.socket_path, a_run(), store=config.store.path)
    client = signed_in(create_app(config, Hub(a_hub(config)._follow)).test_client(), config)
    new = {"name": "Robin", "role": "reviewer", "password": "ten-letters-or-more", "pin": "271828"}
    assert client.post("/accounts", data=new).status_code == 303
    assert "robin" in client.get("/accounts").text
    assert "The audit trail is whole" not in client.get("/audit").text, "it takes longer every year"
    assert "The audit trail is whole: 1 entries" in client.get("/audit?check=yes").text
    assert client.post("/accounts", data=new).status_code == 409
    fake.dies()


@pytest.fixture
def desk(tmp_path):
    """The browser of an administrator named ada."""
    config = settings(tmp_path)
    fake = FakeInstrument(config.socket_path, a_run(), store=config.store.path)
    yield signed_in(create_app(config, Hub(a_hub(config)._follow)).test_client(), config, name="ada")
    fake.dies()


def form(page, action):
    """The part of a page that is the form with this action."""
    return page.split(f'action="{action}"')[1].split("</form>")[0]


def test_a_refused_account_form_keeps_what_was_typed_and_no_secret(desk):
    typed = {"name": "Ada", "role": "reviewer", "password": "ten-letters-or-more"}
    answer = desk.post("/accounts", data=typed)
    again = form(answer.text, "/accounts")
    assert "There is an account" in again, "it is read at the form"
    assert 'name="name" value="ada"' in again
    assert 'value="reviewer" checked' in again
    assert "ten-letters-or-more" not in answer.text


@pytest.mark.parametrize(
    ("field", "mended"),
    [
        ("name", {"name": "Ada"}),
        ("password", {"password": "aaaaaaaaaa"}),
        ("pin", {"pin": "123456"}),
        ("password", {}),
    ],
)
def test_a_refused_account_is_mended_at_the_field_that_was_refused(desk, field, mended):
    secret = {} if mended == {} else {"password": "ten-letters-or-more"}
    again = form(
        desk.post("/accounts", data={"name": "robin", "role": "viewer", **secret, **mended}).text, "/accounts"
    )
    why, rest = again.split('id="why-not">')
    assert "autofocus" not in why
    first = rest.split("<input")[1].split(">")[0]
    assert f'name="{field}"' in first
    assert 'aria-describedby="why-not" autofocus' in first


def test_a_refused_change_opens_there_with_the_role_that_was_chosen(desk):
    desk.post("/accounts", data={"name": "robin", "role": "viewer", "password": "ten-letters-or-more"})
    answer = desk.post("/accounts/robin", data={"role": "engineer", "pin": "123456"})
    again = form(answer.text, "/accounts/robin")
    assert "guessed first" in again
    assert 'value="engineer" checked' in again
    assert "guessed first" not in form(answer.text, "/accounts/ada")


def test_another_theme_after_a_refused_form_leads_to_the_page_that_the_form_was_on(desk):
    came = {"Referer": "http://localhost/accounts?x=1"}
    page = desk.post("/accounts/ada", data={"role": "viewer"}, headers=came).text
    assert 'name="next" value="/accounts?x=1"' in page


def test_a_refused_token_form_keeps_what_was_typed(desk):
    answer = desk.post("/tokens", data={"title": "LIS", "role": "viewer", "days": "400"})
    again = form(answer.text, "/tokens")
    assert answer.status_code == 409
    assert "Say what the token is for" in again
    assert ('value="LIS"' in again, 'value="viewer" checked' in again, 'value="400"' in again) == (True,) * 3


def test_where_a_role_is_given_a_line_says_what_it_may_do_and_how_long_a_first_secret_holds(desk):
    new = form(desk.get("/accounts").text, "/accounts")
    assert "Viewer <small>see counts and results</small>" in new
    assert "Administrator <small>everything</small>" in new
    assert all(str(DUTIES[each]) in new for each in Permission if may(Role.REVIEWER, each))
    assert "to sign in with once: then they choose their own" in new


def test_a_token_is_said_to_do_no_more_than_programs_may(desk):
    assert "sign results" not in form(desk.get("/accounts").text, "/tokens")


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_navigation_marks_one_page_as_the_one_that_is_shown(desk, method):
    for shown in ("/accounts", "/audit") if method == "get" else ("/accounts",):
        page = getattr(desk, method)(shown, data={"name": "ada", "role": "viewer"}).text
        assert page.count('aria-current="page"') == 1
        assert f'href="{shown}" aria-current="page"' in page


def test_the_trail_is_whole_until_a_line_is_changed(store):
    trail = AuditTrail(store)
    for n in range(5):
        trail.add("ada", "start", f"run {n}", {"n": n}, at=NOON + timedelta(seconds=n))
    assert trail.verify().broken is None
    store.db.conn.execute("DROP TRIGGER audit_no_update")
    store.db.conn.execute("UPDATE audit SET who = 'eve' WHERE seq = 3")
    store.db.conn.commit()
    assert trail.verify().broken == 3


def test_a_line_that_was_taken_out_breaks_the_trail(store):
    trail = AuditTrail(store)
    for n in range(4):
        trail.add("ada", "start", f"run {n}", at=NOON)
    store.db.conn.execute("DROP TRIGGER audit_no_delete")
    store.db.conn.execute("DELETE FROM audit WHERE seq = 2")
    store.db.conn.commit()
    assert trail.verify().broken == 3


def test_nobody_rewrites_the_trail(store):
    AuditTrail(store).add("ada", "start", at=NOON)
    replaced = "INSERT OR REPLACE INTO audit SELECT seq, at, 'eve', what, subject, details, before, digest FROM audit"
    for sql in ("UPDATE audit SET who = 'eve'", "DELETE FROM audit", replaced):
        with pytest.raises(Exception, match="only by adding"):
            store.db.conn.execute(sql)


@given(st.text(max_size=80))
def test_a_masked_number_shows_a_third_of_it_at_most(number):
    try:
        kept = checked_record_number(number)
    except (ApplianceRefused, ApplianceError):
        return
    if kept is not None:
        shown = masked(kept).lstrip("•")
        assert len(shown) <= min(3, len(kept) / 3)
        assert kept.endswith(shown)


def test_whoever_has_the_machine_makes_an_account_and_checks_the_trail(tmp_path):
    environment = {"HEMADIFF_STORE__PATH": str(tmp_path / "s.sqlite")}

    def said(*words, typed=""):
        result = CliRunner().invoke(cli, list(words), input=typed, env=environment)
        assert result.exit_code == 0, result.output
        return result.output

    said("accounts", "add", "robin", "--role", "reviewer", typed="ten-letters-or-more\nten-letters-or-more\n")
    assert "robin\treviewer" in said("accounts", "list")
    assert "command line\taccount\trobin" in said("audit", "list")
    assert "whole: 1 entries" in said("audit", "verify")
