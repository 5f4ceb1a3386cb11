"""The runs on record: found, shown, and taken out of the instrument."""

import json

import pytest
from builders_people import signed_in
from builders_review import RUN, ask, ended, reclassify, signed
from builders_store import create
from builders_web import FakeInstrument, a_hub, a_run, settings

from appliance.audit import AuditTrail
from appliance.reports.report_pdf import report_pdf, report_sheets
from appliance.reports.result import Pictures, pictures_of, result_of
from appliance.run import State
from appliance.store import Store
from web.app import create_app
from web.hub import Hub
from web.run_list import A_PAGE


@pytest.fixture
def config(tmp_path):
    return settings(tmp_path)


@pytest.fixture
def fake(config):
    instrument = FakeInstrument(config.socket_path, a_run(), store=config.store.path)
    yield instrument
    instrument.dies()


def a_client(config, role="reviewer"):
    return signed_in(create_app(config, Hub(a_hub(config)._follow)).test_client(), config, role)


@pytest.fixture
def run(config, fake):
    with Store(config.store.path) as store:
        ended(store, record_number="H-2026-1234")
    return RUN


def test_a_list_of_runs_shows_a_samples_number_to_those_who_may_see_it(config, run):
    assert "H-2026-1234" in a_client(config).get("/runs").text
    viewer = a_client(config, "viewer").get("/runs").text
    assert "H-2026-1234" not in viewer
    assert "••••234" in viewer


def find(config, wanted):
    """What a search answers, and the page that it leads to, or is."""
    client = a_client(config)
    answer = client.post("/runs", data={"wanted": wanted})
    leads = answer.headers.get("Location")
    return answer, client.get(leads).text if leads else answer.text


def test_a_run_is_found_by_its_samples_number_which_no_address_holds(config, run):
    answer, page = find(config, "H-2026-1234")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/runs?ids={RUN}")
    assert RUN[:8] in page
    assert "1 run was found." in page
    assert 'href="/runs">All runs' in page


def test_part_of_a_samples_number_finds_nothing_and_the_page_says_that_it_takes_the_whole(config, run):
    answer, page = find(config, "H-2026")
    assert answer.status_code == 200
    assert 'value="H-2026" autofocus' in page, "a slip is seen"
    assert "A sample number is found whole only" in page
    assert "Whole sample number, or the beginning of a run" in page
    assert RUN[:8] not in page


def test_a_number_is_found_however_its_letters_are_typed_and_with_blanks_around_it(config, run):
    for other, slide in (("c0ffee00", "h-2026-Äb"), ("c0ffee01", "H-2026-äB")):
        with Store(config.store.path) as store:
            ended(store, run=other, record_number=slide)
    _, page = find(config, " h-2026-1234 ")
    assert RUN[:8] in page
    _, page = find(config, "h-2026-ÄB")
    assert "2 runs were found." in page


def test_a_search_shows_so_many_runs_and_says_that_there_are_more(config, fake):
    with Store(config.store.path) as store:
        for n in range(A_PAGE + 2):
            create(store, f"abcdef0000{n:02x}", n)
    answer, page = find(config, "abc")
    assert page.count('role="rowheader"') == A_PAGE
    assert f"The newest {A_PAGE} runs that were found." in page
    assert len(answer.headers["Location"]) < 1000


def test_an_address_finds_runs_by_whole_ids_and_by_no_samples_number(config, run):
    client = a_client(config)
    assert RUN[:8] in client.get(f"/runs?ids={RUN}+nothing").text
    for others in ("H-2026-1234", RUN[:4], ""):
        assert RUN[:8] not in client.get(f"/runs?ids={others}").text


def test_a_viewer_finds_nobody_by_number(config, run):
    assert a_client(config, "viewer").post("/runs", data={"wanted": "H-2026-1234"}).status_code == 403


def test_a_run_says_what_its_result_is_worth(config, run):
    page = a_client(config).get(f"/runs/{RUN}").text
    assert "Not signed." in page
    assert "Research use only" in page


