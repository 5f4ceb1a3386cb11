"""The audit page says what happened in sentences for a person, and keeps the rows as they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builders_people import a_person, signed_in
from builders_review import RUN, ask, reclassify, review_store, signed
from builders_web import a_hub, settings
from flask.testing import FlaskClient
from markupsafe import Markup

from appliance.audit import AuditTrail
from appliance.config import Config
from appliance.instrument_on_trail import say_ended, say_started
from appliance.store import Store
from web import audit_words
from web.app import create_app
from web.audit_words import KINDS

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return settings(tmp_path)


@pytest.fixture
def store(config: Config) -> Iterator[Store]:
    with review_store(config.store.path) as store:
        yield store


def a_reader(config: Config, role: str = "administrator") -> FlaskClient:
    return signed_in(create_app(config, a_hub(config)).test_client(), config, role)


def lines(client: FlaskClient, address: str = "/audit") -> list[tuple[str, str]]:
    """Who and what, of every line, the newest first, as they are read."""
    rows = client.get(address).text.split("<tbody>")[1].split("</tr>")[:-1]
    found = []
    for row in rows:
        who = re.search(r'class="when">.*?</td><td>(.*?)</td>', row)
        said = re.search(r"<span>(.*?)</span>", row, re.DOTALL)
        assert who
        assert said
        found.append((who[1], Markup(said[1]).striptags()))
    return found


def add(store: Store, who: str, what: str, subject: str = "", **details: Any) -> None:
    AuditTrail(store).add(who, what, subject, details, at=NOON)


def test_a_changed_label_is_told_with_what_the_cell_was_before(config: Config, store: Store) -> None:
    reclassify(store, [1, 2], "monocyte")
    assert lines(a_reader(config))[0] == (
        "anna",
        f"Changed 2 cells of run {RUN[:8]}: Lymphocyte → Monocyte.",
    )


def test_a_change_taken_back_says_so(config: Config, store: Store) -> None:
    batch = reclassify(store, [4], "lymphocyte")["batch"]
    ask(store, "undo_reclassification", batch=batch, by="anna")
    assert lines(a_reader(config))[0][1] == (
        f"Took back a change of 1 cell of run {RUN[:8]}: Lymphocyte → Blast."
    )


def test_who_reads_a_run_blind_learns_no_label_of_it_from_the_trail(config: Config, store: Store) -> None:
    reclassify(store, [4], "lymphocyte")
    ask(store, "begin_second_reading", by=a_person(config))
    page = a_reader(config).get("/audit").text
    assert "you read it blind" in page
    assert "lymphocyte" not in page.lower()


def test_a_signature_leads_to_the_run(config: Config, store: Store) -> None:
    reclassify(store, [5], "lymphocyte")
    signed(store, "preliminary")
    client = a_reader(config)
    assert lines(client)[0][1] == f"Signed run {RUN[:8]} as preliminary."
    assert f'<a href="/runs/{RUN}">{RUN[:8]}</a>' in client.get("/audit").text


@pytest.mark.parametrize(
    ("who", "what", "subject", "details", "by", "said"),
    [
        ("anna", "sign-in", "anna", {"how": "pin"}, "anna", "Signed in, by PIN."),
        ("anna", "sign-in refused", "", {"how": "pin"}, "anna", "A sign-in as anna was refused: the PIN did not fit."),
        ("anna", "sign-in refused", "", {"how": "pin", "for": "sign-in"}, "anna",
         "A sign-in as anna was refused: the PIN did not fit."),
        ("anna", "sign-in refused", "", {"how": "password from afar", "for": "signature"}, "anna",
         "A signature as anna from another machine was refused: the password did not fit."),
        ("anna", "sign-in refused", "", {"how": "pin", "for": "change"}, "anna",
         "A new PIN for anna was refused: the old PIN did not fit."),
        ("?", "sign-in refused", "", {"how": "password"}, "nobody known",
         "A sign-in was refused: nobody here has the name that was given."),
        ("?", "link", RUN, {"opened": "3"}, "a phone, by link 3", f"Opened a link that shows run {RUN[:8]}."),
        ("command line", "resume", RUN, {}, "command line", f"Let run {RUN[:8]} go on."),
        ("token 7f", "export", RUN, {"kind": "pdf", "identity": "masked"}, "a program, by token 7f",
         f"Took run {RUN[:8]} out as PDF, the sample number masked."),
        ("anna", "export", RUN, {"kind": "csv", "identity": "none"}, "anna",
         f"Took run {RUN[:8]} out as CSV; it has no sample number."),
        ("anna", "account", "emil", {"role": "viewer", "pin": "changed"}, "anna",
         "Changed the account emil: the role is Viewer now, a new PIN."),
        ("anna", "of another version", "x", {}, "anna", "of another version x"),
        ("anna", "export", RUN, {}, "anna", f"Export {RUN[:8]}"),
        ("<b>", "start", RUN, {}, "&lt;b&gt;", f"Started run {RUN[:8]}."),
    ],
)  # fmt: skip
def test_every_kind_of_line_is_a_sentence(
    config: Config, store: Store, who: str, what: str, subject: str, details: Any, by: str, said: str
) -> None:
    add(store, who, what, subject, **details)
    assert lines(a_reader(config))[0] == (by, said)


def test_the_row_stands_whole_below_its_sentence(config: Config, store: Store) -> None:
    reclassify(store, [1], "monocyte")
    page = a_reader(config).get("/audit").text
    assert "reading: review" in page
    assert AuditTrail(store).entries(1)[0].digest in page


def test_the_trail_is_shown_of_one_kind_one_person_and_one_run(config: Config, store: Store) -> None:
    for who, what, subject in (
        ("anna", "start", RUN),
        ("emil", "start", RUN),
        ("anna", "stop", "another run"),
    ):
        add(store, who, what, subject)
    client = a_reader(config)
    assert len(lines(client)) == 3
    assert [who for who, _ in lines(client, "/audit?kind=start")] == ["emil", "anna"]
    assert [who for who, _ in lines(client, "/audit?kind=start&person=anna")] == ["anna"]
    assert len(lines(client, f"/audit?run={RUN}")) == 2
    assert "2 lines" in client.get("/audit?kind=start").text


def test_older_lines_are_of_the_same_kind(config: Config, store: Store) -> None:
    for n in range(150):
        add(store, "anna", "start" if n % 3 else "stop", RUN)
    for _ in range(60):
        add(store, "anna", "start", RUN)
    page = a_reader(config).get("/audit?kind=start").text
    address = re.search(r'href="(/audit\?before=[^"]*)"', page)
    assert address
    assert "kind=start" in address[1]


CUT = "ended without saying so: a power cut, a failure, or it was killed"


def test_the_trail_tells_a_start_after_a_power_cut_from_one_after_an_end(
    config: Config, store: Store
) -> None:
    say_started(store, NOON)
    say_ended(store, NOON)
    say_started(store, NOON + timedelta(minutes=1))
    say_started(store, NOON + timedelta(minutes=2))
    cut, fine, _, first = lines(a_reader(config))
    assert CUT in cut[1]
    assert CUT not in fine[1] + first[1]
    assert first[0] == "the instrument"


def test_the_first_start_after_a_backup_was_put_back_is_told_of_no_power_cut(
    config: Config, store: Store
) -> None:
    say_started(store, NOON)  # the running instrument that made the backup
    add(store, "command line", "restore", "hemadiff-2026-03-02.sqlite")
    say_started(store, NOON + timedelta(minutes=1))
    say_started(store, NOON + timedelta(minutes=2))
    cut, restored, *_ = lines(a_reader(config))
    assert CUT not in restored[1]
    assert CUT in cut[1]


ODD: tuple[Any, ...] = (None, 7, True, "", "text", [], [None], {}, {"a": [1]})


@pytest.mark.parametrize("what", [*KINDS, "of another version"])
def test_no_row_takes_the_page_away_whatever_stands_in_it(config: Config, store: Store, what: str) -> None:
    reclassify(store, [1], "monocyte")
    keys = {
        "how", "for", "added", "first", "role", "disabled", "revoked", "days", "opened", "ended", "hours", "step",
        "runs", "made", "withdrawn", "version", "in order before", "cells", "to", "reading", "batch", "undoes",
        "status", "kind", "identity", "layout", "passed", "located", "missed", "false finds", "field",
    }  # fmt: skip
    for subject in (RUN, "no run"):
        for odd in ODD:
            add(store, "anna", what, subject, **dict.fromkeys(keys, odd))
            for key in ("kind", "to", "step"):
                add(
                    store,
                    "anna",
                    what,
                    subject,
                    **{"reading": "review", "batch": "b", "cells": [1], key: odd},
                )
    assert len(lines(a_reader(config))) == 1 + 2 * 4 * len(ODD)


def test_a_run_whose_panel_nobody_knows_takes_no_time_to_look_for_it(
    config: Config, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    reclassify(store, [1], "monocyte")
    looked: list[str] = []
    monkeypatch.setattr(audit_words, "load_panel", looked.append)
    monkeypatch.setattr(audit_words.AuditWords, "_panel_of", lambda *_: "")
    assert "lymphocyte → monocyte" in lines(a_reader(config))[0][1]
    assert looked == []
