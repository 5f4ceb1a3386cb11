"""Who may open what: everything is denied that is not allowed."""

import pytest
from builders_people import PASSWORD, PIN, a_cookie, a_person, kept_password, kept_pin, signed_in
from builders_web import FakeInstrument, a_hub, settings

from appliance.accounts.roles import Permission, Role, may
from web.access import NEEDS, PERSONAL, PUBLIC
from web.app import create_app
from web.hub import Hub


@pytest.fixture
def config(tmp_path):
    return settings(tmp_path)


@pytest.fixture
def fake(config):
    instrument = FakeInstrument(config.socket_path, None)
    yield instrument
    instrument.dies()


def an_app(config):
    return create_app(config, Hub(a_hub(config)._follow))


def needs(app, rule):
    return getattr(app.view_functions[rule.endpoint], NEEDS, None)


def routes(app):
    return [rule for rule in app.url_map.iter_rules() if rule.endpoint != "static"]


def address(rule):
    """An address of that shape: whatever takes a number or a word gets 1, and a choice its first."""
    values = {name: min(getattr(rule._converters[name], "items", ["1"])) for name in rule.arguments}
    return rule.build(values, append_unknown=False)[1]


def test_every_route_says_whom_it_is_for(config):
    app = an_app(config)
    assert [rule.rule for rule in routes(app) if needs(app, rule) is None] == []


def test_only_signing_in_is_open_to_everybody(config):
    app = an_app(config)
    public = {rule.rule for rule in routes(app) if needs(app, rule) == PUBLIC}
    assert public <= {"/sign-in", "/sign-out", "/first", "/preferences", "/watch/<word>"}


def test_whoever_signed_in_opens_only_what_is_about_themself(config):
    app = an_app(config)
    personal = {rule.rule for rule in routes(app) if needs(app, rule) == PERSONAL}
    assert personal == {"/me", "/links", "/links/<link>/end"}


def test_nobody_opens_anything_without_signing_in(config):
    app = an_app(config)
    for rule in routes(app):
        if needs(app, rule) == PUBLIC:
            continue
        for method in rule.methods - {"OPTIONS", "HEAD"}:
            answer = app.test_client().open(
                address(rule), method=method, json={} if method != "GET" else None
            )
            assert answer.status_code in (303, 401, 403), f"{method} {rule.rule}: {answer.status_code}"


@pytest.mark.parametrize("role", list(Role))
def test_a_role_opens_nothing_beyond_what_it_may(config, role):
    app = an_app(config)
    client = signed_in(app.test_client(), config, role)
    for rule in routes(app):
        needed = needs(app, rule)
        if needed in (PUBLIC, PERSONAL) or may(role, Permission(needed)):
            continue
        for method in rule.methods - {"OPTIONS", "HEAD"}:
            answer = client.open(address(rule), method=method, json={} if method != "GET" else None)
            assert answer.status_code == 403, f"{role} {method} {rule.rule}: {answer.status_code}"


def test_a_view_that_says_nothing_is_denied_to_an_administrator(config):
    app = an_app(config)
    app.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    assert signed_in(app.test_client(), config).get("/forgotten").status_code == 403


def test_a_change_without_this_browsers_word_is_refused(config, fake):
    client = signed_in(an_app(config).test_client(), config)
    for word in ("", "another"):
        assert client.post("/api/v1/stop", json={}, headers={"X-CSRF-Token": word}).status_code == 403
    assert fake.asked == []


def test_a_cookie_is_read_by_no_script_and_sent_by_no_other_site(config, fake):
    a_person(config)
    cookie = an_app(config).test_client().get("/sign-in", base_url="https://localhost").headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Secure"} <= set(cookie.replace(" ", "").split(";"))


def test_a_screen_left_alone_only_watches(config, fake):
    client = an_app(config).test_client()
    client.set_cookie("hemadiff", a_cookie(config, seen_s_ago=16 * 60))
    client.environ_base["HTTP_X_CSRF_TOKEN"] = "a word of this browser"
    assert client.get("/").status_code == 200
    answer = client.post("/api/v1/stop", json={})
    assert answer.status_code == 401
    assert "left alone" in answer.json["detail"]


@pytest.mark.parametrize("change", [{"disabled": 1}, {"epoch": 1}])
def test_who_was_shut_out_is_out_at_once(config, change):
    client = signed_in(an_app(config).test_client(), config, name="robin")
    a_person(config, name="robin", **change)
    assert client.get("/api/v1/state").status_code == 401


def test_whoever_comes_through_a_proxy_is_not_at_the_instrument(config, fake):
    client = signed_in(an_app(config).test_client(), config)
    assert client.post("/api/v1/stop", json={}, headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 403
    assert fake.asked == []


def test_a_password_is_not_taken_over_a_readable_wire(config, fake):
    a_person(config, name="robin", password=kept_password())
    client = an_app(config).test_client()
    answer = sign_in(client, name="robin", password=PASSWORD, environ_base={"REMOTE_ADDR": "192.0.2.7"})
    assert answer.status_code == 403
    assert b"https" in answer.data


def test_a_pin_is_for_the_instruments_own_screen(config, fake):
    a_person(config, name="robin", pin=kept_pin())
    far = {"REMOTE_ADDR": "192.0.2.7"}
    assert sign_in(an_app(config).test_client(), name="robin", pin=PIN, environ_base=far).status_code == 403
    assert sign_in(an_app(config).test_client(), name="robin", pin=PIN).status_code == 303


def test_a_wrong_password_is_refused_and_told_to_the_instrument(config, fake):
    a_person(config, name="robin", password=kept_password())
    assert sign_in(an_app(config).test_client(), name="robin", password="wrong").status_code == 403
    assert fake.asked == [("sign_in_refused", {"name": "robin", "how": "password", "wanted": "sign-in"})]


def test_signing_in_leads_back_inside_and_to_no_other_site(config, fake):
    a_person(config, name="robin", pin=kept_pin())
    for wanted, led in (
        ("/runs", "/runs"),
        ("//evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil", "/"),
    ):
        client = an_app(config).test_client()
        assert sign_in(client, name="robin", pin=PIN, next=wanted).headers["Location"] == led


def sign_in(client, environ_base=None, **form):
    environ_base = environ_base or {}
    page = client.get("/sign-in", environ_base=environ_base).text
    word = page.split('name="csrf_token" value="')[1].split('"')[0]
    return client.post("/sign-in", data={**form, "csrf_token": word}, environ_base=environ_base)
