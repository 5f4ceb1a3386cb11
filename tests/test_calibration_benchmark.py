"""`python -m benchmarks.calibration`: what its table says, and that a long measurement can be continued."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.calibration import PARTS, Part, measure
from benchmarks.calibration_geometry import Trial
from benchmarks.calibration_table import markdown, rows, within_limit
from benchmarks.trial_file import TrialFile, sources_digest
from calibration.measured import Measured

PIXEL = "ruler: pixel size"


def trial(value: float, uncertainty: float, truth: float = 0.1, instrument: int = 0) -> Trial:
    return Trial(PIXEL, instrument, truth, Measured(value, uncertainty, "µm/px"))


def counting(seen: list[int]) -> dict[str, Part]:
    def tried(number: int) -> Iterator[Trial]:
        seen.append(number)
        yield trial(0.1, 0.001, instrument=number)

    return {"rulers": Part(tried, ("calibration.ruler",))}


def test_errors_of_pixel_sizes_are_held_against_their_limit_in_per_cent() -> None:
    trials = [trial(0.1002, 0.0001), trial(0.1004, 0.0001), Trial(PIXEL, 2, 0.1, None, "no ruler")]
    assert within_limit(trials, PIXEL) == 0.5
    (row,) = rows(trials)
    assert row[1:3] == ("2", "1")
    assert row[-2:] == ("0.3 %", "50.0 %")


@pytest.mark.parametrize(("uncertainty", "starred"), [(0.0001, False), (0.00005, True), (0.0004, True)])
def test_a_claim_that_is_too_narrow_or_too_wide_has_a_star(uncertainty: float, starred: bool) -> None:
    trials = [trial(0.1 + off, uncertainty) for off in (0.0001, -0.0001, 0.0001)]
    assert rows(trials)[0][7].endswith("*") == starred


def test_a_value_without_a_limit_has_a_dash(tmp_path: Path) -> None:
    text = markdown([Trial("tilt along x", 0, 1.0, Measured(1.0, 0.1, ""))])
    assert text.splitlines()[-1].endswith("| – | – |")


def test_what_was_measured_is_kept_and_only_the_rest_is_measured_later(tmp_path: Path) -> None:
    seen: list[int] = []
    measure(TrialFile.opened(tmp_path / "c.json"), counting(seen), range(2))
    again = TrialFile.opened(tmp_path / "c.json")
    measure(again, counting(seen), range(3))
    assert seen == [0, 1, 2]
    assert [each.instrument for each in again.all()] == [0, 1, 2]
    assert again.all()[0].measured == Measured(0.1, 0.001, "µm/px")


def test_a_refusal_is_kept_as_one(tmp_path: Path) -> None:
    file = TrialFile.opened(tmp_path / "c.json")
    file.missing("rulers", "a", [])
    file.add("rulers", 4, [Trial(PIXEL, 4, float("nan"), None, "Too dark.")])
    (kept,) = TrialFile.opened(tmp_path / "c.json").all()
    assert kept.measured is None
    assert kept.refused == "Too dark."


def test_routines_that_have_changed_are_tried_anew(tmp_path: Path) -> None:
    file = TrialFile.opened(tmp_path / "c.json")
    file.missing("rulers", "before", [])
    file.add("rulers", 0, [trial(0.1, 0.001)])
    assert TrialFile.opened(tmp_path / "c.json").missing("rulers", "before", [0, 1]) == [1]
    assert TrialFile.opened(tmp_path / "c.json").missing("rulers", "after", [0, 1]) == [0, 1]


def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(json.dumps({"tables": []}))
    with pytest.raises(ValueError, match=r"c\.json holds no trials of calibration.*Name another file"):
        TrialFile.opened(tmp_path / "c.json")


def test_every_part_is_known_by_sources_that_are_there() -> None:
    digests = {name: sources_digest(part.modules) for name, part in PARTS.items()}
    assert len(set(digests.values())) == len(PARTS)
    assert sources_digest(["calibration.nothing"]) not in digests.values()
