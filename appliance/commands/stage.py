"""`hemadiff stage`: look at a stage, home it, move it, jog it by keys, watch it. For service."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from appliance.cli import Session, pass_session
from appliance.errors import ApplianceError, ApplianceRefused

if TYPE_CHECKING:
    from firmware_bridge.point import Point
    from firmware_bridge.settings import StageSettings
    from firmware_bridge.stage import Stage

KEYS = {"a": (-1, 0, 0), "d": (1, 0, 0), "s": (0, -1, 0), "w": (0, 1, 0), "f": (0, 0, -1), "r": (0, 0, 1)}
ARROWS = {"\x1b[D": "a", "\x1b[C": "d", "\x1b[B": "s", "\x1b[A": "w"}
FINER_Z = 10  # a step along z is so many times shorter than one along x and y
HELP = "a d: x   s w: y   f r: z   + -: step   h: home   q: quit"


@click.group()
def stage() -> None:
    """Look at, home and move the stage. For service: no instrument may be using it. Research use only.

    \b
    Examples:
      hemadiff stage info --port grbl:/dev/ttyUSB0
      hemadiff stage home --port marlin:/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0
      hemadiff stage move 20000 10000 --port grbl:/dev/ttyUSB0 --x 0:60000 --y 0:20000
    """


def _stage_options(command: Callable[..., None]) -> Callable[..., None]:
    for name in "zyx":
        command = click.option(
            f"--{name}",
            metavar="LOW:HIGH[,NAME=VALUE…]",
            envvar=f"HEMADIFF_STAGE_{name.upper()}",
            help=f"Soft limits of {name} in µm; also speed_um_s, steps_per_mm, backlash_um, approach.",
        )(command)
    command = click.option(
        "--baud",
        metavar="RATE",
        envvar="HEMADIFF_STAGE_BAUD",
        help="Of the port, as in 250000; otherwise the protocol's usual one, 115200.",
    )(command)
    return click.option(
        "--port",
        required=True,
        metavar="PROTOCOL:PORT",
        envvar="HEMADIFF_STAGE",
        help="As in grbl:/dev/ttyUSB0; protocols: grbl (grblHAL too), marlin, sangaboard.",
    )(command)


@stage.command()
@_stage_options
@click.option("--json", "as_json", is_flag=True, help="The same as one object.")
@pass_session
def info(session: Session, /, as_json: bool, **said: str | None) -> None:
    """Say which controller answers, what it knows of the stage, and which calibrations are in force. Nothing moves.

    \b
    Example:
      hemadiff stage info --port grbl:/dev/ttyUSB0
    """
    with _opened(said) as opened:
        facts = _facts(opened) | _calibrations(session)
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, indent=1))
        return
    click.echo(f"{facts['name']}; {'homes to its switches' if facts['switches'] else 'has no end switches'}")
    for name, axis in facts["axes"].items():
        travel, limits = (_range(axis[key]) for key in ("travel_um", "limits_um"))
        speed = f"{axis['speed_um_s']:g} µm/s" if axis["speed_um_s"] else "speed not told"
        click.echo(
            f"{name}: {axis['steps_per_mm']:g} steps/mm, at most {speed}, travel {travel}, limits {limits}"
        )
    for each in facts["calibrations"]:
        expired = ", expired" if each["expired"] else ""
        click.echo(f"In force: {each['id']}, {each['um_per_px']:.4g} µm/px, {each['source']}{expired}")
    if not facts["calibrations"]:
        click.echo(facts["calibrations_unknown"] or "No calibration is in force.")


@stage.command()
@_stage_options
@click.option("--yes", is_flag=True, help="Do not ask whether the way is free.")
def home(yes: bool, **said: str | None) -> None:
    """Find the end switches. A stage without any takes the place where it stands as its reference, 0, 0, 0.

    \b
    Example:
      hemadiff stage home --port grbl:/dev/ttyUSB0
    """
    with _opened(said) as opened:
        click.echo(f"Home: {_homed(opened, yes)}")


@stage.command()
@click.argument("to_x", type=float, metavar="X")
@click.argument("to_y", type=float, metavar="Y")
@click.argument("to_z", type=float, metavar="[Z]", required=False)
@_stage_options
@click.option("--yes", is_flag=True, help="Do not ask whether the way is free.")
def move(to_x: float, to_y: float, to_z: float | None, yes: bool, **said: str | None) -> None:
    """Home, then move to X Y Z (µm). Without Z the height of the home position stays.

    The axes that move need their soft limits.

    \b
    Example:
      hemadiff stage move 20000 10000 --port grbl:/dev/ttyUSB0 --x 0:60000 --y 0:20000
    """
    from firmware_bridge.motion import refuse_outside
    from firmware_bridge.point import Point

    with _opened(said) as opened:
        target = Point(to_x, to_y, to_z or 0.0)
        anywhere = Point(math.nan, math.nan, 0.0 if to_z is None else math.nan)
        refuse_outside(opened.settings, opened.controller.steps_um, anywhere, target)  # before it homes
        at = _homed(opened, yes)
        click.echo(f"Reached: {opened.move_to(Point(to_x, to_y, at.z_um if to_z is None else to_z))}")


@stage.command()
@_stage_options
@click.option("--step", type=float, default=100.0, show_default=True, help="Length of a step in x and y, µm.")
def jog(step: float, **said: str | None) -> None:
    """Move by keys: a d along x, s w along y (arrows too), f r along z, + - for the step, h to home, q to quit.

    Before it is homed, a stage with end switches refuses to move; one without is nudged to its reference.

    \b
    Example:
      hemadiff stage jog --port sangaboard:/dev/ttyAMA0 --x=-6000:6000,steps_per_mm=14286,speed_um_s=70
    """
    with _opened(said) as opened:
        click.echo(HELP)
        while (key := _key()) != "q":
            if key in "+-":
                step = min(max(step * (2.0 if key == "+" else 0.5), 0.1), 10_000.0)
            try:
                with _in_words():
                    _obey(opened, key, step)
                    click.echo(f"{_place(opened)}   (step {step:g} µm)")
            except (ApplianceRefused, ApplianceError) as error:
                click.echo(str(error))


@stage.command()
@_stage_options
@click.option("--every", type=click.FloatRange(0.05), default=0.5, show_default=True, metavar="SECONDS")
@click.option("--count", type=click.IntRange(1), help="End after so many lines; otherwise Ctrl+C ends it.")
def monitor(every: float, count: int | None, **said: str | None) -> None:
    """Print where the controller says that the stage is, again and again, and what it complains of. Nothing moves.

    \b
    Example:
      hemadiff stage monitor --port grbl:/dev/ttyUSB0 --every 1
    """
    with _opened(said) as opened:
        printed = 0
        while count is None or printed < count:
            if printed:
                time.sleep(every)
            try:
                with _in_words():
                    click.echo(f"{time.strftime('%H:%M:%S')}  {_place(opened)}")
            except ApplianceError as error:
                if _vanished(error):
                    raise
                click.echo(f"{time.strftime('%H:%M:%S')}  {error}")
            printed += 1


def settings_of(
    port: str, x: str | None, y: str | None, z: str | None, baud: str | None = None
) -> StageSettings:
    """Return the stage that the options describe. Raises ApplianceRefused for what cannot be read."""
    from firmware_bridge.settings import StageSettings

    said = {"": port, "_X": x, "_Y": y, "_Z": z, "_BAUD": baud}
    with _in_words():
        return StageSettings.from_environment(
            {f"HEMADIFF_STAGE{at}": text for at, text in said.items() if text}
        )


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    """Turn the bridge's errors into those that the command line knows, with their exit status."""
    from firmware_bridge.errors import BridgeError, StageRefused

    try:
        yield
    except StageRefused as error:
        raise ApplianceRefused(str(error)) from error
    except BridgeError as error:
        raise ApplianceError(str(error)) from error


