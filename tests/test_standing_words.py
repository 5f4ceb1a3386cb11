"""Where a run stands is said by pages in the reader's language, and in English as the report says it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from builders_web import a_hub, settings

from appliance import step
from appliance.review import obstacles
from appliance.review.obstacles import Phrase
from appliance.review.signature import Signature, Standing, Status
from web import words
from web.app import create_app
from web.standing_words import OBSTACLES, phrase_said, standing_sentence


def stands(status: Status | None, *, changed: bool) -> Standing:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    last = None if status is None else Signature(1, status, "d", "{}", 0, "anna", now, "")
    return Standing(last, changed, (), (), None)


@pytest.mark.parametrize("changed", [False, True])
def test_in_english_a_page_says_what_the_report_says(tmp_path: Path, changed: bool) -> None:
    config = settings(tmp_path)
    with create_app(config, a_hub(config)).test_request_context():
        for status in (None, *Status):
            now = stands(status, changed=changed and status is not None)
            assert standing_sentence(now) == str(now)


def test_whatever_keeps_from_signing_is_said_in_the_readers_language(tmp_path: Path) -> None:
    sentences = {each for name, each in vars(obstacles).items() if name.isupper()}
    assert set(OBSTACLES) == sentences
    config = settings(tmp_path)
    with create_app(config, a_hub(config)).test_request_context():
        assert {str(OBSTACLES[each]) for each in sentences} == sentences
    phrase = Phrase(obstacles.SIGNED, {"who": "anna", "status": "final"})
    with create_app(config, a_hub(config)).test_request_context(headers={"Accept-Language": "de"}):
        assert "endgültig" in phrase_said(phrase)


STATIC = Path(words.__file__).parent / "static"


def standing_said() -> set[str]:
    """Every sentence of a standing, as a script has it."""
    all_of_them = [stands(None, changed=False)] + [
        stands(status, changed=changed) for status in Status for changed in (False, True)
    ]
    return {_without_names(str(each)) for each in all_of_them}


def _without_names(sentence: str) -> str:
    return re.sub(rf"as ({'|'.join(Status)}) by anna", "as {status} by {who}", sentence)


@pytest.mark.parametrize(
    ("sentences", "script"),
    [(set(step.SENTENCES.values()), "run_words.js"), (standing_said(), "review/standing.js")],
    ids=["steps", "standings"],
)
def test_what_a_script_says_of_steps_and_standings_is_what_the_instrument_says(
    sentences: set[str], script: str
) -> None:
    assert sentences <= set(words.SENTENCES)
    source = (STATIC / script).read_text("utf-8")
    assert {each for each in sentences if f'_("{each}"' not in source} == set()
    assert set(Status) <= set(words.STANDINGS)
