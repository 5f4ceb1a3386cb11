"""How well ruled lines are known: claims hold where segments, whole lines or whole levels are off."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.line_plane import fitted

LINES, LEVELS, SPACING_PX, STEP_PX = 14, 30, 90.0, 16.0
TRUE = np.array([1 / SPACING_PX, 0.0])


def squared(
    rng: np.random.Generator, lines_px: float = 0.0, levels_px: float = 0.0, drift: int = 1
) -> np.ndarray:
    """(Error / claimed)² across and along the lines. drift: how many neighbouring levels are off together."""
    line, level = (each.ravel() for each in np.meshgrid(np.arange(LINES), np.arange(LEVELS), indexing="ij"))
    x, y = line * SPACING_PX, level * STEP_PX
    columns = np.column_stack([x - x.mean(), y - y.mean(), np.ones(len(x))])
    off = rng.normal(0, 0.03, len(x)) + rng.normal(0, 1, LINES)[line] * lines_px
    off = off + np.repeat(rng.normal(0, 1, LEVELS), drift)[level] * levels_px
    numbers = columns[:, :2] @ TRUE + off / SPACING_PX
    fit = fitted(columns, numbers, line, level)
    return np.asarray((fit.plane[:2] - TRUE) ** 2 / np.diag(fit.covariance))


@pytest.mark.parametrize(
    "off",
    [{}, {"lines_px": 0.03}, {"levels_px": 0.03}, {"lines_px": 0.02, "levels_px": 0.02, "drift": 2}],
    ids=["segments", "lines", "levels", "lines and drifting levels"],
)
def test_claims_hold_whatever_is_off_together(off: dict[str, float]) -> None:
    rng = np.random.default_rng(11)
    across, along = np.mean([squared(rng, **off) for _ in range(200)], axis=0)  # type: ignore[arg-type]
    assert 0.7 < across < 1.4
    assert 0.7 < along < 1.4


def ticks(rng: np.random.Generator, off_px: float, lines: int = 12) -> tuple[np.ndarray, ...]:
    """Columns, number, line and level of a ruler's segments: every fifth line is twice as long as its neighbours."""
    line = np.concatenate([np.full(20 if k % 5 == 0 else 10, k) for k in range(lines)])
    level = np.concatenate([np.arange(20 if k % 5 == 0 else 10) for k in range(lines)])
    x = line * SPACING_PX + (rng.normal(0, 1, lines) * off_px)[line] + rng.normal(0, 0.01, len(line))
    y = level * STEP_PX
    return np.column_stack([x - x.mean(), y - y.mean(), np.ones(len(x))]), line.astype(float), line, level


def test_lines_that_are_off_do_not_turn_the_direction() -> None:
    for seed in range(20):
        a, b, _ = fitted(*ticks(np.random.default_rng(seed), off_px=0.5)).plane
        assert abs(b / a) < 2e-4  # by least squares over all segments alike it is 1e-3


@pytest.mark.parametrize("lines", [4, 7, 12, 30])
def test_claims_hold_for_few_lines_of_unlike_lengths(lines: int) -> None:
    rng = np.random.default_rng(3)
    squares = []
    for _ in range(150):
        fit = fitted(*ticks(rng, 0.5, lines))
        squares.append((fit.plane[:2] - TRUE) ** 2 / np.diag(fit.covariance))
    within = np.mean(np.array(squares) < 1.96**2, axis=0)
    assert within.min() >= 0.9


def test_no_picture_tells_a_direction_better_than_pixels_allow() -> None:
    line, level = (each.ravel() for each in np.meshgrid(np.arange(LINES), np.arange(LEVELS), indexing="ij"))
    columns = np.column_stack([line * SPACING_PX, level * STEP_PX, np.ones(len(line))])
    known = fitted(columns, columns[:, :2] @ TRUE, line, level).covariance
    assert np.sqrt(known[1, 1]) * SPACING_PX * (LEVELS - 1) * STEP_PX == pytest.approx(0.0007)
