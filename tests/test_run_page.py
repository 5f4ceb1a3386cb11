"""The page of one run: why it ended, what comes next, and who signed it, in the reader's language."""

import html

import pytest
from builders_people import a_cookie, signed_in
from builders_review import RUN, ended, reclassify, signed
from builders_store import at
from builders_web import FakeInstrument, a_hub, a_run, settings

from appliance.cause import Cause
from appliance.run import State
from appliance.store import Store
from web.app import create_app
from web.hub import Hub

CELLS = ["blast", "lymphocyte", "lymphocyte", "lymphocyte", "lymphocyte"]
MACHINE = (
    "5 cells counted; a count ends at 4, and its last field counts whole. "
    "Still in doubt: Blast 20.0 % (99 % interval 0.1 to 81.5 %) may be on either side of 2 or 5 or 20 %."
)
WATCHED = "5 cells counted; 1 are enough and no watched percentage is in doubt."
ANOTHER = "ba9876543210"


@pytest.fixture
def config(tmp_path):
    config = settings(tmp_path)
    instrument = FakeInstrument(config.socket_path, a_run(), store=config.store.path)
    yield config
    instrument.dies()


def page(config, role="reviewer", language="en", run=RUN, seen_s_ago=0.0):
    client = signed_in(create_app(config, Hub(a_hub(config)._follow)).test_client(), config, role)
    client.set_cookie("hemadiff", a_cookie(config, role, seen_s_ago=seen_s_ago))
    text = client.get(f"/runs/{run}", headers={"Accept-Language": language}).text
    return html.unescape(text).replace("\u00a0", " ")


def a_run_that_ended(config, cause, reason, state=State.COMPLETED, **changes):
    with Store(config.store.path) as store:
        ended(store, CELLS, state=state, **changes)
        with store.atomic():
            row = (reason, str(cause), changes.get("run", RUN))
            store.db.conn.execute("UPDATE runs SET reason = ?, cause = ? WHERE id = ?", row)


def test_why_a_count_is_complete_is_said_in_the_readers_words_and_numbers(config):
    a_run_that_ended(config, Cause.MOST, MACHINE, max_cells=4)
    english, german = page(config), page(config, language="de")
    assert "5 cells are counted; a count ends at 4, and its last field counts whole." in english
    assert "Blast 20.0 % (99 % limits 0.1 –" in english.partition("count ends")[2][:200]
    assert "20,0 % (99" in german
    assert MACHINE not in english + german


def test_enough_cells_before_review_are_said_to_be_the_machines(config):
    a_run_that_ended(config, Cause.ENOUGH, WATCHED, max_cells=1)
    with Store(config.store.path) as store:
        reclassify(store, [2], "monocyte")
    said = "5 cells are counted; 1 are enough: no watched percentage is in doubt."
    assert f"completed: The machine, before review: {said}</td>" in page(config)


def test_that_nothing_was_in_doubt_is_said_only_where_it_is_on_record(config):
    a_run_that_ended(config, Cause.ENOUGH, "5 cells counted; 1 are enough.", max_cells=1)
    assert '<span lang="en">5 cells counted; 1 are enough.</span>' in page(config)
    a_run_that_ended(config, Cause.ENOUGH, WATCHED, max_cells=1, run=ANOTHER)
    assert "5 Zellen sind gezählt; 1 genügen: Kein beobachteter Prozentwert" in page(
        config, language="de", run=ANOTHER
    )


def test_what_no_page_can_put_into_words_is_marked_as_english(config):
    a_run_that_ended(config, Cause.MOST, "An older version said so.")
    assert '<span lang="en">An older version said so.</span>' in page(config, language="de")


@pytest.mark.parametrize(
    ("role", "said"),
    [
        ("operator", "What to do:</b> Leave the slide where it lies, and touch Resume to go on"),
        ("viewer", "What comes next:</b> The operator can resume or stop it at the instrument."),
    ],
)
def test_who_may_not_count_is_told_what_comes_next_instead_of_what_to_do(config, role, said):
    a_run_that_ended(config, Cause.PAUSED, "anna paused it.", state=State.PAUSED)
    assert said in page(config, role)


def test_a_screen_left_alone_tells_an_operator_what_to_do_and_how_to_go_on(config):
    a_run_that_ended(config, Cause.PAUSED, "anna paused it.", state=State.PAUSED)
    assert "What to do:</b> Leave the slide where it lies" in page(config, "operator", seen_s_ago=3600)
    watching = live(config, "operator", seen_s_ago=3600).partition('id="watching"')[2].partition("</p>")[0]
    assert "This screen was left alone" in watching
    assert "Unlock" in watching


def test_a_runs_page_lists_its_signatures_the_newest_first(config):
    a_run_that_ended(config, Cause.ENOUGH, "Enough.")
    with Store(config.store.path) as store:
        signed(store, "final")
        reclassify(store, [2], "monocyte")
        signed(store, "amended", note="A second look.")
    _, _, listed = page(config, "viewer").partition('<table class="signatures">')
    newest, oldest = listed.index("amended</th><td>anna</td>"), listed.index("final</th><td>anna</td>")
    assert newest < listed.index("A second look.") < oldest


def test_a_runs_page_says_when_the_run_stood_still_and_ended(config):
    a_run_that_ended(config, Cause.PAUSED, "anna paused it.", state=State.PAUSED)
    assert table_row("Stood still", "1 Mar 2026, 12:00:10 – now") in page(config)
    with Store(config.store.path) as store:
        store.set_state(RUN, State.COUNTING, "Resumed.", at(60))
        store.set_state(RUN, State.COMPLETED, "Enough.", at(90))
    assert table_row("Stood still", "1 Mar 2026, 12:00:10 – 1 Mar 2026, 12:01:00") in page(config)
    assert table_row("Ended", "1 Mar 2026, 12:01:30") in page(config)


def table_row(name, said):
    return f'<th scope="row">{name}</th><td>{said}</td>'


def test_the_live_page_tells_a_watching_role_nothing_that_others_do(config):
    seen = {role: live(config, role) for role in ("viewer", "operator")}
    assert "Your role watches." in seen["viewer"]
    assert "touch Resume" not in seen["viewer"]
    assert "touch Resume" in seen["operator"]


def live(config, role, seen_s_ago=0.0):
    client = create_app(config, Hub(a_hub(config)._follow)).test_client()
    client.set_cookie("hemadiff", a_cookie(config, role, seen_s_ago=seen_s_ago))
    return client.get("/").text
