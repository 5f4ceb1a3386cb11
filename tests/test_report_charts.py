"""Charts of a report, drawn from little or nothing."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from models.confusion import draw_confusion
from models.curves import precision_recall, reliability
from models.report_charts import draw_map, draw_precision_recall, draw_reliability

CURVES = {
    "blast": precision_recall([0.9, 0.4], [True, False], 1),
    "mitosis": precision_recall([0.4], [False], 0),
}
ACHIEVED = {"blast": (1.0, 1.0), "mitosis": (float("nan"), float("nan"))}
PLACES = np.arange(60, dtype=np.float32).reshape(30, 2)
DRAWINGS = {
    "precision": partial(draw_precision_recall, CURVES, ACHIEVED, title="a", dot="b"),
    "reliability": partial(
        draw_reliability, {"one": reliability([0.7], [True]), "none": reliability([], [])}, title="a"
    ),
    "no source": partial(draw_reliability, {}, title="a"),
    "map": partial(draw_map, PLACES, ["a"] * 30, ["a", "b"], ["s"] * 30, title="a"),
    "confusion": partial(draw_confusion, ("a", "b", "c"), ((3, 1, 0), (0, 0, 0), (0, 0, 0)), title="a"),
    "no cells": partial(draw_confusion, ("a", "b"), ((0, 0), (0, 0)), title="a"),
}


@pytest.mark.filterwarnings("error::RuntimeWarning", "error::UserWarning")
@pytest.mark.parametrize("name", DRAWINGS)
def test_a_chart_of_little_or_nothing_is_drawn_on_screen_and_for_print(tmp_path: Path, name: str) -> None:
    DRAWINGS[name](path=tmp_path / "a.png")
    DRAWINGS[name](path=tmp_path / "a.svg")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()


def test_the_same_figures_give_the_same_file(tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        DRAWINGS["map"](path=tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_a_name_is_written_as_it_is(tmp_path: Path) -> None:
    kinds = ["$\\alpha <&"] * 30
    draw_map(PLACES, kinds, kinds[:1], kinds, tmp_path / "a.svg", "100 $ and $\\oops{")
    assert (tmp_path / "a.svg").stat().st_size > 1000
