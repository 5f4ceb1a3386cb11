"""The play of z, from heights of best focus that are approached from below and from above."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.errors import CalibrationRefused
from calibration.focus_checks import measure_z_backlash
from calibration.measured import Measured

PLAY_UM = 1.8


def peaks(
    play_um: float = PLAY_UM, pairs: int = 4, unsure_um: float = 0.02, shaken_um: float = 0.0, seed: int = 0
) -> tuple[list[Measured], list[Measured]]:
    """Heights of best focus from below and from above, as well known as they say, of a stand that is shaken."""
    rng = np.random.default_rng(seed)
    off = rng.normal(0, unsure_um, (2, pairs))
    off[1] += rng.normal(0, shaken_um, pairs)
    below, above = (
        [Measured(1000 + each, unsure_um, "µm") for each in side] for side in (off[0], off[1] - play_um)
    )
    return below, above


def test_the_play_is_how_much_lower_focus_is_told_from_above() -> None:
    found = measure_z_backlash(*peaks())
    assert found.um.value == pytest.approx(PLAY_UM, abs=0.05)
    assert found.pairs == 4


@pytest.mark.parametrize("shaken_um", [0.0, 0.05])
def test_claims_are_honest(shaken_um: float) -> None:
    found = [measure_z_backlash(*peaks(shaken_um=shaken_um, pairs=6, seed=n)).um for n in range(600)]
    ratios = np.array([(each.value - PLAY_UM) / each.uncertainty for each in found])
    assert np.mean(np.abs(ratios) <= 1.96) >= 0.9
    assert 0.7 <= np.mean(ratios**2) <= 1.4


def test_a_stage_without_play_has_about_none() -> None:
    um = measure_z_backlash(*peaks(play_um=0.0)).um
    assert abs(um.value) < 3 * um.uncertainty


@pytest.mark.parametrize(
    ("play_um", "pairs", "shaken_um", "said"),
    [
        (PLAY_UM, 1, 0.0, "1 pairs of focus stacks are too few"),
        (PLAY_UM, 6, 20.0, "differs by .* from one pair of focus stacks to the next"),
        (-3.0, 4, 0.0, "makes up for more backlash than there is"),
    ],
)
def test_what_is_no_play_is_refused(play_um: float, pairs: int, shaken_um: float, said: str) -> None:
    with pytest.raises(CalibrationRefused, match=said):
        measure_z_backlash(*peaks(play_um, pairs, shaken_um=shaken_um))


def test_stacks_without_partners_are_refused() -> None:
    below, above = peaks()
    with pytest.raises(CalibrationRefused, match="are no pairs"):
        measure_z_backlash(below, above[1:])
