"""How far a counted percentage may be from the true one."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=65536)
def clopper_pearson(count: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact limits of a proportion, in percent.

    count of total cells; confidence between 0 and 1.  Of no cells nothing is known: 0 to 100.
    Raises ValueError where 0 ≤ count ≤ total does not hold.
    Source: Clopper and Pearson 1934, Biometrika 26:404, as quantiles of the beta distribution.
    """
    if not 0 <= count <= total:
        raise ValueError(f"{count} of {total} is no proportion.")
    if not 0 < confidence < 1:
        raise ValueError(f"A confidence of {confidence:g} is not between 0 and 1.")
    from scipy.special import (
        betaincinv,
    )  # here: it costs a quarter of a second that most commands need not pay

    tail = (1 - confidence) / 2
    low = float(betaincinv(count, total - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, total - count, 1 - tail)) if count < total else 1.0
    return 100 * low, 100 * high
