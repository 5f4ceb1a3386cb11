"""(f) A count on the simulated microscope, in real time: how much of the analysis the moves and exposures hide.

The same fields of the same slide are counted with the bundled networks and with an analyser that says nothing at once,
in turns. Pictures are drawn beforehand, in a rehearsal that finds out how many fields the count needs, and are read
from the disk where they are taken. Board and camera keep real time: 20 mm/s, 500 mm/s², 120 ms of settling after every
move, exposures of 10 ms, 30 a second.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from appliance.frame import Analyser, Point
from appliance.plan import Plan
from appliance.simulator.instrument import SimulatedInstrument, mixture_of, simulated_instrument
from appliance.simulator.microscope import Renderer
from appliance.simulator.mixture import Mixture
from appliance.simulator.rehearsal import Rehearsed
from appliance.slide_source import SlideSource
from appliance.travel import improved_by_two_opt, shortest_possible_um, travel_um
from benchmarks.diary import Step, split, way
from benchmarks.options import Options, pin
from benchmarks.row import Figure, Row
from benchmarks.timed_analysis import DETECTION, NAMING, SECOND_LOOKS, WHOLE, Silent, Spent, timed_analyser
from benchmarks.timed_count import Counted, count
from benchmarks.timed_instrument import TimedFields, TimedMicroscope
from models.data import data_folder
from models.errors import ModelRefused
from models.panel import Specimen

SEED = 1
REHEARSED_AT = 20.0
PUBLISHED_S = 4.5  # per 100 cells, between 4 and 5, without acquisition: Choi's thesis
REST_S = 0.5  # idle threads of the networks spin for up to 0.2 s

Open = Callable[[float], SimulatedInstrument]


@dataclass(frozen=True, slots=True)
class Turn:
    """One count, and what it spent its time on, s.

    prepared, analysed: by name.  stepped: of all fields together.  way: the place of every field.
    """

    counted: Counted
    prepared: dict[str, float]
    stepped: dict[Step, float]
    analysed: dict[str, float] = field(default_factory=dict)
    way: tuple[Point, ...] = ()


def measure(options: Options) -> list[Figure]:
    """Return what a count costs, against the same moves and exposures without analysis."""
    cores = pin(options.cores)
    specimen = Specimen(options.specimen)
    spent = Spent()
    analyser = timed_analyser("smear-13", specimen, spent)
    cells = real_cells(options)
    with tempfile.TemporaryDirectory() as folder:
        kept: list[Rehearsed] = []
        instrument = partial(_rehearsed, mixture_of(specimen, cells), Path(folder) / "pictures", kept)
        fields, turns = in_turns(instrument, analyser, spent, specimen, Path(folder), options)
        drawn = sum(pictures.drawn for pictures in kept[1:])
    kind = "drawn" if cells is None else "real"
    where = (
        f"{fields} fields of {specimen}, {kind} cells, {cores} cores; {drawn} pictures drawn while measured"
    )
    return rows(turns, where)


def real_cells(options: Options) -> Path | None:
    """Return the folder of single cells to blend in; None for drawn ones, which the networks doubt more often.

    Raises ModelRefused for a stated folder without labelled images.
    """
    if options.simulated:
        return None
    try:
        return data_folder(options.folder) / "cells"
    except ModelRefused:
        if options.folder is not None:
            raise
    return None


def in_turns(
    instrument: Open, analyser: Analyser, spent: Spent, specimen: Specimen, folder: Path, options: Options
) -> tuple[int, list[tuple[Turn, Turn]]]:
    """Return how many fields the count needs, and turns with and without analysis; who begins alternates."""
    plan = Plan(camera="simulated", specimen=specimen)
    turn = partial(taken, specimen=specimen, plan=plan, folder=folder, spent=spent)
    fields = turn(instrument(REHEARSED_AT), analyser, enough=options.counted).counted.fields
    works = {"with": analyser, "without": Silent(analyser)}
    found: list[tuple[Turn, Turn]] = []
    for number in range(options.turns):
        done: dict[str, Turn] = {}
        for name in works if number % 2 == 0 else reversed(works):
            time.sleep(REST_S)
            done[name] = turn(instrument(1.0), works[name], fields=fields)
        found.append((done["with"], done["without"]))
    return fields, found


def taken(
    instrument: SimulatedInstrument,
    analyser: Analyser,
    *,
    specimen: Specimen,
    plan: Plan,
    folder: Path,
    spent: Spent,
    enough: int | None = None,
    fields: int | None = None,
) -> Turn:
    """Count on an instrument, which is closed then: until there are enough cells, or so many fields."""
    spent.clear()
    microscope = instrument.microscope
    assert isinstance(microscope, TimedMicroscope)
    source = TimedFields(SlideSource(microscope, specimen), fields)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        counted = count(source, analyser, plan, Path(place) / "store.sqlite", enough)
    stepped = dict.fromkeys(Step, 0.0)
    for each in source.taken:
        for step, seconds in split(each, microscope.acts, microscope.settle_s).items():
            stepped[step] += seconds
    return Turn(
        counted, dict(source.prepared), stepped, dict(spent), tuple(way(source.taken, microscope.acts))
    )


def rows(turns: Sequence[tuple[Turn, Turn]], where: str) -> list[Figure]:
    """Return the figures of turns with and without analysis: of each the median, of ratios that of the turns'."""
    on, off = ([pair[side] for pair in turns] for side in (0, 1))
    ratios = sorted(a.counted.counted_s / b.counted.counted_s for a, b in turns)
    spread = f"{ratios[0]:.3f} to {ratios[-1]:.3f}"
    counted_s, alone_s = (_median(of, lambda turn: turn.counted.counted_s) for of in (on, off))
    cells, fields = on[0].counted.cells, on[0].counted.fields
    prepared_s = _median(on, lambda turn: turn.counted.prepared_s)
    waiting = _median(on, lambda turn: turn.stepped[Step.WAITING] / turn.counted.counted_s)
    alone = f"without analysis {alone_s:.1f} s; ratio: to that, by turn {spread}"
    per_100 = 100 * counted_s / cells, 100 * (prepared_s + counted_s) / cells
    published = "published: without any acquisition"
    found: list[Figure] = [
        Row(
            "f",
            f"count of {cells} cells",
            "s",
            counted_s,
            None,
            statistics.median(ratios),
            f"{where}; {alone}",
        ),
        Row("f", "the stage waits for analysis", "% of it", 100 * waiting),
        Row("f", "per 100 cells", "s", per_100[0], PUBLISHED_S, PUBLISHED_S / per_100[0], published),
        Row(
            "f",
            "per 100 cells, with preparation",
            "s",
            per_100[1],
            PUBLISHED_S,
            PUBLISHED_S / per_100[1],
            published,
        ),
        Row("f", "fields per second", "", fields / counted_s),
    ]
    return found + _prepared(on) + _stepped(on, off, fields) + _analysed(on, off, fields) + _travel(on[0].way)


