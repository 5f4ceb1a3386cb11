"""A cascade is data, and bad data is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders_networks import GUIDANCE

from models.cascade_file import read_cascade
from models.errors import ModelRefused

HEAD = 'panel = "smear-13"\nnetwork = "cells"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD, 'the key "guidance" is missing'),
        (HEAD + "colour = 1\n" + GUIDANCE, 'no key "colour"'),
        (HEAD + GUIDANCE.replace("0.5", "0.9"), "identified_from ≤ below"),
        (HEAD + GUIDANCE + '[[specialist]]\nnetwork = "x"\ntask = "guess"\n', 'not "guess"'),
        (HEAD + GUIDANCE + '[[specialist]]\nnetwork = "x"\ntask = "find"\n', '"labels" is missing'),
        ("panel = ", "Invalid value"),
    ],
)
def test_a_bad_cascade_is_refused_with_the_key(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(ModelRefused, match=said):
        read_cascade("mine", tmp_path)


def test_a_missing_cascade_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="cannot be read"):
        read_cascade("none", tmp_path)


def test_specialists_are_read_in_their_order(tmp_path: Path) -> None:
    more = (
        '[[specialist]]\nnetwork = "one"\ntask = "decide"\n[[specialist]]\nnetwork = "two"\ntask = "decide"\n'
    )
    (tmp_path / "mine.toml").write_text(HEAD + GUIDANCE + more)
    recipe = read_cascade("mine", tmp_path)
    assert [s.network for s in recipe.specialists] == ["one", "two"]
    assert recipe.guidance.shifts_px == ((-3, 0), (3, 0))
