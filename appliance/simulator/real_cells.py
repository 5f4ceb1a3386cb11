"""Real cells in place of drawn ones. Not ready yet: asking for them is refused."""

from __future__ import annotations

from pathlib import Path

from appliance.errors import ApplianceRefused


class RealCells:
    """Refuses."""

    digest = ""

    def __init__(self, folder: Path, sources: tuple[str, ...], labels: tuple[str, ...]) -> None:
        raise ApplianceRefused("Real cells cannot be blended into a simulated smear yet. Leave cells out.")