def _prepared(on: Sequence[Turn]) -> list[Figure]:
    names = list(dict.fromkeys(name for turn in on for name in turn.prepared))
    return [Row("f", f"preparation: {name}", "s", _median(on, _of("prepared", name))) for name in names]


def _stepped(on: Sequence[Turn], off: Sequence[Turn], fields: int) -> list[Figure]:
    found: list[Figure] = []
    note = "by step, per field; ratio: to the same without analysis"
    for step in Step:
        ours, alone = (1000 * _median(of, _of("stepped", step)) / fields for of in (on, off))
        comparable = step is not Step.WAITING and alone > 0
        found.append(Row("f", f"field: {step}", "ms", ours, None, ours / alone if comparable else None, note))
    return found


def _analysed(on: Sequence[Turn], off: Sequence[Turn], fields: int) -> list[Figure]:
    note = "per field, beside the moves and exposures; ratio: to their time without analysis"
    alone = 1000 * _median(off, lambda turn: turn.counted.counted_s) / fields
    found: list[Figure] = []
    for name in (WHOLE, DETECTION, NAMING, SECOND_LOOKS):
        ours = 1000 * _median(on, _of("analysed", name)) / fields
        found.append(Row("f", f"analysis: {name}", "ms", ours, None, ours / alone, note))
    used, unused = (1000 * _median(of, lambda turn: turn.counted.cpu_s) / fields for of in (on, off))
    both = f"of all cores together; without analysis {unused:.0f} ms"
    return [*found, Row("f", "processor time, per field", "ms", used, None, None, both)]


def _travel(places: Sequence[Point]) -> list[Figure]:
    went, bound = travel_um(places), shortest_possible_um(places)
    improved = travel_um(improved_by_two_opt(places))
    note = (
        "ratio: to the minimum spanning tree, which no tour of these fields can be shorter than; "
        f"2-opt makes it {went / improved:.3f} times shorter"
    )
    return [Row("f", "travel", "mm", went / 1000, None, went / bound if bound else None, note)]


def _of(part: str, name: str) -> Callable[[Turn], float]:
    return lambda turn: float(getattr(turn, part).get(name, 0.0))


def _median(turns: Sequence[Turn], value: Callable[[Turn], float]) -> float:
    return statistics.median(value(turn) for turn in turns)


def _rehearsed(mixture: Mixture, pictures: Path, kept: list[Rehearsed], rate: float) -> SimulatedInstrument:
    def drawn_by(renderer: Renderer) -> Renderer:
        kept.append(Rehearsed(renderer, pictures))
        return kept[-1]

    return simulated_instrument(SEED, mixture, rate=rate, drawn_by=drawn_by, kind=TimedMicroscope)
