"""Which cells teach, which settle and which judge: by smear, so that no smear is on both sides."""

from __future__ import annotations

from collections.abc import Iterable

TURNS = ("train", "val", "test", "train", "train", "train", "train")
"""Smears in the order in which they came; one that comes later moves none. Five in seven teach."""


def splits(smears: Iterable[str]) -> dict[str, str]:
    """Return the split of every smear. smears: of fields and cells in their order; a smear may be there again."""
    return {smear: TURNS[n % len(TURNS)] for n, smear in enumerate(dict.fromkeys(smears))}
