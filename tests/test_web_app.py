"""The page's addresses: who may ask for what, and what comes back."""

import contextlib
import http.client
import io
import json
import re
import socket
from urllib.parse import urlsplit

import numpy as np
import pytest
from builders_people import cookie_at, signed_in
from builders_web import (
    FakeInstrument,
    a_hub,
    a_run,
    a_stored_cell,
    a_stored_slide,
    a_surveyed_slide,
    counted,
    instrument_view,
    on_slide,
    read_json,
    served,
    settings,
    until,
)
from PIL import Image

from appliance.errors import ApplianceRefused
from web.app import create_app
from web.hub import Hub
from web.server import make_server


@pytest.fixture
def config(tmp_path):
    return settings(tmp_path)


@pytest.fixture
def fake(config):
    instrument = FakeInstrument(config.socket_path, a_run())
    yield instrument
    instrument.dies()


def a_client(config):
    return signed_in(create_app(config, Hub(a_hub(config)._follow)).test_client(), config)


def ask(client, what, body=None, **headers):
    address = "runs" if what == "start" else what
    return client.post(f"/api/v1/{address}", json={} if body is None else body, headers=headers)


@contextlib.contextmanager
def stream(address):
    """An open stream of events: its status, and a function that reads the next one."""
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
    connection.request("GET", "/api/v1/events", headers={"Cookie": f"hemadiff={cookie_at(address)}"})
    line = connection.sock
    answer = connection.getresponse()

    def event():
        kind = answer.readline().decode().strip().removeprefix("event: ")
        data = json.loads(answer.readline().decode().removeprefix("data: "))
        answer.readline()
        return kind, data

    try:
        yield answer, event
    finally:
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)
        answer.close()
        connection.close()


def until_up(event):
    while True:
        kind, data = event()
        if kind == "snapshot" and data["link"]["up"]:
            return data


def test_the_page_comes_whole_from_this_machine(config):
    answer = a_client(config).get("/")
    assert answer.status_code == 200
    assert b"Research use only" in answer.data
    assert b"//" not in answer.data.replace(b"<!doctype", b"").replace(b"http://www.w3.org", b"")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_every_file_that_the_page_names_is_in_the_package(config):
    client = a_client(config)
    for name in (
        "page.css",
        "slide.css",
        "slide.js",
        "slide_drawing.js",
        "page.js",
        "stream.js",
        "bars.js",
        "strip.js",
        "controls.js",
        "details.js",
        "icon.svg",
    ):
        assert client.get(f"/static/{name}").status_code == 200


def test_buttons_ask_the_instrument(config, fake):
    client, by = a_client(config), {"by": "administrator"}
    meant = {"run": "c0ffee00"}
    assert ask(client, "pause", meant).status_code == 200
    assert ask(client, "resume", {"run": "c0ffee00"}).json == {"run": "c0ffee00"}
    assert ask(client, "stop", meant).status_code == 200
    assert fake.asked == [(what, {**meant, **by}) for what in ("pause", "resume", "stop")]


def test_which_run_a_button_means_is_judged_by_the_instrument_and_not_by_what_the_page_last_heard(
    config, fake
):
    hub = a_hub(config)
    hub._heard({**fake._snapshot(), "seq": 1})
    client = signed_in(create_app(config, hub).test_client(), config)
    fake.refusal = "The run decade00 is not the one in hand. Look at the page again."
    for what in ("pause", "stop"):
        answer = ask(client, what, {"run": "decade00"})
        assert (answer.status_code, answer.json["detail"]) == (409, fake.refusal)


def test_a_count_is_started_for_the_specimen_that_was_chosen(config, fake):
    ask(a_client(config), "start", {"specimen": "marrow"})
    (what, arguments) = fake.asked[0]
    assert what == "start"
    assert arguments["plan"]["specimen"] == "marrow"
    assert arguments["plan"]["min_cells"] == 300
    assert arguments["plan"]["camera"] == "simulated"


def test_a_specimen_that_does_not_exist_is_refused_in_a_sentence(config, fake):
    answer = ask(a_client(config), "start", {"specimen": "urine"})
    assert answer.status_code == 400
    assert "specimen" in answer.json["detail"]
    assert fake.asked == []


def test_what_the_instrument_refuses_comes_back_as_its_sentence(config, fake):
    fake.refusal = "A count is running. Stop it first."
    answer = ask(a_client(config), "start")
    assert answer.status_code == 409
    assert answer.json["detail"] == "A count is running. Stop it first."


