"""The command `hemadiff evaluate`: the bundled networks against experts' labels."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from models.data_option import data_option
from models.figures import shown, without_nan

if TYPE_CHECKING:
    from models.evaluation import CellReport
    from models.field_evaluation import FieldReport, Find

RESEARCH_USE = "Research use only."


class OutputFile(click.Path):
    """A file that can be written, found out before the work is done and not after."""

    def __init__(self, allow_dash: bool = False) -> None:
        super().__init__(dir_okay=False, writable=True, allow_dash=allow_dash, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path; fail where its folder is not there or cannot be written to."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        folder = path.parent
        if not folder.is_dir():
            self.fail(
                f"the folder {folder} of {path.name} does not exist. Make it, or name another.", param, ctx
            )
        if not path.exists() and not os.access(folder, os.W_OK | os.X_OK):
            self.fail(f"{folder} cannot be written to. Name another folder.", param, ctx)
        return path


json_option = click.option(
    "--json", "out", type=OutputFile(allow_dash=True), help="Write every figure here (- for standard output)."
)


@click.group()
def evaluate() -> None:
    """Judge the bundled networks on labelled images that no training has read.

    \b
    Examples:
      hemadiff evaluate cells
      hemadiff evaluate cells --data /data/labelled --json cells.json
      hemadiff evaluate fields --detector saliency
    """


@evaluate.command()
@data_option
@click.option("--split", default="test", show_default=True, type=click.Choice(["val", "test"]))
@click.option(
    "--png",
    default="confusion.png",
    show_default=True,
    type=OutputFile(),
    help="The confusion matrix.",
)
@json_option
def cells(data: Path | None, split: str, png: Path, out: Path | None) -> None:
    """Name the labelled cells and compare, label by label."""
    from models.cascade import load_cascade
    from models.confusion import draw_confusion
    from models.crops import ARTEFACT, cells_of_split, others_of_split
    from models.data import data_folder
    from models.evaluation import judge, report

    folder = data_folder(data)
    cascade = load_cascade("smear-13")
    judged = judge(cascade, _tracked(cells_of_split(folder, split), "cells"))
    artefacts = (crop for crop in others_of_split(folder, split) if crop[1] == ARTEFACT)
    false = judge(cascade, _tracked(artefacts, "artefacts"))
    result = report(cascade.panel, judged, false)
    draw_confusion(result.labels, result.confusion, png, f"{cascade.name}, {split}, {result.cells} cells")
    _say(
        out,
        {"weights": cascade.name, "engine": cascade.engine, "split": split, **asdict(result)},
        _cell_tables(result),
    )
    click.echo(f"Confusion matrix: {png}", err=True)


@evaluate.command()
@data_option
@click.option(
    "--detector", "kind", default="network", show_default=True, type=click.Choice(["network", "saliency"])
)
@json_option
def fields(data: Path | None, kind: str, out: Path | None) -> None:
    """Find the boxed white cells of whole fields: average precision at an overlap (IoU) of 0.5."""
    from models.data import data_folder, labelled_fields
    from models.field_evaluation import HELD_OUT, report

    folder = data_folder(data)
    find, score_from, name = _finder(kind)
    reports = []
    for source, split in HELD_OUT.items():
        chosen = [item for item in labelled_fields(folder) if (item.source, item.split) == (source, split)]
        reports.append(report(source, _tracked(chosen, source), find, score_from))
    _say(
        out, {"detector": name, "sources": [asdict(item) for item in reports]}, [_field_table(name, reports)]
    )


def _finder(kind: str) -> tuple[Find, float, str]:
    if kind == "saliency":
        from models.saliency import SaliencyDetector

        classical = SaliencyDetector()
        return classical.detect, 0.0, classical.name
    from models.detector import NetworkDetector

    network = NetworkDetector()
    return network.candidates, network.score_from, network.name


def _tracked(items: Iterable[Any], what: str) -> Iterable[Any]:
    return track(
        items,
        description=what,
        transient=True,
        console=Console(stderr=True),
        disable=not Console(stderr=True).is_terminal,
    )


def _say(out: Path | None, figures: dict[str, Any], tables: Sequence[Table]) -> None:
    figures = without_nan({"research_use_only": True, **figures})
    text = json.dumps(figures, indent=2, allow_nan=False) + "\n"
    if out is not None and str(out) == "-":
        click.echo(text, nl=False)
        return
    if out is not None:
        out.write_text(text, encoding="utf-8")
    console = Console()
    for table in tables:
        console.print(table)
    console.print(RESEARCH_USE)


def _cell_tables(result: CellReport) -> list[Table]:
    whole = Table("what", "%", title=f"{result.cells} cells")
    for key, value in asdict(result).items():
        if isinstance(value, float):
            whole.add_row(key.replace("_", " "), shown(100 * value, 1))
    each = Table("label", "recall %", "precision %", "unidentified, artefact or platelet %")
    for name, recall in result.recall.items():
        each.add_row(
            name, *(shown(100 * x, 1) for x in (recall, result.precision[name], result.sent_away[name]))
        )
    return [each, whole]


def _field_table(name: str, reports: Sequence[FieldReport]) -> Table:
    table = Table("source", "split", "fields", "white cells", "AP", "precision", "recall", title=name)
    for item in reports:
        figures = (item.average_precision, item.precision, item.recall)
        table.add_row(
            item.source, item.split, str(item.fields), str(item.white_cells), *(shown(x, 3) for x in figures)
        )
    return table
