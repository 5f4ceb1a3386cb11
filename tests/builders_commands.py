"""The command line with an analyser that reads its answers from the pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders_instrument import PANEL, SAYS, PixelAnalyser
from click.testing import CliRunner, Result

from appliance.cli import cli
from models import ModelRefused, Opinion
from models.guidance import Guidance


def hemadiff(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words], prog_name="hemadiff")


def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without settings; return where their store is."""
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "HEMADIFF_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HEMADIFF_STORE__PATH", str(tmp_path / "s.sqlite"))
    return tmp_path / "s.sqlite"


def with_analyser(monkeypatch: pytest.MonkeyPatch, analyser: Any = None) -> None:
    made = analyser or PixelAnalyser()
    monkeypatch.setattr("appliance.network_analyser.load_analyser", lambda *_: made)


class PixelCascade:
    """Names the cell by the pixel in the middle of the picture; its window is 8 px wide."""

    name, engine, outputs = "pixels 1", "pixels, no device", SAYS
    guidance = Guidance(0.8, (), False, 0.5)

    def __init__(self) -> None:
        self.centres: list[tuple[float, float]] = []

    def refuse_too_coarse(self, um_per_px: float) -> None:
        if um_per_px > 0.22:
            raise ModelRefused(f"{um_per_px:g} µm/px is too coarse.")

    def examine(
        self, pixels: np.ndarray, um_per_px: float, centres: Sequence[tuple[float, float]]
    ) -> list[tuple[np.ndarray, Opinion] | None]:
        self.centres += centres
        return [self._examine(pixels, int(x), int(y)) for x, y in centres]

    def _examine(self, pixels: np.ndarray, x: int, y: int) -> tuple[np.ndarray, Opinion] | None:
        if min(pixels.shape[:2]) < 8:
            return None
        code = int(pixels[y, x, 0])
        p = np.full(len(SAYS), 0.02, np.float32)
        p[code] = 0.4 if SAYS[code] == "unidentified" else 0.76
        views = 5 if p[code] < 0.5 else 1
        label = SAYS[code]
        return pixels, Opinion(label, float(p[code]), p, label, float(p[code]), p, views)


def centred(label: str, height: int = 16, width: int = 24) -> np.ndarray:
    """A picture with one cell in its middle."""
    pixels = np.full((height, width, 3), 90, np.uint8)
    pixels[..., 0] = PANEL.names.index("artefact")
    pixels[height // 2, width // 2, 0] = SAYS.index(label)
    return pixels
