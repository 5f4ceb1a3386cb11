"""The command `hemadiff evaluate`: the bundled networks against experts' labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from models.data_option import data_option
from models.figures import shown, without_nan
from models.output_options import OutputFile, ReportFolder

if TYPE_CHECKING:
    from models.attention import FeatureNetwork
    from models.cell_evaluation import CellEvaluation
    from models.evaluation import CellReport
    from models.field_evaluation import Find
    from models.laboratories import AcrossReport

RESEARCH_USE = "Research use only."


json_option = click.option(
    "--json", "out", type=OutputFile(allow_dash=True), help="Write every figure here (- for standard output)."
)


def report_option(
    needs: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add `--report`, which needs these packages, each with its module's name."""
    return click.option(
        "--report",
        "page",
        type=ReportFolder(needs),
        help="Write an HTML report to this folder: charts, and pictures of the cells. Takes a minute more.",
    )


@click.group()
def evaluate() -> None:
    """Judge the bundled networks on labelled images that no training has read.

    \b
    Examples:
      hemadiff evaluate cells
      hemadiff evaluate cells --data /data/labelled --json cells.json
      hemadiff evaluate fields --detector saliency
      hemadiff evaluate scales --limit 20
      hemadiff evaluate cells --report report
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
@click.option(
    "--precision",
    type=click.Choice(["float", "int8"]),
    help="Which of the classifier's two networks is judged. Default: the one that counts.",
)
@json_option
@report_option({"onnx": "onnx", "scikit-learn": "sklearn"})
def cells(
    data: Path | None, split: str, png: Path, precision: str | None, out: Path | None, page: Path | None
) -> None:
    """Name the labelled cells and compare, label by label."""
    from models.cascade import load_cascades
    from models.cascade_file import Precision
    from models.cell_evaluation import evaluate_cells
    from models.confusion import draw_confusion
    from models.data import data_folder

    folder = data_folder(data)
    cascades = load_cascades("smear-13", precision=Precision(precision) if precision else None)
    cascade = cascades["blood"]
    networks = _feature_networks("smear-13") if page else None
    result = evaluate_cells(cascades, folder, split, _tracked)
    whole = result.report
    draw_confusion(whole.labels, whole.confusion, png, f"{cascade.name}, {split}, {whole.cells} cells")
    figures = {
        "weights": cascade.name,
        "engine": cascade.engine,
        "split": split,
        **asdict(whole),
        "macro_recall_all_views": result.all_views,
        "robustness": asdict(result.robustness),
        "specialist": asdict(result.specialised) if result.specialised else None,
    }
    of_the_whole = _figures_of_the_whole(result)
    _say(out, figures, _cell_tables(whole, of_the_whole))
    click.echo(f"Confusion matrix: {png}", err=True)
    if page and networks:
        from models.cell_report import write_cell_report
        from models.evaluated import Evaluated

        names = (cascade.name, cascade.engine, split, cascade.panel, cascade.outputs)
        found = Evaluated(*names, result.judged, result.artefacts, whole, of_the_whole)
        click.echo(f"Report: {write_cell_report(page, found, *networks)}", err=True)


@evaluate.command()
@data_option
@click.option("--split", default="test", show_default=True, type=click.Choice(["val", "test"]))
@click.option(
    "--limit",
    default=60,
    show_default=True,
    type=click.IntRange(1),
    help="Cells of each label and source at most: the same ones every time.",
)
@click.option("--right-only", is_flag=True, help="State right pixel sizes only: a fifth of the time.")
@click.option(
    "--chart", default="scales.png", show_default=True, type=OutputFile(), help="The curves; SVG by its name."
)
@json_option
def scales(
    data: Path | None, split: str, limit: int, right_only: bool, chart: Path, out: Path | None
) -> None:
    """Name the same cells at other pixel sizes, stated right, and wrong by 5, 10 and 20 %.

    Pictures are resampled to 0.05 to 0.16 µm; and each laboratory's are named as they are, with their own pixel size
    and with the other laboratory's. It shows what a missing calibration costs.
    """
    from models.cascade import load_cascades
    from models.data import data_folder
    from models.scale_chart import draw_scales
    from models.scale_evaluation import WRONG_BY, evaluate_scales, sample
    from models.scale_tables import scale_tables

    cells = sample(data_folder(data), split, limit)
    cascades = load_cascades("smear-13")
    cascade = cascades["blood"]
    found = evaluate_scales(cascades, cells, _tracked, wrong_by=(0.0,) if right_only else WRONG_BY)
    draw_scales(found, chart, f"What a wrong pixel size costs: {cascade.name}, {split}, {len(cells):,} cells")
    figures = {"weights": cascade.name, "engine": cascade.engine, "split": split, "limit": limit}
    _say(out, {**figures, **asdict(found)}, scale_tables(found))
    click.echo(f"Curves: {chart}", err=True)


@evaluate.command()
@data_option
@click.option(
    "--weights",
    default=Path("runs"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where the networks are that were trained without one laboratory.",
)
@json_option
def laboratories(data: Path | None, weights: Path, out: Path | None) -> None:
    """Networks trained without one laboratory, tested on it: the five labels that both have.

    \b
    Make them first:
      hemadiff-train cells --without mll --epochs 4 --refine 0 --weights runs
      hemadiff-train cells --without pbc --epochs 4 --refine 0 --weights runs
    """
    from models.cascade import on_trial
    from models.crops import cells_of_split
    from models.data import data_folder
    from models.laboratories import LEFT_OUT, across, refuse_missing

    folder = data_folder(data)
    refuse_missing(weights)
    reports = []
    for source, network in LEFT_OUT.items():
        cascades = on_trial("smear-13", network, weights)
        reports.append(across(cascades, _tracked(cells_of_split(folder, "test"), source), source))
    _say(out, {"sources": [asdict(item) for item in reports]}, [_laboratory_table(reports)])


@evaluate.command()
@data_option
@click.option(
    "--detector", "kind", default="network", show_default=True, type=click.Choice(["network", "saliency"])
)
@click.option(
    "--split",
    default="test",
    show_default=True,
    type=click.Choice(["val", "test"]),
    help="Which marrow cells the mosaics show; fields have one held-out split each.",
)
@json_option
@report_option()
def fields(data: Path | None, kind: str, split: str, out: Path | None, page: Path | None) -> None:
    """Find white cells: boxed ones in whole fields, each marrow cell once, and none where there are none.

    Boxed cells: average precision at an overlap (IoU) of 0.5. Marrow: single-cell images put together to fields.
    """
    from models.data import data_folder
    from models.detector_evaluation import evaluate_detector, held_out
    from models.field_mistakes import Remembering, answers, marrow_misses
    from models.field_report import write_field_report
    from models.field_tables import detector_tables
    from models.marrow_mosaics import mosaics

    folder = data_folder(data)
    find, score_from, name = _finder(kind)
    if page:
        find = Remembering(find)
    result = evaluate_detector(folder, find, score_from, split, _tracked)
    tables = detector_tables(name, result)
    _say(out, {"detector": name, **asdict(result)}, tables)
    if page:
        found = {
            each.source: answers(held_out(folder, each.source), find, score_from) for each in result.sources
        }
        marrow = marrow_misses(mosaics(folder, split), find, score_from)
        written = write_field_report(page, name, score_from, result.sources, found, marrow, tables)
        click.echo(f"Report: {written}", err=True)


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


def _cell_tables(report: CellReport, figures: Mapping[str, float]) -> list[Table]:
    whole = Table("what", "%", title=f"{report.cells} cells")
    for key, value in figures.items():
        if key == "views_per_cell":
            whole.add_row("views per cell (not %)", shown(value, 2))
        else:
            whole.add_row(key.replace("_", " "), shown(100 * value, 1))
    each = Table("label", "recall %", "precision %", "unidentified, artefact or platelet %")
    for name, recall in report.recall.items():
        each.add_row(
            name, *(shown(100 * x, 1) for x in (recall, report.precision[name], report.sent_away[name]))
        )
    return [each, whole]


def _figures_of_the_whole(result: CellEvaluation) -> dict[str, float]:
    figures = {
        **asdict(result.report),
        "macro_recall_all_views": result.all_views,
        **asdict(result.robustness),
    }
    if result.specialised:
        figures |= {f"specialist: {key}": value for key, value in asdict(result.specialised).items()}
    return {key: value for key, value in figures.items() if isinstance(value, float)}


def _feature_networks(panel: str) -> tuple[FeatureNetwork, FeatureNetwork]:
    """The global network, and the one of those that name every label whose last map is finest, both in floating point.

    Eight-bit networks have no such maps.
    """
    from models.attention import FeatureNetwork
    from models.card import BUNDLED, read_card
    from models.cascade_file import Task, read_cascade

    recipe = read_cascade(panel, BUNDLED)
    others = [item.network for item in recipe.specialists if item.task is Task.SECOND_OPINION]
    networks = [FeatureNetwork(read_card(name)) for name in (recipe.network, *others)]
    return networks[0], max(networks, key=lambda network: network.squares)


def _laboratory_table(reports: Sequence[AcrossReport]) -> Table:
    names = [name.replace("_", " ") for name in reports[0].recall]
    table = Table(
        "trained without", "cells", "among five %", "among all %", *names, title="Macro recall, and recall %"
    )
    for item in reports:
        figures = (item.macro_recall, item.macro_recall_of_all, *item.recall.values())
        table.add_row(item.source, str(item.cells), *(shown(100 * x, 1) for x in figures))
    return table