def test_a_run_that_is_not_there_is_said_to_be_missing(config, run):
    assert a_client(config).get("/runs/ffffffffffff").status_code == 404


@pytest.mark.parametrize(("kind", "begins"), [("pdf", b"%PDF"), ("csv", b"run,sample,state"), ("json", b"{")])
def test_what_leaves_the_instrument_masks_the_sample_and_is_on_the_trail(config, run, kind, begins):
    answer = a_client(config).get(f"/runs/{RUN}/report.{kind}")
    assert answer.data.startswith(begins)
    assert b"H-2026-1234" not in answer.data
    assert f"run-{RUN}.{kind}" in answer.headers["Content-Disposition"]
    with Store.read_only(config.store.path) as store:
        (line,) = AuditTrail(store).entries(1)
    assert (line.what, line.subject, line.details["identity"]) == ("export", RUN, "masked")


def test_a_table_masks_the_sample_in_characters_that_every_spreadsheet_reads(config, run):
    table = a_client(config).get(f"/runs/{RUN}/report.csv").data
    assert table.isascii()
    assert b"****234" in table


def test_of_a_run_without_a_number_the_trail_says_that_it_has_none(config, run):
    with Store(config.store.path) as store:
        ended(store, run="c0ffee00", seconds=50)
    a_client(config).get("/runs/c0ffee00/report.json?whose=yes")
    with Store.read_only(config.store.path) as store:
        (line,) = AuditTrail(store).entries(1)
    assert line.details["identity"] == "none"


def test_a_report_names_the_sample_for_who_may_see_it_alone_and_its_files_name_says_so(config, run):
    for kind in ("json", "csv"):
        asked = f"/runs/{RUN}/report.{kind}?whose=yes"
        answer = a_client(config).get(asked)
        assert b"H-2026-1234" in answer.data
        assert f'"run-{RUN}-with-sample.{kind}"' in answer.headers["Content-Disposition"]
        assert a_client(config, "viewer").get(asked).status_code == 403
        with Store.read_only(config.store.path) as store:
            (line,) = AuditTrail(store).entries(1)
        assert (line.details["kind"], line.details["identity"]) == (kind, "whole")


def test_a_runs_page_says_of_each_export_whether_the_number_is_whole(config, run):
    page = " ".join(a_client(config).get(f"/runs/{RUN}").text.split())
    for kind in ("PDF", "CSV"):
        assert f">{kind}, sample ••••234</a>" in page
        assert f">{kind}, sample H-2026-1234</a>" in page
    assert "H-2026-1234" not in a_client(config, "viewer").get(f"/runs/{RUN}").text


def test_an_export_holds_the_reviewed_result(config, run):
    with Store(config.store.path) as store:
        reclassify(store, [3], "lymphocyte")
    found = json.loads(a_client(config).get(f"/runs/{RUN}/report.json").data)
    assert found["counts"]["lymphocyte"] == 3
    assert found["review"]["reclassified"] == {"3": "lymphocyte"}


def report_of(store):
    result = result_of(store, RUN, unmasked=False)
    return report_pdf(result, pictures_of(store, result))


def test_a_report_is_the_same_for_the_same_result_and_says_who_signed(config, run):
    with Store(config.store.path) as store:
        unsigned = report_of(store)
        assert unsigned == report_of(store)
        reclassify(store, [5], "monocyte")
        signed(store, "final", note="Seven cells are all there are.")
        result = result_of(store, RUN, unmasked=False)
        assert report_of(store) != unsigned
    assert result.status == "Signed as final by anna."


def test_a_table_says_in_every_row_what_it_is_worth(config, run):
    table = a_client(config).get(f"/runs/{RUN}/report.csv").text.splitlines()
    assert all("Not signed." in row for row in table[1:])


def test_who_reads_a_run_blind_sees_no_result_of_it(config, run):
    with Store(config.store.path) as store:
        ask(store, "begin_second_reading", by="reviewer", sample=None)
    for address in (f"/runs/{RUN}", f"/runs/{RUN}/report.json"):
        assert a_client(config).get(address).status_code == 409


