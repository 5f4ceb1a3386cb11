"""Trials in a file that grows instrument by instrument, so that a long measurement can be continued."""

from __future__ import annotations

import ast
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.calibration_geometry import Trial
from calibration.measured import Measured

ROOT = Path(__file__).parents[1]
PACKAGES = ("calibration", "benchmarks")


@dataclass(slots=True)
class TrialFile:
    """Every value of every instrument that was measured, by part ("rulers"), and by which sources."""

    path: Path
    trials: dict[str, dict[int, list[Trial]]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    @classmethod
    def opened(cls, path: Path) -> TrialFile:
        """Read what is there. Raises ValueError for a file that is something else."""
        if not path.exists():
            return cls(path)
        try:
            parts = json.loads(path.read_text(encoding="utf-8"))["parts"]
            trials = {name: _by_instrument(map(_trial, part["trials"])) for name, part in parts.items()}
            for name, part in parts.items():
                trials[name] |= {number: [] for number in part["instruments"] if number not in trials[name]}
            return cls(path, trials, {name: part["sources"] for name, part in parts.items()})
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path} holds no trials of calibration ({type(error).__name__}: {error}). Name another file."
            ) from error

    def missing(self, part: str, digest: str, instruments: Iterable[int]) -> list[int]:
        """Return which instruments are still to be measured; what other sources measured is forgotten."""
        if self.digests.get(part) != digest:
            self.trials[part], self.digests[part] = {}, digest
        return [number for number in instruments if number not in self.trials[part]]

    def add(self, part: str, instrument: int, trials: Sequence[Trial]) -> None:
        """Keep an instrument's values, on disk too."""
        self.trials[part][instrument] = list(trials)
        self.write()

    def all(self) -> list[Trial]:
        """Return every value, part by part, instrument by instrument."""
        return list(self._all())

    def write(self, table: Sequence[Any] = ()) -> None:
        """Write the file in one step. table: what is said of the whole."""
        content = {
            "table": list(table),
            "parts": {
                name: {
                    "sources": self.digests[name],
                    "instruments": sorted(by),
                    "trials": [_row(trial) for number in sorted(by) for trial in by[number]],
                }
                for name, by in self.trials.items()
            },
        }
        part = self.path.with_name(self.path.name + ".part")
        part.write_text(
            json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n", encoding="utf-8"
        )
        part.replace(self.path)

    def _all(self) -> Iterator[Trial]:
        for by in self.trials.values():
            for number in sorted(by):
                yield from by[number]


def sources_digest(modules: Iterable[str]) -> str:
    """Return a digest of modules' sources and of all that they import from calibration and benchmarks."""
    found: set[str] = set()
    ahead = list(modules)
    while ahead:
        name = ahead.pop()
        if name in found or name.partition(".")[0] not in PACKAGES or not _source(name).is_file():
            continue
        found.add(name)
        for node in ast.walk(ast.parse(_source(name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                ahead.append(node.module)
    digest = hashlib.sha256()
    for name in sorted(found):
        digest.update(name.encode() + b"\0" + _source(name).read_bytes())
    return digest.hexdigest()[:16]


def _source(module: str) -> Path:
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


def _by_instrument(trials: Iterable[Trial]) -> dict[int, list[Trial]]:
    found: dict[int, list[Trial]] = {}
    for trial in trials:
        found.setdefault(trial.instrument, []).append(trial)
    return found


def _row(trial: Trial) -> dict[str, Any]:
    seen = trial.measured
    return {
        "what": trial.routine,
        "instrument": trial.instrument,
        "truth": None if math.isnan(trial.truth) else trial.truth,
        **({"refused": trial.refused} if seen is None else {}),
        **({"value": seen.value, "uncertainty": seen.uncertainty, "unit": seen.unit} if seen else {}),
    }


def _trial(row: dict[str, Any]) -> Trial:
    measured = Measured(row["value"], row["uncertainty"], row["unit"]) if "value" in row else None
    truth = math.nan if row["truth"] is None else row["truth"]
    return Trial(row["what"], row["instrument"], truth, measured, row.get("refused", ""))
