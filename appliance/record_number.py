"""The number by which a laboratory knows a sample: kept in one table, shown masked everywhere else."""

from __future__ import annotations

from appliance.errors import ApplianceRefused

LONGEST = 64
SHOWN = 3


def checked_record_number(given: str | None) -> str | None:
    """Return a number as it is kept; None for none. Raises ApplianceRefused for one that no barcode holds."""
    number = (given or "").strip()
    if not number:
        return None
    if len(number) > LONGEST or not number.isprintable():
        raise ApplianceRefused(
            f"A sample's number has at most {LONGEST} printable characters. Scan it again."
        )
    return number


def masked(number: str) -> str:
    """Return a number as those see it who need only tell two apart: its end, at most a third of it."""
    shown = min(SHOWN, len(number) // 3)
    return "•" * 4 + (number[-shown:] if shown else "")