def test_without_an_instrument_a_button_says_so(config):
    answer = ask(a_client(config), "start")
    assert answer.status_code == 503
    assert "No instrument answers" in answer.json["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_site_cannot_press_a_button(config, fake, headers):
    answer = ask(a_client(config), "stop", **headers)
    assert answer.status_code == 403
    assert fake.asked == []


def test_a_plain_form_cannot_press_a_button(config, fake):
    answer = a_client(config).post("/api/v1/stop", data={"a": "b"})
    assert answer.status_code == 400
    assert fake.asked == []


def test_the_page_itself_can(config, fake):
    headers = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert ask(a_client(config), "stop", {"run": "c0ffee00"}, **headers).status_code == 200


def test_a_name_that_is_not_this_machines_is_refused(config):
    """So that a site which points its own name here (DNS rebinding) reads nothing."""
    client = a_client(config)
    assert client.get("/sign-in", headers={"Host": "elsewhere.example"}).status_code == 421
    for host in ("127.0.0.1:8080", "[::1]:8080", "localhost", socket.gethostname(), "192.0.2.7"):
        assert client.get("/sign-in", headers={"Host": host}).status_code == 200


def test_other_machines_watch_and_only_this_one_controls(config, fake):
    client = a_client(config)
    far = {"REMOTE_ADDR": "192.0.2.7"}
    answer = client.post("/api/v1/stop", json={"run": "c0ffee00"}, environ_base=far)
    assert answer.status_code == 403
    assert "remote_control" in answer.json["detail"]
    assert fake.asked == []
    assert b'data-control="no"' in client.get("/", environ_base=far).data
    assert b'data-control="yes"' in client.get("/").data


def test_a_laboratory_may_let_other_machines_control(tmp_path, fake):
    client = a_client(settings(tmp_path, remote_control=True))
    far = {"REMOTE_ADDR": "192.0.2.7"}
    assert client.post("/api/v1/stop", json={"run": "c0ffee00"}, environ_base=far).status_code == 200


@pytest.mark.parametrize("body", [[], {"specimen": 7}, {"speciman": "blood"}, "blood"])
def test_nonsense_is_refused_before_the_instrument_hears_of_it(config, fake, body):
    answer = ask(a_client(config), "start", body)
    assert answer.status_code == 400
    assert answer.json["detail"]
    assert fake.asked == []


def test_an_unknown_address_and_a_missing_picture_are_errors_in_json(config):
    client = a_client(config)
    assert client.get("/nowhere").status_code == 404
    missing = client.get("/cells/1.png")
    assert missing.status_code == 404
    assert "cell 1" in missing.json["detail"]


@pytest.mark.parametrize(
    ("method", "place", "status", "said"),
    [("get", "/nowhere", 404, "There is no such page."), ("get", "/sign-out", 405, "only answers a button")],
)
def test_an_address_that_is_none_is_a_page_with_a_way_to_the_start(config, method, place, status, said):
    answer = getattr(a_client(config), method)(place, headers={"Accept": "text/html"})
    assert answer.status_code == status
    assert said in answer.text
    assert '<a class="button" href="/">' in answer.text
    assert 'href="/runs">Runs' in answer.text, "who is signed in has the menu of every page"


@pytest.mark.parametrize(("place", "status"), [("/api/v1/nowhere", 404), ("/api/v1/state", 405)])
def test_a_program_is_not_told_of_pages_and_buttons(config, place, status):
    answer = a_client(config).put(place) if status == 405 else a_client(config).get(place)
    assert answer.status_code == status
    assert not re.search("page|button", answer.json["detail"])


def test_the_answer_to_a_form_of_nowhere_is_a_page_and_its_forms_know_where_they_belong(config):
    client = a_client(config)
    for came, leads in (
        ("http://[x", "/"),
        ("http://elsewhere.org/accounts", "/"),
        ("http://localhost/me", "/me"),
    ):
        answer = client.post("/me", data={"old": "not mine"}, headers={"Referer": came})
        assert answer.status_code == 409
        assert f'name="next" value="{leads}"' in answer.text
    assert "answered.js" in answer.text
    assert '<form method="post" action="/me"' in answer.text


def test_a_picture_number_larger_than_any_store_has_is_missing_and_no_failure(config):
    a_stored_cell(config.store.path)
    for number in (2**63 - 1, 2**63, 10**40):
        missing = a_client(config).get(f"/cells/{number}.png")
        assert missing.status_code == 404
        assert missing.json["detail"]


def test_a_stream_begins_with_a_snapshot_and_goes_on_with_changes(config, fake):
    with served(config) as address, stream(address) as (answer, event):
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        kind, data = event()
        assert kind == "beat"
        assert data["page"]
        assert until_up(event)["run"]["run"] == "c0ffee00"
        fake.shows(a_run(tally=counted(250)))
        kind, data = event()
        assert kind == "run"
        assert data["run"]["counted"] == counted(250).counted


def test_the_status_is_what_a_stream_would_begin_with(config, fake):
    with served(config) as address:
        status = until(
            lambda: (now := read_json(f"{address}/api/v1/state"))["link"]["up"] and now,
            "it is up",
        )
    assert status["instrument"] == instrument_view()
    assert status["run"]["state"] == "counting"


def test_sixty_four_watch_at_once_and_one_more_gets_the_page_and_asks_instead(config, fake):
    """The 65th is told that every stream is taken; page, status and buttons are there for it all the same."""
    hub = a_hub(config, most_viewers=64)
    with served(config, hub, viewers=64) as address, contextlib.ExitStack() as many:
        viewers = [many.enter_context(stream(address)) for _ in range(64)]
        for _, event in viewers:
            until_up(event)
        fake.shows(a_run(tally=counted(250)))
        assert {event()[0] for _, event in viewers} == {"run"}
        with stream(address) as (answer, _):
            assert answer.status == 503
        assert read_json(f"{address}/api/v1/state")["run"]["counted"] == counted(250).counted


def test_viewers_who_hang_up_free_their_threads_and_seats(config, fake):
    hub = a_hub(config, most_viewers=20)
    with served(config, hub, viewers=20) as address:
        for _ in range(3):  # together more than there are threads
            with contextlib.ExitStack() as many:
                for _ in range(20):
                    answer, event = many.enter_context(stream(address))
                    assert answer.status == 200
                    event()
            until(lambda: hub._seats._value == 20, "every seat is free")


def test_a_stream_ends_when_the_server_does(config, fake):
    with contextlib.ExitStack() as many:
        with served(config) as address:
            answer, event = many.enter_context(stream(address))
            until_up(event)
        assert answer.read() == b""


def test_an_address_that_is_taken_is_refused_in_a_sentence(config):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ApplianceRefused, match="--port"):
            make_server(
                create_app(config, Hub(a_hub(config)._follow)), "127.0.0.1", taken.getsockname()[1], 64
            )


