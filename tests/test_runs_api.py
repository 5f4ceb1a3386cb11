"""Runs on record for programs: what the pages show, and nothing that the pages would not."""

from __future__ import annotations

import pytest
from builders_people import signed_in
from builders_qc import RUN as PICTURED
from builders_qc import a_qc_run
from builders_review import RUN, ask, ended, reclassify, signed
from builders_web import FakeInstrument, a_hub, settings

from appliance.audit import AuditTrail
from appliance.run import State
from appliance.store import Store
from web.app import create_app
from web.hub import Hub

API = "/api/v1/runs"


@pytest.fixture
def config(tmp_path):
    made = settings(tmp_path)
    with Store(made.store.path) as store:
        ended(store, record_number="H-2026-1234")
    fake = FakeInstrument(made.socket_path, None, store=made.store.path)
    yield made
    fake.dies()


def a_client(config, role="reviewer"):
    return signed_in(create_app(config, Hub(a_hub(config)._follow)).test_client(), config, role)


def of_store(config, do):
    with Store(config.store.path) as store:
        return do(store)


def more(config, count=3):
    with Store(config.store.path) as store:
        for n in range(count):
            ended(store, ["blast"], run=f"aaaa0000000{n}", seconds=100 * (n + 1), state=State.STOPPED)


def ids(answer):
    return [run["run"] for run in answer.json["runs"]]


def test_runs_come_by_pages_the_newest_first(config):
    more(config)
    client = a_client(config)
    first = client.get(f"{API}?limit=3")
    assert ids(first) == ["aaaa00000002", "aaaa00000001", "aaaa00000000"]
    last = client.get(f"{API}?limit=3&skip={first.json['next']}")
    assert (ids(last), last.json["next"]) == ([RUN], None)


@pytest.mark.parametrize(
    ("asked", "count"),
    [("state=stopped", 3), ("since=2026-03-02", 0), ("since=2026-03-01&until=2026-03-01", 4)],
)
def test_runs_are_filtered_by_state_and_day(config, asked, count):
    more(config)
    assert len(ids(a_client(config).get(f"{API}?{asked}"))) == count


@pytest.mark.parametrize(
    "asked", ["state=excellent", "limit=0", "skip=-1", "since=yesterday", "sample=H-2026-1234"]
)
def test_what_does_not_fit_is_refused_with_a_sentence(config, asked):
    answer = a_client(config).get(f"{API}?{asked}")
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    assert "does not fit" in answer.json["detail"]


@pytest.mark.parametrize(("role", "sample"), [("reviewer", "H-2026-1234"), ("viewer", "••••234")])
def test_a_samples_number_is_whole_for_who_may_see_it(config, role, sample):
    client = a_client(config, role)
    assert client.get(API).json["runs"][0]["sample"] == sample
    assert client.get(f"{API}/{RUN}").json["sample"] == sample


def test_a_run_comes_with_its_reviewed_result_and_the_machines_counts(config):
    of_store(config, lambda store: reclassify(store, [3], "lymphocyte"))
    said = a_client(config).get(f"{API}/{RUN}").json
    counts = {row["label"]: row["count"] for row in said["tally"]["rows"]}
    assert (counts["lymphocyte"], said["tally"]["machine"]["lymphocyte"]) == (3, 2)
    assert said["standing"]["said"] == "Not signed."


def test_a_run_that_failed_says_why_it_is_no_result(config):
    of_store(config, lambda store: ended(store, run="ffff00000001", state=State.FAILED, seconds=50))
    said = a_client(config).get(f"{API}/ffff00000001").json
    assert said["standing"] is None
    assert "failed" in said["why_not"]


def test_where_a_run_stands_is_said_in_short(config):
    client = a_client(config)
    assert client.get(f"{API}/{RUN}/standing").json["reviewed"] is False
    of_store(config, lambda store: reclassify(store, [5], "monocyte"))
    of_store(config, lambda store: signed(store, "final"))
    said = client.get(f"{API}/{RUN}/standing").json
    assert (said["said"], said["counted"], said["relabelled"]) == ("final by anna", 5, 1)


