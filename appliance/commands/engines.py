"""`hemadiff engines`: what can run the networks here, plans for it, and the proof that it counts as it should."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from appliance.cli import FAILED, REFUSED, Session, pass_session

if TYPE_CHECKING:
    from rich.progress import Progress

    from appliance.config import Config
    from appliance.engine_list import Row
    from models.engines.box import Box
    from models.engines.names import EngineName
    from models.engines.profiles import FieldSize
    from models.engines.verified import Verification

NAMES = ("onnx", "onnx-cuda", "tensorrt")


@click.group()
def engines() -> None:
    """List, build and verify what runs the networks. Research use only.

    The processor's engine (onnx) counts everywhere. One on a GPU counts once it was verified on this very box: a new
    GPU, driver, runtime or network asks for it again. [engine] in the settings says which is used.

    \b
    Examples:
      hemadiff engines list
      hemadiff engines build
      hemadiff engines verify
    """


@engines.command("list")
@click.option("--json", "as_json", is_flag=True, help="The same as one object.")
@pass_session
def list_them(session: Session, as_json: bool) -> None:
    """List every engine: whether it is installed, built and verified here, and which one counts, and why.

    \b
    Examples:
      hemadiff engines list
      hemadiff engines list --json
    """
    from appliance.engine_list import list_engines
    from models.engines.box import ask_box
    from models.weights_digest import weights_digest

    config, asked = session.config, ask_box()
    settings, panel = config.engine_settings, config.count.panel
    listing = list_engines(settings, panel, weights_digest(panel), asked, _fields(config))
    if as_json:
        box = None if asked.box is None else _as_table(asked.box)
        rows = [_row(row) for row in listing.rows]
        click.echo(
            json.dumps(
                {"box": box, "asked_for": settings.name, "why": listing.why, "engines": rows}, indent=1
            )
        )
        return
    click.echo(f"This box: {asked.why_none or _said_of(asked.box)}.")
    for row in listing.rows:
        click.echo(f"{'→' if row.chosen else ' '} {row.engine:<10} {_standing(row)}")
    click.echo(listing.why)


@engines.command()
@click.option("--json", "as_json", is_flag=True, help="A list of {network, precision, file, bytes}.")
@pass_session
def build(session: Session, as_json: bool) -> None:
    """Make TensorRT's plans of the networks, for this box and the camera of the settings.

    It takes minutes, and again after a new TensorRT, GPU or network; a plan that is there is not made twice. Ctrl+C
    ends it and leaves nothing half made. Verify the engine afterwards.

    \b
    Examples:
      hemadiff engines build
      HEMADIFF_ENGINE__PRECISION=fp32 hemadiff engines build
    """
    from appliance.plans import build_plans
    from models.engines.box import ask_box

    config = session.config
    settings = config.engine_settings
    with _progress() as progress:
        tasks: dict[str, Any] = {}

        def told(network: str, share: float) -> None:
            if network not in tasks:
                tasks[network] = progress.add_task(f"Plan of {network}", total=1.0)
            progress.update(tasks[network], completed=share)

        plans = build_plans(settings, config.count.panel, ask_box(), _fields(config), told)
    if as_json:
        rows = [
            {
                "network": plan.subject.network,
                "precision": plan.subject.precision,
                "file": str(plan.path),
                "bytes": plan.nbytes,
            }
            for plan in plans
        ]
        click.echo(json.dumps(rows, indent=1))
        return
    for plan in plans:
        click.echo(
            f"{plan.subject.network} in {plan.subject.precision}: {plan.nbytes / 1e6:.1f} MB, {plan.path}"
        )
    click.echo("Now verify it: hemadiff engines verify tensorrt")


@engines.command()
@click.argument("engine", required=False, type=click.Choice(NAMES))
@click.option("--json", "as_json", is_flag=True, help="A list of {engine, passed, measured, said, at, box}.")
@click.pass_context
@pass_session
def verify(session: Session, ctx: click.Context, engine: str | None, as_json: bool) -> None:
    """Compare an engine's answers with the processor's, on this box, and put the verdict on record.

    Both are asked about a simulated smear from a fixed seed, as the camera of the settings would see it, and about
    cells of the laboratory's own signed counts. Without ENGINE every engine that can run here is verified.

    \b
    Examples:
      hemadiff engines verify
      hemadiff engines verify onnx-cuda --json

    \b
    Exit status: 0 it holds, 1 it does not (what differed is said), 2 no engine could be verified here.
    """
    from models.engines.box import ask_box
    from models.engines.names import EngineName

    asked = ask_box()
    names = _to_verify(None if engine is None else EngineName(engine), asked)
    if not names:
        if as_json:
            click.echo("[]")
        else:
            click.echo("The engine onnx needs no verification: the others are compared with it.")
        return
    assert asked.box is not None
    from appliance.engine_verification import Unopened, verify_engines

    with _progress() as progress:

        def begin(what: str, work: int) -> Callable[[int], None]:
            task = progress.add_task(what, total=work)
            return lambda more: progress.advance(task, more)

        outcomes = list(verify_engines(session.config, names, asked.box, begin))
    found = [each for each in outcomes if not isinstance(each, Unopened)]
    for each in outcomes:
        if isinstance(each, Unopened):
            click.echo(f"{each.engine} was not verified: {each.why}", err=True)
    if as_json:
        click.echo(json.dumps([_verdict(each) for each in found], ensure_ascii=False, indent=1))
    else:
        for verdict in found:
            _say(verdict)
    if not found:
        ctx.exit(REFUSED)
    ctx.exit(0 if all(verdict.passed for verdict in found) else FAILED)


def _to_verify(engine: EngineName | None, asked: Any) -> list[EngineName]:
    """Return the engines to verify. Raises EngineRefused where the one asked for, or every one, is absent."""
    from appliance.engines import why_absent
    from models.engines.names import BEST_FIRST, EngineName
    from models.errors import EngineRefused

    if engine is EngineName.ONNX:
        return []
    wanted = [engine] if engine else [name for name in BEST_FIRST if name is not EngineName.ONNX]
    there: list[EngineName] = [name for name in wanted if not why_absent(name, asked)]
    if not there:
        whys = dict.fromkeys(why_absent(name, asked) for name in wanted)
        raise EngineRefused(
            f"There is nothing to verify here: {'; '.join(whys)}. The processor's engine (onnx) needs no verification."
        )
    return there


def _fields(config: Config) -> tuple[FieldSize, ...]:
    from appliance.expected_frames import detector_fields, expected_frames

    return detector_fields(expected_frames(config))


@contextlib.contextmanager
def _progress() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        yield progress


def _standing(row: Row) -> str:
    if row.absent:
        return f"absent: {row.absent}"
    if row.engine == "onnx":
        return "installed; needs neither building nor verifying"
    built = f"not built: {row.unbuilt}" if row.unbuilt else "built" if row.precision else ""
    at = "" if row.at is None else f" on {row.at.astimezone():%Y-%m-%d %H:%M}"
    verified = f"not verified: {row.unverified}" if row.unverified else f"verified{at}"
    precision = f" ({row.precision})" if row.precision else ""
    return "; ".join(part for part in (f"installed{precision}", built, verified) if part)


def _row(row: Row) -> dict[str, Any]:
    return {
        "engine": row.engine,
        "precision": row.precision,
        "installed": not row.absent,
        "built": not row.absent and not row.unbuilt,
        "verified": not row.absent and not row.unverified,
        "lacks": [why for why in (row.absent, row.unbuilt, row.unverified) if why],
        "verified_at": None if row.at is None else row.at.isoformat(),
        "measured": dict(row.measured),
        "said": list(row.said),
        "counts": row.chosen,
    }


def _verdict(of: Verification) -> dict[str, Any]:
    return {
        "engine": of.subject.engine,
        "precision": of.subject.precision,
        "passed": of.passed,
        "measured": dict(of.measured),
        "said": list(of.said),
        "at": of.at.isoformat(),
        "weights": of.subject.weights,
        "box": _as_table(of.subject.box),
    }


def _as_table(box: Box) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(box)


def _said_of(box: Box | None) -> str:
    assert box is not None
    installed = (
        ("ONNX Runtime", box.onnxruntime),
        ("TensorRT", box.tensorrt),
        ("PyCUDA", box.pycuda),
    )
    versions = ", ".join(f"{what} {version}" for what, version in installed if version)
    return f"{box.gpu}, compute capability {box.capability}, driver {box.driver}, CUDA {box.cuda}; {versions}"


def _say(of: Verification) -> None:
    precision = f" ({of.subject.precision})" if of.subject.precision else ""
    verdict = "may count on this box" if of.passed else "may NOT count on this box"
    click.echo(f"{of.subject.engine}{precision} {verdict}.")
    for sentence in of.said:
        click.echo(f"  {sentence}")
    for name, value in of.measured.items():
        click.echo(f"  {name}: {value:.6g}")
