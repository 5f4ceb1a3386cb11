"""`hemadiff qc`: the daily quality control, recorded and looked back on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from appliance.cli import FAILED, Session, pass_session

if TYPE_CHECKING:
    from appliance.qc_history import QualityControl

BAR = 20
FROM_PERCENT = 80.0  # the bar's left end: below it a control has failed long since


@click.group()
def qc() -> None:
    """Record and review the daily quality control. Research use only.

    Count a normal slide or the QC slide (hemadiff count --qc), go over its fields on the page (at /qc), and record what
    was missed and what was found where no cell is.

    \b
    Examples:
      hemadiff qc record --by "M. Malpighi" --run 3f2a
      hemadiff qc history --svg history.svg
    """


@qc.command()
@click.option("--by", required=True, metavar="NAME", help="Who went over the slide.")
@click.option("--run", metavar="RUN", help="The count that was gone over.")
@click.option(
    "--missed",
    type=click.IntRange(0),
    metavar="N",
    help="Cells that were not located. Default: those marked on the page.",
)
@click.option(
    "--false",
    "false_finds",
    type=click.IntRange(0),
    metavar="N",
    help="Finds that are no cells. Default: those marked on the page.",
)
@click.option(
    "--located",
    type=click.IntRange(0),
    metavar="N",
    help="Cells that were located. Default: those of the count.",
)
@click.option("--slide", default="normal slide", show_default=True, metavar="TEXT", help="Which slide.")
@click.option("--note", default="", metavar="TEXT")
@pass_session
def record(session: Session, /, **said: Any) -> None:
    """Judge a quality control and put it on record. Leaves with 1 where it failed.

    With --run alone it takes what was marked on the page, where every field must be gone over. Without a page give
    the numbers.

    \b
    Examples:
      hemadiff qc record --by "M. Malpighi" --run 3f2a
      hemadiff qc record --by "M. Malpighi" --located 198 --missed 2 --false 1 --slide "QC 7"
    """
    from appliance.service_desk import desk

    rules = session.config.qc
    limits = {
        "cells": rules.cells,
        "least_located_percent": rules.least_located_percent,
        "most_false_percent": rules.most_false_percent,
    }
    with desk(session.config) as ask:
        result = ask("record_qc", **said, limits=limits)
    click.echo(result["said"])
    if not result["passed"]:
        click.get_current_context().exit(FAILED)


@qc.command()
@click.option("--json", "as_json", is_flag=True, help="The same as one list.")
@click.option("--svg", metavar="FILE", help="Draw the chart into a file instead; - is standard output.")
@pass_session
def history(session: Session, as_json: bool, svg: str | None) -> None:
    """List every control, the oldest first, with a chart; and whether the next results are marked.

    \b
    Examples:
      hemadiff qc history
      hemadiff qc history --svg history.svg
    """
    if as_json and svg:
        raise click.UsageError("Give --json or --svg, not both.")
    from datetime import UTC, datetime

    from appliance.marks import mark_of_qc
    from appliance.qc_history import QcHistory
    from appliance.store import Store
    from appliance.store_place import is_there
    from calibration.qc import qc_mark

    controls: list[QualityControl] = []
    mark = qc_mark(None, datetime.now(UTC), session.config.qc.every_h)
    if is_there(session.config.store.path):
        with Store.read_only(session.config.store.path) as store:
            controls, mark = QcHistory(store).all(), mark_of_qc(session.config, store)
    if svg:
        from appliance.output_file import write_text
        from appliance.qc_chart import chart

        write_text(chart(controls), svg)
        return
    if as_json:
        from appliance.output_file import write_json

        write_json({"mark": mark, "controls": [_table(control) for control in controls]}, "-")
        return
    for control in controls:
        low, high = control.result.located_interval
        click.echo(
            f"{control.at.astimezone():%Y-%m-%d %H:%M}  {_bar(control.result.located_percent)} "
            f"{control.result.located_percent:5.1f} % ({low:.1f}–{high:.1f})  "
            f"false {control.result.false_percent:.1f} %  {'passed' if control.passed else 'FAILED'}  "
            f"{control.slide}, {control.who}"
        )
    click.echo(mark or "The next results are not marked: the last control passed and holds.")


def _bar(percent: float) -> str:
    share = max(0.0, (percent - FROM_PERCENT) / (100 - FROM_PERCENT))
    return f"{'█' * round(BAR * share):<{BAR}}"


def _table(control: QualityControl) -> dict[str, Any]:
    result = control.result
    low, high = result.located_interval
    return {
        "at": control.at.isoformat(),
        "who": control.who,
        "slide": control.slide,
        "located": result.located,
        "missed": result.missed,
        "false_finds": result.false_finds,
        "located_percent": result.located_percent,
        "low": low,
        "high": high,
        "false_percent": result.false_percent,
        "passed": control.passed,
        "run": control.run,
        "calibration": control.calibration,
        "note": control.note,
    }
