"""Where a run stands is said by pages in the reader's language, and in English as the report says it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from builders_web import a_hub, settings

from appliance.review.signature import Signature, Standing, Status
from web.app import create_app
from web.standing_words import standing_sentence


def stands(status: Status | None, *, changed: bool) -> Standing:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    last = None if status is None else Signature(1, status, "d", "{}", 0, "anna", now, "")
    return Standing(last, changed, (), "", "")


@pytest.mark.parametrize("changed", [False, True])
def test_in_english_a_page_says_what_the_report_says(tmp_path: Path, changed: bool) -> None:
    config = settings(tmp_path)
    with create_app(config, a_hub(config)).test_request_context():
        for status in (None, *Status):
            now = stands(status, changed=changed and status is not None)
            assert standing_sentence(now) == str(now)