def test_a_picture_comes_from_the_store_that_the_instrument_writes(config):
    cell, patch = a_stored_cell(config.store.path)
    answer = a_client(config).get(f"/cells/{cell}.png")
    assert answer.status_code == 200
    assert answer.mimetype == "image/png"
    assert (np.asarray(Image.open(io.BytesIO(answer.data))) == patch).all()
    assert a_client(config).get(f"/cells/{cell + 1}.png").status_code == 404


def test_the_picture_of_a_slide_comes_whole_and_is_kept_for_ever(config):
    a_stored_slide(config.store.path, [])
    answer = a_client(config).get("/runs/c0ffee00/slide.jpg")
    assert answer.status_code == 200
    assert answer.mimetype == "image/jpeg"
    assert answer.data == a_surveyed_slide().picture
    assert "immutable" in answer.headers["Cache-Control"]


def test_the_map_of_a_slide_says_where_picture_regions_and_fields_lie(config):
    a_stored_slide(config.store.path, [on_slide(0), on_slide(1, "empty")])
    answer = a_client(config).get("/runs/c0ffee00/map.json")
    assert answer.headers["Cache-Control"] == "no-store"
    found = answer.json
    assert found["picture"] == {
        "x_um": 5000.0, "y_um": 4000.0, "um_per_px": 25.0, "width_px": 800, "height_px": 400,
    }  # fmt: skip
    assert [(region["rank"], region["why"]) for region in found["regions"]] == [
        (1, "trail of a marrow particle"),
        (2, "many nucleated cells"),
    ]
    first = found["regions"][0]
    assert first["outlines"] == [[15000, 6500, 21000, 6500, 21000, 9500, 15000, 9500]]
    assert first["area_mm2"] == 18.0
    assert (first["x_um"], 6500 < first["y_um"] < 9500) == (18000, True)
    assert found["areas_mm2"]["good"] == 125.0
    assert found["remarks"] == ["A remark on this slide."]
    assert found["fields"] == [
        [15100.0, 6600.0, 140.0, 100.0, None],
        [15240.0, 6600.0, None, None, "empty"],
    ]


def test_nothing_in_the_map_of_a_slide_says_whose_it_is(config):
    a_stored_slide(config.store.path, [on_slide(0)])
    assert b"H-1234" not in a_client(config).get("/runs/c0ffee00/map.json").data


@pytest.mark.parametrize("what", ["slide.jpg", "map.json"])
def test_a_run_without_a_slide_has_no_map(config, what):
    a_stored_cell(config.store.path)
    for run in ("c0ffee00", "c0ffee", "nothing"):
        missing = a_client(config).get(f"/runs/{run}/{what}")
        assert missing.status_code == 404
        assert missing.json["detail"]
        assert "immutable" not in missing.headers.get("Cache-Control", "")