def test_cells_come_by_pages_with_the_labels_of_now(config):
    of_store(config, lambda store: reclassify(store, [3], "lymphocyte"))
    client = a_client(config)
    first = client.get(f"{API}/{RUN}/cells?limit=4").json
    assert [cell["label"] for cell in first["cells"]] == ["lymphocyte", "lymphocyte", "lymphocyte", "blast"]
    assert (first["cells"][2]["machine"], first["cells"][2]["by"]) == ("monocyte", "anna")
    last = client.get(f"{API}/{RUN}/cells?skip={first['next']}").json
    assert ([cell["label"] for cell in last["cells"]], last["next"]) == (
        ["unidentified", "artefact", None],
        None,
    )


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_program_takes_out_what_the_page_gives(config, kind):
    client = a_client(config)
    answer, page = client.get(f"{API}/{RUN}/exports/{kind}"), client.get(f"/runs/{RUN}/report.{kind}")
    assert answer.data == page.data
    assert answer.headers["Content-Disposition"] == page.headers["Content-Disposition"]


def test_what_a_program_takes_out_is_on_the_trail(config):
    a_client(config).get(f"{API}/{RUN}/exports/csv?whose=yes")
    (line,) = of_store(config, lambda store: AuditTrail(store).entries(1))
    assert (line.what, line.subject, line.details) == ("export", RUN, {"kind": "csv", "identity": "whole"})


def test_a_program_takes_out_the_fields_as_ome_tiff(tmp_path):
    config = settings(tmp_path)
    a_qc_run(config.store.path)
    fake = FakeInstrument(config.socket_path, None, store=config.store.path)
    answer = a_client(config).get(f"{API}/{PICTURED}/exports/ome-tiff")
    fake.dies()
    assert (answer.content_type, answer.data[:2]) == ("image/tiff", b"II")


def test_fields_whose_pictures_are_gone_are_refused_with_a_sentence(config):
    answer = a_client(config).get(f"{API}/{RUN}/exports/ome-tiff")
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    assert "seven days" in answer.json["detail"]


def test_a_viewer_takes_nothing_out(config):
    assert a_client(config, "viewer").get(f"{API}/{RUN}/exports/csv").status_code == 403


def test_who_reads_a_run_blind_sees_no_label_of_it_by_any_address(config):
    of_store(config, lambda store: ask(store, "begin_second_reading", by="reviewer", sample=None))
    client = a_client(config)
    for address in ("", "/cells", "/standing", "/exports/pdf", "/exports/csv", "/exports/json"):
        assert client.get(f"{API}/{RUN}{address}").status_code == 409, address


def test_a_list_tells_who_reads_a_run_blind_nothing_that_people_made_of_it(config):
    def relabelled_and_begun(store):
        reclassify(store, [3], "lymphocyte", by="anna")
        reclassify(store, [5], "monocyte", by="anna")
        signed(store, "final")
        ask(store, "begin_second_reading", by="reviewer", sample=None)

    (before,) = a_client(config).get(API).json["runs"]
    of_store(config, relabelled_and_begun)
    client = a_client(config)
    (one,) = client.get(API).json["runs"]
    told = {key: one[key] for key in ("reviewed", "status", "by", "changed", "relabelled")}
    assert told == {"reviewed": None, "status": None, "by": "", "changed": None, "relabelled": None}
    assert [one[key] for key in ("counted", "unidentified")] == [before["counted"], before["unidentified"]]
    page = client.get("/runs").text
    assert ("you read it blind" in page, "final by" in page) == (True, False)


def test_a_run_that_is_not_there_is_said_to_be_missing(config):
    answer = a_client(config).get(f"{API}/ffffffffffff")
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
