"""A report on paper: all that was said is on it, on as many sheets as it needs, with the same head and foot on each."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest
from builders_review import RUN, ask, ended, reclassify, signed
from builders_store import at

from appliance.reports import fitted
from appliance.reports.fitted import broken, width_em
from appliance.reports.report_pdf import report_pdf, report_sheets
from appliance.reports.result import Pictures, result_of
from appliance.review.case import open_case
from appliance.review.statement import COVERED
from appliance.run import State
from appliance.store import Store

NO_PICTURES = Pictures((), None)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "store.sqlite") as made:
        ended(made, ["lymphocyte", "monocyte", "blast"], record_number="H-2026-1234")
        yield made


def sheets(store):
    return report_sheets(result_of(store, RUN, unmasked=False), NO_PICTURES).said


def words(store):
    return " ".join(piece for sheet in sheets(store) for piece in sheet).split()


def test_an_ordinary_report_is_one_sheet(store):
    signed(store, "final")
    (sheet,) = sheets(store)
    assert "page 1 of 1" in sheet


def test_that_a_count_stood_still_is_on_its_report(store):
    assert "Stood still" not in sheets(store)[0]
    for second, state in (
        (60, State.PAUSED),
        (3660, State.COUNTING),
        (3700, State.PAUSED),
        (3760, State.COMPLETED),
    ):
        store.set_state(RUN, state, "As the test needs it.", at(second))
    assert "Stood still 2 times, for 61 minutes in all; first at 2026-03-01 12:01 UTC" in " ".join(
        sheets(store)[0]
    )


def test_a_value_beyond_its_reference_range_is_marked_and_the_bars_are_explained(store):
    ended(store, ["basophil"] * 40 + ["lymphocyte"] * 40, run="c0ffee00", seconds=50)
    said = report_sheets(result_of(store, "c0ffee00", unmasked=False), NO_PICTURES).said[0]
    assert "▲ 50.0" in said
    assert {
        "Reference %",
        "percent",
        "95 % limits",
        "reference",
        "0",
        "▲ above, ▼ below the reference range with both 95 % limits",
    } <= set(said)
    assert "Sample none given" in " ".join(said)


def test_what_a_digest_covers_is_the_last_thing_that_a_report_says(store):
    signed(store, "final")
    ask(store, "add_note", by="anna", text="Old smear.")
    said = " ".join(words(store))
    assert said.index("Old smear.") < said.index("Digest of what was signed last")


def test_every_word_of_a_long_note_is_on_the_report(store):
    said = [f"word{n}" for n in range(500)]
    ask(store, "add_note", by="anna", text=" ".join(said))
    assert [word for word in words(store) if word.startswith("word")] == said


def test_a_report_that_goes_on_has_the_same_head_and_foot_on_every_sheet(store):
    digest = open_case(store, RUN).digest
    signed(store, "preliminary")
    for _ in range(3):
        ask(store, "add_note", by="anna", text="A word. " * 480)
    pages = sheets(store)
    for n, page in enumerate(pages, 1):
        assert f"page {n} of {len(pages)}" in page
        whole = " ".join(page)
        for said in (f"run {RUN}", "PRELIMINARY", "Research use only", f"what was signed last: {digest}"):
            assert said in whole
    assert len(pages) > 1


def test_the_last_signature_is_there_in_full_and_the_earlier_ones_in_a_list(store):
    signed(store, "final", note="First.")
    for n in range(7):
        reclassify(store, [1], "monocyte" if n % 2 == 0 else "lymphocyte")
        signed(store, "amended", by="ben", note=f"Amendment {n}.")
    said = " ".join(words(store))
    assert f"Digest of what was signed last: {open_case(store, RUN).digest}." in said
    assert re.findall(r"(?:First|Amendment \d)\.", said) == [
        "Amendment 6.", *(f"Amendment {n}." for n in range(5, -1, -1)), "First.",
    ]  # fmt: skip


def test_all_marks_are_shown(store):
    store.add_marks(RUN, [f"Mark number {n}." for n in range(30)], at(50))
    said = " ".join(words(store))
    assert all(f"Mark number {n}." in said for n in range(30))


def test_many_marks_push_nothing_of_the_differential_from_the_first_sheet(store):
    store.add_marks(RUN, [f"Mark number {n}." for n in range(60)], at(50))
    result = result_of(store, RUN, unmasked=False)
    first, second, *_ = report_sheets(result, NO_PICTURES).said
    assert {"Cell", "95 % limits", *(row.title for row in result.tally.rows)} <= set(first)
    assert any(piece.startswith("Cells counted: 3") for piece in first)
    assert "60 sentences to know of this result, below the differential" in first
    assert "Mark number 59." in second


def test_the_head_of_its_columns_stands_over_every_row_of_the_differential(store):
    result = result_of(store, RUN, unmasked=False)
    long = replace(result, run=replace(result.run, reason="A word. " * 620))
    (with_head,) = [sheet for sheet in report_sheets(long, NO_PICTURES).said if "95 % limits" in sheet]
    assert {row.title for row in result.tally.rows} <= set(with_head)


@pytest.mark.parametrize("where", ["mark", "camera", "reason"])
def test_a_box_for_a_character_is_explained_wherever_it_stands(store, where):
    result = result_of(store, RUN, unmasked=False)
    changed = {"marks": ("漢字",)} if where == "mark" else {where: "漢字"}
    odd = replace(result, run=replace(result.run, **changed))
    explained = "□ stands for a character that this font lacks."
    (plain,), (boxed,) = (
        [" ".join(sheet) for sheet in report_sheets(each, NO_PICTURES).said] for each in (result, odd)
    )
    assert (explained in plain, explained in boxed) == (False, True)


def test_a_note_says_who_wrote_it_and_that_it_is_not_part_of_what_was_signed(store):
    ask(store, "add_note", by="anna", text="Old smear.")
    said = " ".join(words(store))
    assert "anna, 2026-03-01 12:01 UTC: Old smear." in said
    assert "They are not part of what was signed." in said


def test_a_report_says_of_every_part_of_a_statement_that_the_digest_covers_it(store):
    assert set(COVERED) == set(open_case(store, RUN).statement) - {"format"}
    assert ", ".join(COVERED.values()) in " ".join(words(store))


def test_a_result_changed_since_it_was_signed_has_both_digests(store):
    before = open_case(store, RUN).digest
    signed(store, "final")
    reclassify(store, [1], "monocyte")
    said = " ".join(words(store))
    assert f"Digest of what was signed last: {before}." in said
    assert f"Digest of this result, which is not signed: {open_case(store, RUN).digest}." in said


def test_a_record_that_does_not_fit_its_signature_is_no_final_result(store):
    signed(store, "final")
    store.add_marks(RUN, ["Set later."], at(50))
    assert "DOES NOT FIT WHAT WAS SIGNED" in sheets(store)[0]


@pytest.mark.parametrize("text", ["W" * 500, "i" * 900, "two words " * 90, "a\tb\r\nc", "漢字 \U0001f600"])
def test_no_line_is_wider_than_its_place(text):
    lines = broken(text, 8, 300)
    assert max(width_em(line) * 8 for line in lines) <= 300
    assert len("".join("".join(lines).split())) == len("".join(text.split()))


@pytest.mark.parametrize("text", ["W" * 4000, "i" * 4000, "-" * 1999 + " " + "=" * 2000, "漢" * 4000])
def test_the_longest_word_is_measured_a_few_times_and_no_more(text, monkeypatch):
    measured = Counter()
    real = fitted._advance

    def counting(letter):
        measured["letters"] += 1
        return real(letter)

    monkeypatch.setattr(fitted, "_advance", counting)
    lines = broken(text, 8, 506)
    assert "".join(lines).replace(" ", "") == fitted.shown(text).replace(" ", "")
    assert measured["letters"] <= 4 * len(text)


def test_a_note_of_whatever_letters_makes_the_same_file_twice(store):
    ask(store, "add_note", by="anna", text="αβγ Жж 漢字 \U0001f600 \x07 $x^2$ {} \\frac")
    result = result_of(store, RUN, unmasked=False)
    assert report_pdf(result, NO_PICTURES) == report_pdf(result, NO_PICTURES)
