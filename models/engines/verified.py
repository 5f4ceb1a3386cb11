"""What was verified on this box: a small file for each engine, weights, precision and box.

No engine but the processor's counts before its answers were compared on this very box. A new driver, GPU, runtime or
network makes another subject, of which nothing is on record: then it is asked for again.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from models.engines.box import Box
from models.engines.names import EngineName, EnginePrecision
from models.errors import ModelRefused


@dataclass(frozen=True, slots=True)
class Subject:
    """What a verification is of.

    engine, precision: `precision` is TensorRT's; None for the other engines, which keep to a network's own numbers.
    weights: digest of everything that decides (`models.weights_digest`).
    """

    engine: EngineName
    precision: EnginePrecision | None
    weights: str
    box: Box

    @property
    def key(self) -> str:
        """The SHA-256 of all of it; another box, engine or network has another."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found. passed: whether the engine may count.  at: when (aware).

    measured: numbers by their names, as they are shown.  said: sentences for whoever reads it, most important first.
    """

    subject: Subject
    passed: bool
    at: datetime
    measured: Mapping[str, float] = field(default_factory=dict)
    said: tuple[str, ...] = ()


def keep(verification: Verification, folder: Path) -> Path:
    """Write a verification to a folder, whole or not at all, and return its file. It replaces an earlier one.

    Raises ModelRefused where the folder cannot be written.
    """
    path = _path(verification.subject, folder)
    text = json.dumps(_as_table(verification), indent=1, ensure_ascii=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=folder, prefix=path.stem, suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, path)
        except BaseException:
            Path(unfinished).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ModelRefused(
            f"The verification cannot be kept in {folder}: {error.strerror}. Make it writable, or set [engine] cache."
        ) from error
    return path


def find(subject: Subject, folder: Path) -> Verification | None:
    """Return what is on record of a subject; None where nothing is, or what there is cannot be read as its record."""
    try:
        table = json.loads(_path(subject, folder).read_text(encoding="utf-8"))
        if table["key"] != subject.key or table["subject"] != _stated(subject):
            return None
        if table["passed"] not in (True, False):
            return None
        return Verification(
            subject,
            table["passed"],
            datetime.fromisoformat(table["at"]),
            {str(name): float(value) for name, value in table["measured"].items()},
            tuple(str(sentence) for sentence in table["said"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _path(subject: Subject, folder: Path) -> Path:
    return folder / f"verified-{subject.engine}-{subject.key[:16]}.json"


def _stated(subject: Subject) -> Any:
    return json.loads(json.dumps(asdict(subject)))


def _as_table(verification: Verification) -> dict[str, Any]:
    return {
        "key": verification.subject.key,
        "subject": _stated(verification.subject),
        "passed": verification.passed,
        "at": verification.at.isoformat(timespec="seconds"),
        "measured": dict(verification.measured),
        "said": list(verification.said),
    }