def _vanished(error: ApplianceError) -> bool:
    """Whether a failure is the port's, which no waiting mends."""
    from firmware_bridge.errors import PortVanished

    return error.__cause__ is not None and isinstance(error.__cause__.__cause__, PortVanished)


@contextlib.contextmanager
def _opened(said: dict[str, Any]) -> Iterator[Stage]:
    from firmware_bridge.connect import open_stage

    with _in_words(), open_stage(settings_of(**said)) as opened:
        yield opened


def _homed(opened: Stage, yes: bool) -> Point:
    question = (
        "The stage is going to move to its switches. Is the way free?"
        if opened.HAS_SWITCHES
        else "This stage has no end switches. Does it stand where its reference shall be?"
    )
    if not yes:
        try:
            free = click.confirm(question)
        except click.Abort:
            if sys.stdin.isatty():
                raise
            raise ApplianceRefused("Nobody answers here. Once the way is free, give --yes.") from None
        if not free:
            raise click.Abort
    return opened.home()


def _obey(opened: Stage, key: str, step: float) -> None:
    if key == "h":
        opened.home()
    elif key in KEYS:
        dx, dy, dz = (share * step for share in KEYS[key])
        nudged = not opened.position_known and not opened.HAS_SWITCHES
        (opened.nudge if nudged else opened.move_by)(dx, dy, dz / FINER_Z)


def _key() -> str:
    try:
        key = click.getchar()
    except EOFError:
        return "q"
    except OSError as error:  # click looks for the keyboard at /dev/tty
        raise ApplianceRefused(
            "There is no keyboard to jog with. Run it in a terminal (over SSH: with `ssh -t`)."
        ) from error
    return ARROWS.get(key, key) or "q"  # nothing: the end of the input


def _place(opened: Stage) -> str:
    if opened.position_known:
        return f"{opened.position()}"
    return f"not homed; the controller says {opened.reported()}"


def _facts(opened: Stage) -> dict[str, Any]:
    said = opened.controller
    axes = {
        name: {
            "steps_per_mm": steps,
            "speed_um_s": said.speed_um_s.get(name),
            "travel_um": said.travel_um.get(name),
            "limits_um": opened.settings.axis(name).limits_um,
        }
        for name, steps in said.steps_per_mm.items()
    }
    return {"name": opened.name, "switches": opened.HAS_SWITCHES, "axes": axes}


def _calibrations(session: Session) -> dict[str, Any]:
    """What is in force, or why that is not known: no reason not to look at a stage."""
    from calibration.errors import CalibrationRefused

    try:
        return {"calibrations": _in_force(session), "calibrations_unknown": None}
    except (ApplianceRefused, ApplianceError, CalibrationRefused) as error:
        return {"calibrations": [], "calibrations_unknown": str(error)}


def _in_force(session: Session) -> list[dict[str, Any]]:
    """The calibration in force for every setup, as its scale says it."""
    from datetime import UTC, datetime

    from appliance.store_place import is_there

    if not is_there(session.config.store.path):
        return []
    from appliance.calibrations import Calibrations
    from appliance.store import Store

    with Store.read_only(session.config.store.path) as store:
        records = Calibrations(store).all_in_force()
    return [
        {
            "id": record.id,
            "um_per_px": record.um_per_px.value,
            "source": record.scale.source,
            "expired": record.expired(datetime.now(UTC)),
        }
        for record in records
    ]


def _range(low_high: tuple[float, float] | None) -> str:
    return f"{low_high[0]:g} to {low_high[1]:g} µm" if low_high else "unknown"
