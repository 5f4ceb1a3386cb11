"""A run's view as a table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table

from appliance.frame import SkippedField
from appliance.view import RESEARCH_USE_ONLY, ChangedRun
from appliance.wording import number_of

SKIPPED_SHOWN = 10


def print_run(
    console: Console, run: ChangedRun, skipped: Sequence[SkippedField], review: Sequence[str] = ()
) -> None:
    """Print the differential with its limits, what stands beside it, and how it was made.

    skipped: its skipped fields, of which the first ten are named.  review: what people made of it, in sentences.
    """
    fields = run["fields"]
    more = max(0, len(skipped) - SKIPPED_SHOWN)
    simulated = " (simulated)" if run["simulated"] else ""
    lines = [
        f"{run['state'].capitalize()}. {run['reason']}{_where_it_lies(run)}{_no_result(run)}",
        *(f"Mark: {mark}" for mark in run["marks"]),
        *review,
        None,
        *_beside(run),
        f"{number_of(fields['counted'], 'field')} counted{_skipped(fields['skipped'])}.",
        *(f"  {field.detail}" for field in skipped[:SKIPPED_SHOWN]),
        *([f"  and {more} more: hemadiff runs export {run['run']}"] if more else []),
        f"Run {run['run']}: {run['camera']}{simulated}, {run['um_per_px']:.4g} µm/px ({_calibration(run)}).",
        *([run["red_cells"]["said"]] if run["red_cells"] else []),
        f"Engine {run['engine']}; weights {run['weights']}.",
        f"Begun {local_time(datetime.fromisoformat(run['started']))} with hemadiff {run['version']}.",
        RESEARCH_USE_ONLY,
    ]
    for line in lines:
        if line is None:
            console.print(_differential(run))
        else:
            console.print(line, soft_wrap=True, markup=False)


def _calibration(run: ChangedRun) -> str:
    scale, source = run["calibration"], run["calibration_source"]
    return scale if source in scale else f"{scale}, {source}"


def local_time(at: datetime) -> str:
    """Return a time as the clock on the wall shows it."""
    return f"{at.astimezone():%Y-%m-%d %H:%M}"


def _differential(run: ChangedRun) -> Table:
    table = Table(f"{run['specimen'].capitalize()}, {run['panel']}", "count", "%", "95 % limits", "reference")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in run["tally"]:
        usual = "" if row["reference"] is None else "–".join(f"{limit:g}" for limit in row["reference"])
        percent, limits = "–", "–"  # of no cell there is no percentage
        if run["counted"]:
            percent, limits = f"{row['percent']:.1f}", f"{row['low']:.1f}–{row['high']:.1f}"
        table.add_row(row["title"], str(row["count"]), percent, limits, usual)
    table.add_section()
    table.add_row("Counted", str(run["counted"]))
    return table


def _beside(run: ChangedRun) -> list[str]:
    lines = []
    if run["me_ratio"] is not None:
        formula = (run["me_formula"] or "").replace("_", " ")
        lines.append(f"M:E {run['me_ratio']:.2f} ({formula}){_usual(run, 'me_ratio')}.")
    if run["erythroid_percent"] is not None:
        low, high = run["erythroid_limits"] or (0.0, 100.0)
        limits = f"95 % limits {low:.1f}–{high:.1f}"
        usual = _usual(run, "erythroid_total")
        lines.append(f"Erythroid cells: {run['erythroid_percent']:.1f} % ({limits}){usual}.")
    if run["nrbc_per_100"] is not None:
        usual = _usual(run, "nrbc_per_100")
        lines.append(f"Erythroblasts per 100 white cells: {run['nrbc_per_100']:.1f}{usual}.")
    outside = [f"{count} {label}" for label, count in run["not_counted"].items()]
    if run["at_border"]:
        outside.append(f"{run['at_border']} at the border of a field")
    if outside:
        lines.append(f"Not counted: {', '.join(outside)}.")
    if run["unidentified"]:
        lines.append(
            f"Unidentified: {run['unidentified']}. They wait for a person, and count for nothing yet."
        )
    return lines


def _where_it_lies(run: ChangedRun) -> str:
    mapped = run["state"] == "paused" and run["slide"] is not None
    return " Leave the slide where it lies." if mapped else ""  # its map holds only there


def _no_result(run: ChangedRun) -> str:
    return " It is no result." if run["state"] in ("stopped", "failed") else ""


def _usual(run: ChangedRun, measure: str) -> str:
    usual = run["measure_reference"].get(measure)
    return "" if usual is None else f", reference {usual[0]:g}–{usual[1]:g}"


def _skipped(skipped: dict[str, int]) -> str:
    if not skipped:
        return ""
    return f"; {sum(skipped.values())} skipped: {', '.join(f'{n} {why}' for why, n in skipped.items())}"
