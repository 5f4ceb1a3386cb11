"""What is done before the first field is told in a sentence and, for other languages, by its kind and numbers."""

from __future__ import annotations

import pytest
from builders_web import a_run

from appliance.step import SENTENCES, Step, said, step_of


@pytest.mark.parametrize("step", Step)
def test_every_step_is_known_again_by_its_sentence(step: Step) -> None:
    numbers = (6, 9) if "{of}" in SENTENCES[step] else (None, None)
    assert step_of(said(step, 6, 9)) == {"kind": str(step), "at": numbers[0], "of": numbers[1]}


def test_another_sentence_is_no_step() -> None:
    assert step_of("Focus was not found at 2 of 9 places; the others were enough.") is None


def test_only_a_run_that_is_being_prepared_has_a_step() -> None:
    reason = said(Step.FOCUSING, 6, 9)
    assert a_run("preparing", reason=reason)["step"] == {"kind": "focusing", "at": 6, "of": 9}
    assert a_run("paused", reason=reason)["step"] is None
