"""`hemadiff count`: a differential, field by field, until it is decided."""

from __future__ import annotations

import contextlib
import logging
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.cli import FAILED, INSUFFICIENT, INTERRUPTED, Session, pass_session
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.output_file import refuse_unwritable, write_json

if TYPE_CHECKING:
    from rich.progress import Progress

    from appliance.channel_client import InstrumentClient
    from appliance.config import Config
    from appliance.frame import SkippedField
    from appliance.plan import Plan
    from appliance.simulator.comparison import Comparison
    from appliance.view import ChangedRun

STATUS = {
    "completed": 0,
    "insufficient": INSUFFICIENT,
    "stopped": INTERRUPTED,
    "failed": FAILED,
    "paused": FAILED,
}
STARTING_WITHIN_S = 20.0
TRUTH = {
    "true_cells": "cells that lie whole in the counted fields",
    "counted": "cells counted",
    "detection_recall": "share of those cells that was found",
    "detection_precision": "share of the counted that are cells, each once",
    "classification_accuracy": "share of the found that is named rightly",
    "system_accuracy": "share of those cells that was found and named rightly",
    "counted_twice": "cells counted twice",
    "at_edge": "cells counted where nobody counts",
    "artefacts_counted": "share of the counted that are artefacts",
    "intervals_covering": "share of the 95 % limits that hold the true percentage",
}


@click.command()
@click.option("--camera", metavar="CAMERA", help="folder:DIR (its images, recursively) or simulated[:SEED].")
@click.option("--simulate", is_flag=True, help="Count on a simulated microscope.")
@click.option("--seed", type=click.IntRange(min=0), help="Which simulated smear. Default: 0.")
@click.option(
    "--cells", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="Real single cells to blend into the simulated smear (a folder with cells.csv).",
)  # fmt: skip
@click.option(
    "--region", metavar='"X,Y X,Y X,Y…"', callback=lambda _, __, text: _corners(text),
    help="Corners (µm of the stage) of the region to count in, instead of those found.",
)  # fmt: skip
@click.option(
    "--at-reference", is_flag=True, default=None,
    help="The stage has no end switches, and I have put it at its reference.",
)  # fmt: skip
@click.option("--truth", is_flag=True, help="Compare a simulated count with its slide's truth.")
@click.option("--um-per-px", type=float, metavar="F", help="Micrometres per pixel of the images.")
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    metavar="FILE|ID",
    help="A calibration instead: a file, or one on record.",
)
@click.option("--order", metavar="ORDER", help="natural, or random:SEED.")
@click.option("--panel", metavar="PANEL", help="The cell types to count. Default: smear-13.")
@click.option("--specimen", type=click.Choice(["marrow", "blood"]), help="Default: blood.")
@click.option("--detector", type=click.Choice(["network", "saliency"]), help="Default: network.")
@click.option(
    "--min-cells", type=int, metavar="N", help="Enough, unless a percentage is in doubt. Default: 300."
)
@click.option("--max-cells", type=int, metavar="N", help="Where the count ends at the latest. Default: 500.")
@click.option(
    "--qc",
    is_flag=True,
    default=None,
    help="Count for quality control: a failed or overdue one does not block it.",
)
@click.option("--resume", metavar="RUN", help="Go on with a paused run instead of starting one.")
@click.option("--stop", metavar="RUN", help="End a paused run: another one can begin then.")
@click.option(
    "--json", "out", metavar="OUT", help="Write the result as JSON to a file; - is standard output."
)
@click.pass_context
@pass_session
def count(
    session: Session,
    ctx: click.Context,
    /,
    out: str | None,
    resume: str | None,
    stop: str | None,
    at_reference: bool | None,
    calibration: Path | None,
    simulate: bool,
    seed: int | None,
    cells: Path | None,
    truth: bool,
    **said: Any,
) -> None:
    """Count a differential, field by field, until it is decided. Research use only.

    What is not said here is taken from the settings. Ctrl-C ends the count and keeps what was counted.

    \b
    Examples:
      hemadiff count --camera folder:smear/ --um-per-px 0.10 --specimen blood
      hemadiff count --camera folder:smear/ --um-per-px 0.10 --order random:1 --json result.json
      hemadiff count --simulate --seed 3 --truth
      hemadiff count --resume 3f2a
      hemadiff count --stop 3f2a

    \b
    Exit status: 0 completed, 3 insufficient, 1 failed or paused, 2 refused, 130 stopped.
    """
    refuse_unwritable(out)
    said |= _simulation(simulate, seed, cells, truth, said["camera"])
    kept = resume or stop
    plan = None if kept else _plan(session.config, calibration, said | {"at_reference": at_reference})
    if (resume and stop) or (kept and (calibration or any(value is not None for value in said.values()))):
        raise click.UsageError(
            "A run on record keeps its own plan: give --stop alone, and --resume alone or with --at-reference."
        )
    if not session.debug:
        logging.getLogger("appliance").addHandler(logging.NullHandler())  # the run's reasons say it
    with _instrument(session.config) as (client, ours):
        counting = _Count(session.config, client, ours)
        run = counting.stop(stop) if stop else counting.run(plan, resume, bool(at_reference))
    compared = _compared(session.config, run) if truth else None
    if out is not None:
        from appliance.view import published

        write_json(published(run) | ({} if compared is None else {"truth": compared.figures()}), out)
    _show(run, _skipped(session.config, run), on_stderr=out == "-")
    if compared is not None:
        _show_truth(compared, on_stderr=out == "-")
    ctx.exit(STATUS[run["state"]])


