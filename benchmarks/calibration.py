"""Every calibration routine against the truth of random simulated instruments, in one table.

Run: python -m benchmarks.calibration --instruments 200 --json calibration.json
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from benchmarks.calibration_geometry import Trial, grid_trials, ruler_trials, stage_trials, verdicts
from benchmarks.calibration_light import light_trials
from benchmarks.calibration_table import console_table, markdown
from benchmarks.random_instrument import Instrument
from benchmarks.trial_file import TrialFile, sources_digest
from models.figures import without_nan

RULER_ACROSS_UM = 300.0
SMEAR_EVERY = 10  # instruments, one has a drawn smear on its stage; the others specks, which register as well
RESEARCH_USE = "Research use only."


@dataclass(frozen=True, slots=True)
class Part:
    """Some routines that are tried together on one instrument. modules: what they are made of."""

    measure: Callable[[int], Iterator[Trial]]
    modules: tuple[str, ...]


def _rulers(number: int) -> Iterator[Trial]:
    instrument = Instrument.drawn(number)
    yield from ruler_trials(instrument, RULER_ACROSS_UM)
    yield from grid_trials(instrument, RULER_ACROSS_UM)


PARTS = {
    "rulers": Part(_rulers, ("calibration.grid", "benchmarks.random_instrument")),
    "stage": Part(
        lambda number: stage_trials(Instrument.drawn(number), smear=number % SMEAR_EVERY == 0),
        ("calibration.stage_map", "calibration.stage_checks", "benchmarks.random_instrument"),
    ),
    "light": Part(lambda number: light_trials([number]), ("benchmarks.calibration_light",)),
}


@click.command(epilog="Example:  python -m benchmarks.calibration --instruments 200 --json calibration.json")
@click.option("--instruments", default=200, show_default=True, type=click.IntRange(1), help="How many.")
@click.option("--only", default=",".join(PARTS), show_default=True, help="Which parts.")
@click.option(
    "--json", "output", type=click.Path(dir_okay=False, path_type=Path), default=Path("calibration.json"),
    show_default=True, help="Every value. Where it is there already, what it lacks is measured.",
)  # fmt: skip
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the table as documents have it.")
def main(instruments: int, only: str, output: Path, as_markdown: bool) -> None:
    """Calibrate random instruments whose truth is known: errors, and whether claimed uncertainties hold.

    Pixels of 0.05 to 0.22 µm, turned by up to 10°, sheared, with play up to 12 µm, vignetting up to 40 %, a lamp's
    colour, noise and blur, all at once. It takes about 12 s of processor time an instrument, may be stopped, and goes
    on where it was; routines that have changed since are tried anew. Research use only.
    """
    names = [name.strip() for name in only.split(",")]
    for name in names:
        if name not in PARTS:
            raise click.BadParameter(f'there is no part "{name}": {", ".join(PARTS)}.', param_hint="--only")
    try:
        file = TrialFile.opened(output)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--json") from error
    measure(file, {name: PARTS[name] for name in names}, range(instruments))
    trials = file.all()
    file.write([asdict_without_nan(each) for each in verdicts(trials)])
    if as_markdown:
        click.echo(markdown(trials), nl=False)
        return
    console = Console()
    console.print(console_table(trials, f"Calibration of {instruments} simulated instruments"))
    console.print(f"* no honest claim: under 90 % in the interval, or beyond 0.7 to 1.4. {RESEARCH_USE}")


def measure(file: TrialFile, parts: dict[str, Part], instruments: Iterable[int]) -> None:
    """Try every part on every instrument that the file lacks, and keep each at once."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        for name, part in parts.items():
            ahead = file.missing(name, sources_digest(part.modules), instruments)
            for number in progress.track(ahead, description=name):
                file.add(name, number, list(part.measure(number)))
                if not console.is_terminal:
                    console.print(f"{name}: instrument {number}")


def asdict_without_nan(verdict: object) -> object:
    """Return a verdict as JSON has it."""
    return without_nan(asdict(verdict))  # type: ignore[call-overload]


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.calibration")
