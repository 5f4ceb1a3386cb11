"""What is signed: one canonical JSON object of a run, what made it, every cell's label and the tally; and its digest.

Whole numbers, names and what was set by people are in it; percentages follow from them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from appliance.rules import Rules
from appliance.store_records import RunRecord
from appliance.tally import Tally

FORMAT = "hemadiff signed result 1"
COVERED: Mapping[str, str] = {
    "run": "the run's id",
    "state": "its state",
    "reason": "the reason of that",
    "marks": "its marks",
    "machine": "what made it (weights, engine, detector, calibration, camera, version, when, its fields)",
    "rules": "the rules in force (panel, what counts, M:E, reference ranges, decision limits, cells asked for)",
    "labels": "every cell's label",
    "tally": "the counts",
}
"""What a statement's digest covers, by the parts of a statement, as reports say it."""


def statement(run: RunRecord, labels: Mapping[int, str | None], tally: Tally) -> dict[str, Any]:
    """Return what a signature of a run is bound to.

    labels: of every cell now, None at the border.  tally: of these.
    """
    return {
        "format": FORMAT,
        "run": run.id,
        "state": str(run.state),
        "reason": run.reason,
        "marks": list(run.marks),
        "machine": _machine(run),
        "rules": _rules(tally.rules, run.plan.min_cells, run.plan.max_cells),
        "labels": digest_of(sorted([cell, label] for cell, label in labels.items() if label is not None)),
        "tally": {
            "counts": dict(tally.counts),
            "counted": tally.counted,
            "unidentified": tally.unidentified,
            "at_border": tally.at_border,
        },
    }


def digest_of(value: object) -> str:
    """Return the SHA-256 of a value's canonical JSON, in hexadecimal digits."""
    return sha256(canonical(value).encode()).hexdigest()


def canonical(value: object) -> str:
    """Return a value as JSON that is the same wherever and whenever it is written: sorted keys, no space."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the parts in which two statements differ, sorted."""
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))


def _machine(run: RunRecord) -> dict[str, Any]:
    return {
        "weights": run.weights,
        "engine": run.engine,
        "detector": run.plan.detector,
        "calibration": run.scale.id,
        "calibration_source": run.scale.source,
        "um_per_px": run.scale.um_per_px,
        "camera": run.camera,
        "simulated": run.simulated,
        "fields": run.digest,
        "started": run.started.isoformat(),
        "version": run.version,
    }


def _rules(rules: Rules, min_cells: int, max_cells: int) -> dict[str, Any]:
    return {
        "panel": rules.panel.name,
        "specimen": str(rules.specimen),
        "counted": [label.name for label in rules.counted],
        "merge_band_and_segmented": rules.merge_band_and_segmented,
        "me": rules.me.text if rules.me else None,
        "reference": {name: list(limits) for name, limits in rules.reference.items()},
        "watched": {name: list(limits) for name, limits in rules.watched.items()},
        "min_cells": min_cells,
        "max_cells": max_cells,
    }