def _corners(text: str | None) -> list[list[float]] | None:
    """Return the corners of "X,Y X,Y X,Y"."""
    if text is None:
        return None
    try:
        corners = [[float(at) for at in corner.split(",")] for corner in text.split()]
    except ValueError:
        corners = []
    if len(corners) < 3 or any(len(corner) != 2 for corner in corners):
        raise click.BadParameter('Three corners or more are needed, as in "6500,5500 8500,5500 8500,7000".')
    return corners


def _simulation(
    simulate: bool, seed: int | None, cells: Path | None, truth: bool, camera: str | None
) -> dict[str, Any]:
    """Return what --simulate and its companions say of the plan."""
    if not simulate:
        for given, name in ((seed is not None, "--seed"), (cells is not None, "--cells"), (truth, "--truth")):
            if given:
                raise click.UsageError(f"{name} belongs to a simulated count: give --simulate too.")
        return {}
    if camera is not None:
        raise click.UsageError("Give --camera or --simulate, not both.")
    return {
        "camera": f"simulated:{seed or 0}",
        "cells": None if cells is None else str(cells.expanduser().resolve()),
    }


def _compared(config: Config, run: ChangedRun) -> Comparison:
    from appliance.simulated_microscope import imperfect_of
    from appliance.simulator.truth import truth_of_run

    return truth_of_run(config.store.path, run["run"], config.simulator.slide, imperfect_of(config))


def _show_truth(compared: Comparison, on_stderr: bool) -> None:
    """Print the comparison, a line each."""
    click.echo("Against the truth of the simulated slide:", err=on_stderr)
    for name, value in compared.figures().items():
        # Counts are whole numbers; everything else is a share.
        shown = "–" if value is None else f"{100 * value:.1f} %" if isinstance(value, float) else str(value)
        click.echo(f"  {TRUTH[name]:<60} {shown:>7}", err=on_stderr)


def _plan(config: Config, calibration: Path | None, said: dict[str, Any]) -> Plan:
    from appliance.configured_plan import plan_from_config
    from calibration.record import is_record_id

    if calibration is not None:
        if said["um_per_px"] is not None:
            raise click.UsageError("Give --um-per-px or --calibration, not both.")
        on_record = is_record_id(str(calibration))
        said = {**said, "calibration": str(calibration if on_record else calibration.resolve())}
    return plan_from_config(config, **said)


@contextlib.contextmanager
def _instrument(config: Config) -> Iterator[tuple[InstrumentClient, bool]]:
    """Give a client of the instrument that has the store, or of one in this process; and whether it is ours."""
    from appliance.channel_client import InstrumentClient, NoAnswer
    from appliance.instrument_process import served_instrument
    from appliance.store_lock import is_held

    client = InstrumentClient(config.socket_path)
    if is_held(config.lock_path):
        _wait_until_it_answers(client)
        click.echo("Another instrument has the store: it counts, this command follows.", err=True)
        yield client, False
    else:
        before = _paused(config)
        try:
            with served_instrument(config):
                yield client, True
        except NoAnswer as late:  # what had begun is paused by now
            raise ApplianceError(_after_no_answer(_paused(config) - before)) from late


