"""Runs in a list as review has them now, without opening every one of them."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace

from appliance.review.case import open_case
from appliance.review.signature import Signature, Status, signatures
from appliance.review.statement import differing, statement
from appliance.run import State
from appliance.store import Store
from appliance.store_records import RunSummary
from appliance.tally import Tally


@dataclass(frozen=True, slots=True)
class Listed:
    """A run in a list. run: counted and unidentified are the reviewed ones.

    status: of its last signature; None without one.  by: who gave that, or else who gave the last label; empty where
    nobody looked.  changed: it is no longer what was signed.  relabelled: cells that have another label than the
    machine's.  Both are None where this version cannot read the run.  withheld: from who reads it blind; then nothing
    of this is said, and counted and unidentified are the machine's.
    """

    run: RunSummary
    status: Status | None = None
    by: str = ""
    changed: bool | None = False
    relabelled: int | None = 0
    withheld: bool = False

    @property
    def reviewed(self) -> bool:
        """Whether people signed it, or gave a label."""
        return bool(self.by)

    def __str__(self) -> str:
        """Where it stands, in a few words."""
        if self.run.qc:
            return "quality control"
        if self.withheld:
            return "read blind"
        since = "" if self.run.problem is None else ", cannot be read by this version"
        if self.changed:
            since = ", changed since"
        if self.status is not None:
            return f"{self.status} by {self.by}{since}"
        return (f"not signed, reviewed by {self.by}" if self.by else "not reviewed") + since


@dataclass(frozen=True, slots=True)
class _Review:
    """What people did to a run. moves: from the machine's label to the one of now, of every cell that they touched.

    newest: the id of the last row; 0 without one.  by: who gave that.
    """

    moves: Sequence[tuple[str, str]] = ()
    newest: int = 0
    by: str = ""


def listed(store: Store, runs: Sequence[RunSummary], blind: Container[str] = ()) -> list[Listed]:
    """Return these runs as review has them now, in their order. blind: ids of those that who asks reads blind."""
    wanted = json.dumps([run.id for run in runs])
    reviews = _reviews(store, wanted)
    found = store.rows(
        "SELECT DISTINCT run FROM signatures WHERE run IN (SELECT value FROM json_each(?))", wanted
    )
    signed = {row["run"] for row in found}
    return [
        Listed(run, changed=None, relabelled=None, withheld=True)
        if run.id in blind
        else _listed(
            store, run, reviews.get(run.id, _Review()), signatures(store, run.id) if run.id in signed else []
        )
        for run in runs
    ]


def _listed(store: Store, run: RunSummary, review: _Review, signed: Sequence[Signature]) -> Listed:
    """Return one. What has no result is left as it is; of what this version cannot read, who signed it is said."""
    if run.problem is not None:
        status, by = (signed[-1].status, signed[-1].who) if signed else (None, review.by)
        return Listed(run, status, by, None, None)
    if run.state == State.FAILED or not (review.newest or signed):
        return Listed(run)
    tally = _after(store.tally(run.id), review.moves)
    now = replace(run, counted=tally.counted, unidentified=tally.unidentified)
    final = tally.rules.panel.final
    relabelled = sum(final(machine) != label for machine, label in review.moves)
    if not signed:
        return Listed(now, None, review.by, False, relabelled)
    last = signed[-1]
    return Listed(now, last.status, last.who, _changed(store, run.id, tally, review, last), relabelled)


def _after(tally: Tally, moves: Sequence[tuple[str, str]]) -> Tally:
    counts = dict(tally.counts)
    for machine, label in moves:
        counts[tally.rules.panel.final(machine)] -= 1
        counts[label] = counts.get(label, 0) + 1
    return replace(tally, counts=counts)


def _changed(store: Store, run: str, tally: Tally, review: _Review, last: Signature) -> bool:
    """Whether a run is no longer what was signed; it is opened only where nothing else tells."""
    others = set(differing(_kept(last), statement(store.run(run), {}, tally))) - {"labels"}
    if others:
        return True
    return review.newest > last.after and open_case(store, run).digest != last.digest


def _kept(signature: Signature) -> Mapping[str, object]:
    try:
        kept = json.loads(signature.statement)
    except ValueError:  # the store was changed; the run's own page says so
        return {}
    return kept if isinstance(kept, dict) else {}


def _reviews(store: Store, wanted: str) -> dict[str, _Review]:
    """Return what people did to those runs that they touched. SQLite gives the other columns of the row of max(id)."""
    found = store.rows(
        "SELECT max(given.id) AS newest, given.run, given.who, given.label_to, cells.label "
        "FROM reclassifications AS given JOIN cells ON cells.id = given.cell "
        "WHERE given.reading = 'review' AND given.run IN (SELECT value FROM json_each(?)) "
        "GROUP BY given.cell ORDER BY newest",
        wanted,
    )
    reviews: dict[str, _Review] = {}
    for row in found:
        moves = [*reviews.get(row["run"], _Review()).moves, (row["label"], row["label_to"])]
        reviews[row["run"]] = _Review(moves, row["newest"], row["who"])
    return reviews
