"""Lists of runs show what review made of each, on the page and in the terminal."""

from __future__ import annotations

import pytest
from builders_people import signed_in
from builders_review import RUN, ended, reclassify, signed
from builders_store import at
from builders_web import FakeInstrument, a_hub, settings
from click.testing import CliRunner

from appliance.cli import cli
from appliance.review.case import open_case
from appliance.review.listed import listed
from appliance.review.signature import signatures, standing
from appliance.run import State
from appliance.store import Store
from web.app import create_app
from web.hub import Hub


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = settings(tmp_path)
    monkeypatch.setenv("HEMADIFF_STORE__PATH", str(made.store.path))
    return made


@pytest.fixture
def store(config):
    with Store(config.store.path) as made:
        ended(made, record_number="H-2026-1234")
        yield made


@pytest.fixture
def page(config, store):
    fake = FakeInstrument(config.socket_path, None, store=config.store.path)
    yield signed_in(create_app(config, Hub(a_hub(config)._follow)).test_client(), config, "reviewer")
    fake.dies()


def here(store):
    (one,) = listed(store, store.runs())
    return one


def nothing_done(store):
    pass


def relabelled(store):
    reclassify(store, [5], "monocyte", by="ben")


def signed_as_final(store):
    relabelled(store)
    signed(store, "final")


def changed_after(store):
    signed_as_final(store)
    reclassify(store, [1], "blast")


def changed_and_back(store):
    changed_after(store)
    reclassify(store, [1], "lymphocyte")


def marked_after(store):
    signed_as_final(store)
    store.add_marks(RUN, ["Set later."], at(60))


def amended(store):
    changed_after(store)
    signed(store, "amended", by="ben", note="A blast was missed.")


STORIES = [nothing_done, relabelled, signed_as_final, changed_after, changed_and_back, marked_after, amended]


@pytest.mark.parametrize("story", STORIES)
def test_a_list_says_of_a_run_what_opening_it_says(store, story):
    story(store)
    one, case = here(store), open_case(store, RUN)
    now = standing(case, signatures(store, RUN))
    assert (one.run.counted, one.run.unidentified) == (case.tally.counted, case.tally.unidentified)
    assert (one.status, one.changed) == (now.last.status if now.last else None, now.changed)
    assert one.relabelled == sum(cell.changed for cell in case.cells)


@pytest.mark.parametrize(
    ("story", "said"),
    [
        (nothing_done, "not reviewed"),
        (relabelled, "not signed, reviewed by ben"),
        (signed_as_final, "final by anna"),
        (changed_after, "final by anna, changed since"),
        (changed_and_back, "final by anna"),
        (amended, "amended by ben"),
    ],
)
def test_a_list_says_where_a_run_stands(store, story, said):
    story(store)
    assert str(here(store)) == said


def test_a_list_names_a_control_which_is_no_result_of_a_patient(store, page):
    with store.db.atomic():
        store.db.conn.execute("DROP TRIGGER runs_no_other_scale")
        store.db.conn.execute("UPDATE runs SET plan = json_set(plan, '$.qc', json('true'))")
    assert (str(here(store)), here(store).run.qc) == ("quality control", True)
    assert '<td role="cell" data-of="Standing">quality control</td>' in page.get("/runs").text
    assert page.get("/api/v1/runs").json["runs"][0]["qc"] is True


def of_a_panel_that_is_gone(store):
    with store.db.atomic():
        store.db.conn.execute("DROP TRIGGER runs_no_other_scale")
        store.db.conn.execute("UPDATE runs SET plan = replace(plan, 'smear-13', 'smear-12')")


@pytest.mark.parametrize(
    ("story", "said"),
    [
        (nothing_done, "not reviewed"),
        (relabelled, "not signed, reviewed by ben"),
        (amended, "amended by ben"),
    ],
)
def test_a_list_says_who_signed_a_run_that_this_version_cannot_read(store, story, said):
    story(store)
    of_a_panel_that_is_gone(store)
    one = here(store)
    assert str(one) == f"{said}, cannot be read by this version"
    assert (one.run.counted, one.run.unidentified, one.changed, one.relabelled) == (None, None, None, None)


def test_programs_and_pages_learn_that_a_run_that_cannot_be_read_was_signed(page, store):
    signed_as_final(store)
    of_a_panel_that_is_gone(store)
    (one,) = page.get("/api/v1/runs").json["runs"]
    assert [one[key] for key in ("reviewed", "status", "by", "changed")] == [True, "final", "anna", None]
    shown = page.get("/runs").text
    assert ("final by anna" in shown, "cannot be read by this version" in shown) == (True, True)


def test_the_page_of_runs_shows_the_reviewed_count_and_who_signed(page, store):
    assert "not reviewed" in page.get("/runs").text
    signed_as_final(store)
    shown = " ".join(page.get("/runs").text.split())
    assert "final by anna" in shown
    assert 'data-of="Counted">5</td>' in shown
    assert 'data-of="Unidentified">0</td>' in shown


def test_the_page_of_runs_says_that_a_signed_result_was_changed(page, store):
    changed_after(store)
    assert "changed since it was signed" in page.get("/runs").text


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("state=completed", True),
        ("state=stopped", False),
        ("state=nonsense", True),
        ("since=2026-03-01&until=2026-03-01", True),
        ("since=2026-03-02", False),
        ("until=2026-02-28", False),
        ("until=9999-12-31&since=0001-01-01", True),
        ("since=yesterday", True),
    ],
)
def test_runs_are_found_by_state_and_day(page, asked, found):
    assert (RUN[:8] in page.get(f"/runs?{asked}").text) is found


def hemadiff(*words):
    return CliRunner().invoke(cli, words, prog_name="hemadiff").stdout


def test_the_terminal_lists_the_reviewed_count_and_who_signed(store):
    signed_as_final(store)
    line = hemadiff("runs", "list").splitlines()[1].split()
    assert line[4:9] == ["completed", "5", "0", "final", "by"]


def test_the_terminal_shows_the_reviewed_differential_and_what_the_machine_counted(store):
    signed_as_final(store)
    shown = hemadiff("runs", "show", RUN)
    assert "Signed as final by anna." in shown
    assert "After review 1 cell has another label: 5 counted, 4 by the machine." in shown
    monocytes = next(line for line in shown.splitlines() if "Monocyte" in line)
    assert monocytes.replace("│", " ").split()[1] == "2"


def test_the_terminal_says_of_a_run_that_nobody_reviewed_that_it_is_the_machines(store):
    assert "Not reviewed: this is the machine's count." in hemadiff("runs", "show", RUN)


def test_a_run_that_failed_is_listed_as_it_is(store):
    ended(store, run="ffff00000001", state=State.FAILED, seconds=500)
    assert [str(one) for one in listed(store, store.runs())] == ["not reviewed", "not reviewed"]