def test_back_shows_nothing_after_signing_out(config, run):
    assert a_client(config).get("/runs").headers["Cache-Control"] == "no-store"


def test_a_page_far_beyond_the_last_is_empty(config, run):
    assert a_client(config).get(f"/runs?skip={10**30}").status_code == 200


def test_a_stopped_counts_page_leads_to_no_signature(config, fake):
    with Store(config.store.path) as store:
        ended(store, state=State.STOPPED)
    page = a_client(config).get(f"/runs/{RUN}").text
    assert "Review and sign" not in page
    assert f'<a class="button" href="/runs/{RUN}/review">Look at its cells</a>' in page


def test_an_insufficient_count_is_never_plain_green_however_it_is_signed(config, fake):
    with Store(config.store.path) as store:
        ended(store, ["lymphocyte"], state=State.INSUFFICIENT, min_cells=300)
        signed(store, "preliminary", note="Needed at the bedside.")
    page = a_client(config).get(f"/runs/{RUN}").text
    assert '<p class="notice" role="status"><b>Signed as preliminary by anna.' in page
    assert 'class="fine"' not in page


DOUBT = "500 cells counted, the most that were asked for. Still in doubt: Blast 0.8 % (99 % interval 0.1 to 2.5 %)."


def test_what_the_machine_doubted_is_said_to_be_of_before_review_and_by_which_interval(config, fake):
    with Store(config.store.path) as store:
        ended(store)
        with store.atomic():
            store.db.conn.execute("UPDATE runs SET reason = ?", (DOUBT,))
        assert "before review" not in result_of(store, RUN, unmasked=False).ended
        reclassify(store, [4], "monocyte")
        result = result_of(store, RUN, unmasked=False)
    assert result.ended.startswith(f"The machine, before review: {DOUBT}")
    assert "the differential has 95 % limits" in result.ended
    assert result.ended in a_client(config).get(f"/runs/{RUN}").text
    assert "before review:" in " ".join(
        piece for sheet in report_sheets(result, Pictures((), None)).said for piece in sheet
    )


def test_a_percentage_beyond_its_reference_is_marked_with_a_sign_and_a_word(config, fake):
    with Store(config.store.path) as store:
        ended(store, ["lymphocyte"] * 60)
    page = a_client(config).get(f"/runs/{RUN}").text
    assert 'aria-label="Both limits lie above the reference range"' in page
    assert "▲" in page


def test_a_run_in_which_nothing_was_counted_has_no_percentages(config, fake):
    with Store(config.store.path) as store:
        ended(store, [], state=State.STOPPED)
    table = a_client(config).get(f"/runs/{RUN}").text.split('class="differential"')[1].split("</table>")[0]
    assert "0.0" not in table
    assert '<td class="n">0</td>' in table


def test_a_count_that_is_no_result_marks_no_percentage(config, fake):
    with Store(config.store.path) as store:
        ended(store, ["lymphocyte"] * 60, state=State.STOPPED)
    assert "Both limits lie" not in a_client(config).get(f"/runs/{RUN}").text


@pytest.mark.parametrize(("role", "seen"), [("operator", "H-2026-1234"), ("viewer", "••••234")])
def test_the_live_page_learns_whose_smear_it_is_masked_or_whole_by_role(config, run, role, seen):
    answer = a_client(config, role).get(f"/runs/{RUN}/sample.json")
    assert answer.json == {"sample": seen}
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(("role", "seen"), [("reviewer", "H-2026-1234"), ("viewer", "••••234")])
def test_review_and_its_signing_dialog_say_whose_smear_it_is(config, run, role, seen):
    page = a_client(config, role).get(f"/runs/{RUN}/review").text
    head, dialog = page.split('<dialog id="sign-dialog"')
    assert f"Sample {seen}" in head
    assert f"Sample {seen}" in dialog
    assert ("H-2026-1234" in page) == (role == "reviewer")
