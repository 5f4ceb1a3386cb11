"""Runs and tallies in the state that a test needs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from appliance.plan import Plan
from appliance.rules import Overrides, Rules
from appliance.run import FieldCommitted, FieldSkipped, Run, State
from appliance.tally import Tally
from models.panel import Specimen, load_panel


def rules(panel: str = "smear-13", specimen: str = "marrow", **overrides: Any) -> Rules:
    return Rules.resolve(load_panel(panel), Specimen(specimen), Overrides(**overrides))


def tally(panel: str = "smear-13", specimen: str = "marrow", **counts: int) -> Tally:
    """A tally with these counts: tally(lymphocyte=40, unidentified=2)."""
    return Tally(rules(panel, specimen), counts)


def plan(**changes: Any) -> Plan:
    return Plan(**{"camera": "folder:/smear", "specimen": "marrow", **changes})


def run(state: State = State.COUNTING, cells: int = 0, blasts: int = 0, **changes: Any) -> Run:
    """A run in that state with so many counted cells, blasts among them."""
    idle = Run.idle(plan(**changes))
    counts = {"lymphocyte": cells - blasts, "blast": blasts}
    return replace(idle.to(state, "As the test needs it."), tally=Tally(idle.tally.rules, counts))


def field(before: Run, cells: int = 0, blasts: int = 0, detections: int | None = None) -> FieldCommitted:
    """The next field, with so many new counted cells, blasts among them."""
    labels = ["blast"] * blasts + ["lymphocyte"] * (cells - blasts)
    return FieldCommitted(before.tally.adding(labels), cells if detections is None else detections)


UNREADABLE = FieldSkipped("input")
UNANALYSED = FieldSkipped("analysis")
