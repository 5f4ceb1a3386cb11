"""What the guided commands of `hemadiff calibrate` share: their options, the engineer at the terminal, the end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.cli import Session
from appliance.commands.asking import said_what_stands
from appliance.commands.new_record import put_away, refuse_before
from appliance.output_file import refuse_unwritable, write_json

if TYPE_CHECKING:
    from appliance.calibrating.bench import Bench
    from appliance.calibrating.pixel_size import RulerOnStage
    from appliance.calibrating.steps import Finding
    from appliance.calibrating.whole import Extent
    from calibration.setup import Setup

Command = Callable[..., None]
NOTHING_YET = "Nothing is on record. Begin again at a terminal, or with --yes, where nothing is asked."


def guided(command: Command) -> Command:
    """Add what every guided command can be told."""
    for option in (
        click.option(
            "--json", "out", metavar="OUT", help="Write the result as JSON to a file; - is standard output."
        ),
        click.option(
            "--yes",
            is_flag=True,
            help="Take every question as answered: the slide lies there, the way is free.",
        ),
        click.option(
            "--at-reference",
            is_flag=True,
            help="The stage has no end switches, and I have put it at its reference.",
        ),
        click.option(
            "--at", "at_um", metavar="X,Y", callback=_place, help="Where to look first, µm of the stage."
        ),
        click.option(
            "--seed", type=click.IntRange(min=0), default=0, help="Which simulated smear. Default: 0."
        ),
        click.option(
            "--simulate", is_flag=True, help="Calibrate the simulated microscope of [simulator] instrument."
        ),
    ):
        command = option(command)
    return command


def recorded(command: Command) -> Command:
    """Add what a single routine can be told of a record."""
    for option in (
        click.option(
            "--pdf",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Write its certificate.",
        ),
        click.option("--note", default="", metavar="TEXT", help="For the record."),
        click.option(
            "--by",
            metavar="NAME",
            help="Who measures. With it, what was found is put on record, with all else of the calibration in force.",
        ),
    ):
        command = option(command)
    return command


def ruled(command: Command) -> Command:
    """Add what can be said of the ruler."""
    for option in (
        click.option("--ruler-certificate", default="", metavar="TEXT", help="Its certificate."),
        click.option("--ruler-serial", default="", metavar="TEXT", help="Its serial number."),
        click.option(
            "--ruler-uncertainty-um",
            type=float,
            default=0.0,
            metavar="F",
            help="Standard uncertainty of its pitch, by its certificate.",
        ),
        click.option("--grid", is_flag=True, help="It is a grid."),
        click.option(
            "--ruler-pitch-um",
            type=float,
            default=10.0,
            show_default=True,
            metavar="F",
            help="From line to line.",
        ),
    ):
        command = option(command)
    return command


class AtTerminal:
    """An engineer who reads standard error and types."""

    def __init__(self, yes: bool) -> None:
        """yes: whether everything is taken as answered."""
        self._yes = yes

    def tell(self, sentence: str) -> None:
        """Print it."""
        click.echo(sentence, err=True)

    def lay(self, slide: str, sentence: str) -> None:
        """Wait for Enter."""
        self.tell(sentence)
        with said_what_stands(NOTHING_YET):
            if self._yes:
                return
            click.prompt("Press Enter when it lies there", default="", show_default=False, err=True)

    def mend(self, sentence: str) -> bool:
        """Ask whether to try again."""
        self.tell(sentence)
        with said_what_stands(NOTHING_YET):
            return not self._yes and click.confirm("Was it put right? Then try again", default=True, err=True)

    def confirm(self, sentence: str, usual: bool) -> bool:
        """Ask whether it is right."""
        self.tell(sentence)
        with said_what_stands(NOTHING_YET):
            return usual if self._yes else click.confirm("Is that right?", default=False, err=True)


def free(setup: Setup) -> None:
    """Refuse no setup: what is measured stands for itself."""


@contextlib.contextmanager
def bench(
    session: Session, said: Mapping[str, Any], check: Callable[[Setup], object] = free
) -> Iterator[Bench]:
    """Open the microscope that was asked for. said: the options of `guided`.  check: refuses before anything moves."""
    from appliance.calibrating.bench import real_bench, simulated_bench

    refuse_unwritable(said["out"])
    engineer = AtTerminal(said["yes"])
    if said["simulate"]:
        with simulated_bench(session.config, said["seed"], engineer, said["at_um"], check) as opened:
            yield opened
        return
    if not said["yes"]:
        with said_what_stands(NOTHING_YET):
            click.confirm(
                "The stage is going to move to its switches. Is the way free?", abort=True, err=True
            )
    with real_bench(session.config, engineer, said["at_um"], said["at_reference"], check) as opened:
        yield opened


def single(
    session: Session,
    said: Mapping[str, Any],
    name: str,
    ruler: RulerOnStage | None = None,
    extent: Extent | None = None,
) -> None:
    """Carry one routine out, say what it found and, where somebody says who measures, put it on record.

    name: of the routine, as in "flat_field".  said: the options of `guided` and `recorded`.
    Raises as `Measurement.check` does, before anything moves.
    """
    from appliance.calibrating.pixel_size import RulerOnStage
    from appliance.calibrating.whole import Extent
    from appliance.servicing.measurement import NOT_YET, Measurement

    wanted = Measurement(
        session.config, name, ruler or RulerOnStage(), extent or Extent(), said["by"], said["note"]
    )
    refuse_before(wanted, said["pdf"])
    with bench(session, said, wanted.check) as opened:
        found = wanted.found(opened, opened.known, opened.runner.run)
        finding = found.findings[name]
        _say(finding, said["out"])
        if finding.setting not in (None, opened.known.setting):
            click.echo(NOT_YET, err=said["out"] == "-")
        record = wanted.record(opened, found) if wanted.by else None
    published = as_object(finding)
    if record is None:
        _write(published, said["out"])
        return
    published["calibration"] = record.id

    def publish(in_force: bool) -> None:
        _write({**published, "in_force": in_force}, said["out"])

    put_away(session, record, said["pdf"], said["yes"], publish)


def _write(published: Mapping[str, Any], out: str | None) -> None:
    if out is not None:
        write_json(published, out)


def _say(finding: Finding, out: str | None) -> None:
    """Say what was found."""
    for sentence in finding.said:
        click.echo(sentence, err=out == "-")
    say_settings(finding.settings, out == "-")


def say_settings(settings: Mapping[str, str], on_stderr: bool) -> None:
    """Say what belongs into the settings."""
    if settings:
        click.echo("For the settings, each line in its section:\n", err=on_stderr)
        click.echo(as_toml(settings), err=on_stderr)


def as_toml(settings: Mapping[str, str]) -> str:
    """Return the settings as TOML that can be pasted. settings: "[section] key" to value, as a `Finding` has them."""
    sections: dict[str, list[str]] = {}
    for key, value in settings.items():
        section, _, name = key.partition(" ")
        sections.setdefault(section, []).append(f"{name} = {value}\n")
    tops = list(dict.fromkeys(_top(section) for section in sections))
    in_order = sorted(sections, key=lambda section: tops.index(_top(section)))
    return "\n".join(f"{section}\n{''.join(sections[section])}" for section in in_order)


def _top(section: str) -> str:
    return section.strip("[]").partition(".")[0]


def as_object(finding: Finding) -> dict[str, Any]:
    """Return what is published; these keys are stable."""
    return {
        "passed": True,
        "said": list(finding.said),
        "values": {
            name: {"value": each.value, "uncertainty": each.uncertainty, "unit": each.unit}
            for name, each in finding.values.items()
        },
        "settings": dict(finding.settings),
    }


def _place(ctx: click.Context, option: click.Parameter, text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        x_um, y_um = (float(each) for each in text.split(","))
    except ValueError as error:
        raise click.BadParameter("A place is X,Y in µm, as in 18000,11000.") from error
    return x_um, y_um