def _paused(config: Config) -> set[str]:
    """Return the ids of the runs that can be resumed."""
    from appliance.store import Store
    from appliance.store_place import is_there

    if not is_there(config.store.path):
        return set()
    with Store.read_only(config.store.path) as store:
        return {run.id for run in store.runs() if run.state == "paused"}


def _after_no_answer(paused: set[str]) -> str:
    """Say how to go on where an instrument that this command began was not ready in time."""
    said = "This machine is too busy: the count was not ready in time."
    if not paused:
        return f"{said} Run the same command again."
    return f"{said} Its run {min(paused)} is paused. Go on with: hemadiff count --resume {min(paused)}"


def _wait_until_it_answers(client: InstrumentClient) -> None:
    """An instrument that is just starting has the store a moment before it has its socket."""
    deadline = time.monotonic() + STARTING_WITHIN_S
    while True:
        try:
            client.status()
        except ApplianceError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


class _Count:
    """One count, followed to its end."""

    def __init__(self, config: Config, client: InstrumentClient, ours: bool) -> None:
        self._config = config
        self._client = client
        self._ours = ours

    def run(self, plan: Plan | None, resume: str | None, at_reference: bool) -> ChangedRun:
        """Start or resume a run and follow it; Ctrl-C stops it."""
        run_id = None
        try:
            with _uninterrupted():  # until it is known which run Ctrl-C is to stop
                run_id = self._begin(plan, resume, at_reference)
            return self._follow(run_id)
        except KeyboardInterrupt:
            if run_id is None:
                raise
            with contextlib.suppress(ApplianceRefused):  # it has just ended
                self._client.stop(run=run_id)
            return self._follow(run_id)

    def stop(self, run: str) -> ChangedRun:
        """End a run that is paused."""
        from appliance.stored_view import stored_view

        self._client.stop(run=run)
        return stored_view(self._config.store.path, run)

    def _begin(self, plan: Plan | None, resume: str | None, at_reference: bool) -> str:
        return self._client.resume(resume, at_reference) if resume else self._client.start(plan)

    def _follow(self, run_id: str) -> ChangedRun:
        with _progress() as progress, self._client.follow() as messages:
            for message in messages:
                run = message["run"]
                if run is None or run["run"] != run_id:
                    break  # ended, and the instrument has gone on to another
                progress.show(run)
                if run["ended"] or (run["state"] == "paused" and self._ours):
                    return run
        from appliance.stored_view import stored_view

        return stored_view(self._config.store.path, run_id)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back until the block is left."""
    held: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if held:
        raise KeyboardInterrupt


class _Progress:
    """A bar towards the number of cells that is aimed at."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("Counting", total=None, fields="")

    def show(self, run: ChangedRun) -> None:
        """Show how far the run is."""
        fields = run["fields"]
        skipped = sum(fields["skipped"].values())
        self._progress.update(
            self._task,
            description=run["state"].capitalize(),
            completed=run["counted"],
            total=run["aim"],
            fields=f"{fields['counted']} fields" + (f", {skipped} skipped" if skipped else ""),
        )


@contextlib.contextmanager
def _progress() -> Iterator[_Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("cells, {task.fields}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        yield _Progress(progress)


def _skipped(config: Config, run: ChangedRun) -> list[SkippedField]:
    from appliance.store import Store

    with Store.read_only(config.store.path) as store:
        return store.skipped_fields(run["run"])


def _show(run: ChangedRun, skipped: list[SkippedField], on_stderr: bool) -> None:
    from rich.console import Console

    from appliance.marks import FOR_QC
    from appliance.run_table import print_run

    console = Console(stderr=on_stderr, highlight=False)
    if not console.is_terminal:
        console.width = 120
    print_run(console, run, skipped)
    if run["state"] == "paused":
        console.print(f"Go on with: hemadiff count --resume {run['run']}", soft_wrap=True)
    elif FOR_QC in run["marks"]:
        console.print(f"Go over its fields on the page, at /qc/{run['run']}.", soft_wrap=True)
