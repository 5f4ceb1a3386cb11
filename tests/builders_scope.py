"""A small microscope that costs little: a slide whose cells say by their colour what they are, and all else real.

Stage, cameras, freshness gate, focus and tour are the instrument's own; board and slide are emulated. What an analyser
finds in a picture is compared with what truly lies where the field is said to be.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Self

from builders_coloured_slide import BORDER_UM, CellSlide, QuickRenderer
from builders_instrument import NOTHING

from appliance.autofocus import Search
from appliance.cameras.camera import CameraSetting, Exposure
from appliance.cameras.freshness import FreshCamera, FreshnessLimits
from appliance.errors import ApplianceError
from appliance.field_source import SlideSurvey
from appliance.focus_watch import FocusWatch
from appliance.frame import Frame, SkippedField
from appliance.microscope import Area, Eye, Microscope
from appliance.plan import Plan
from appliance.region_map import DrawnRegion, RegionMap, Tiles
from appliance.safe_height import HeightLimits
from appliance.simulator.microscope import Renderer
from appliance.simulator.microscope_camera import MicroscopeCamera
from appliance.simulator.mount import Mount
from appliance.slide_source import SlideSource
from appliance.store import Store
from appliance.store_records import CellRecord
from calibration import Scale
from firmware_bridge.connect import open_stage
from firmware_bridge.emulated.board import EmulatedBoard
from firmware_bridge.emulated.grbl import EmulatedGrbl
from firmware_bridge.emulated.mechanics import Mechanics
from firmware_bridge.errors import BridgeError, StageRefused
from firmware_bridge.point import Point
from firmware_bridge.settings import AxisSettings, StageSettings
from models.panel import Specimen

SAME_UM = 1.2  # a step of the motors, and what an analyser so simple errs by

CORNER = Mount(
    x_um=1_900.0, y_um=1_800.0, z_um=1_000.0, middle_x_um=800.0, middle_y_um=600.0, tilt_x=0.4, tilt_y=-0.3
)
"""How the slide lies on the stage: its heights are such that homing ends near them."""

FOCUS_UM = CORNER.z_um + 3.0  # the objective's own
HEIGHTS = HeightLimits(970.0, 1_040.0)
MECHANICS = Mechanics(
    travel_um=(5_000.0, 4_000.0, 1_300.0),
    backlash_um=(6.0, 5.0, 2.0),
    power_on_um=(1_500.0, 1_400.0, 1_150.0),
)
RATE = 200.0
COUNTING = CameraSetting(width_px=256, height_px=192, exposure_us=10_000)
OVERVIEW = CameraSetting(width_px=160, height_px=160, exposure_us=10_000)
SCALE, OVERVIEW_SCALE = Scale.stated(0.2, "test"), Scale.stated(10.0, "test")
LIMITS = FreshnessLimits(late_after_s=2.5)
SEARCH = Search(reach_um=4.0, coarse_step_um=2.0, fine_step_um=1.0, fine_reach_um=2.0, take_up_um=3.0)

Before = Callable[[str], None]


class WatchedMicroscope(Microscope):
    """A microscope that says what it is about to do: "home", "ready", "go", "look" or "where"."""

    def __init__(self, *given: Any, before: Before = lambda what: None, **named: Any) -> None:
        super().__init__(*given, **named)
        self._before = before

    def home(self) -> Point:
        self._before("home")
        return super().home()

    def make_ready(self) -> None:
        self._before("ready")
        super().make_ready()

    def go_to(self, place: Point) -> Point:
        self._before("go")
        return super().go_to(place)

    def look(self, eye: Eye | None = None) -> Exposure:
        self._before("look")
        return super().look(eye)

    def where(self) -> Point:
        self._before("where")
        return super().where()


class WatchedSource(SlideSource):
    """Fields of a slide, whose phases are announced: what is prepared, and then each field."""

    def __init__(
        self, *given: Any, phase: Callable[[str], None], survey: SlideSurvey | None, **named: Any
    ) -> None:
        super().__init__(*given, **named)
        self._phase, self._given = phase, survey

    def prepare(self, survey: SlideSurvey | None) -> Iterator[str]:
        for sentence in super().prepare(survey or self._given):
            self._phase(sentence.partition(" ")[0].lower())
            yield sentence

    def fields(self, first: int = 0) -> Iterator[Frame | SkippedField]:
        found = super().fields(first)
        while True:
            first += 1
            self._phase(f"field {first}")
            try:
                yield next(found)
            except StopIteration:
                return


@dataclass(slots=True)
class Bench:
    """An emulated board with a slide, on which microscopes can be opened one after the other, as a person resumes.

    at: what happens when a step is reached (its phase, what is done, and the how many-th time in that phase).
    given: a survey, so that nothing is looked over.  steps: every step so far.
    """

    at: dict[tuple[str, str, int], Callable[[Bench], object]] = field(default_factory=dict)
    given: SlideSurvey | None = None
    board: EmulatedGrbl = field(default_factory=lambda: EmulatedGrbl(MECHANICS, RATE))
    renderer: Renderer = field(default_factory=lambda: QuickRenderer(CORNER))
    settings: dict[str, Any] = field(default_factory=dict)
    named: dict[str, Any] = field(default_factory=dict)
    steps: list[tuple[str, str, int]] = field(default_factory=list)
    cameras: list[MicroscopeCamera] = field(default_factory=list)
    overviews: list[MicroscopeCamera] = field(default_factory=list)
    passed: Counter[tuple[str, str]] = field(default_factory=Counter)
    phase: str = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.board.close()

    def open(self, plan: Plan | None = None) -> WatchedSource:
        """Open stage and cameras as an instrument does; the board stays switched on."""
        named = {"search": SEARCH, "watch": FocusWatch(every=3), "focus_places": 2, **self.named}
        return WatchedSource(
            self.microscope(), Specimen.BLOOD, phase=self._begins, survey=self.given, **named
        )

    def microscope(self, **changes: Any) -> WatchedMicroscope:
        """Open stage and cameras without a source of fields."""
        try:
            stage = open_stage(stage_settings(self.board, **self.settings))
        except (BridgeError, StageRefused) as error:
            raise ApplianceError(f"The stage does not answer: {error}") from error
        self.cameras.append(MicroscopeCamera(self.renderer, self.board, "50x", vibration=None))
        self.overviews.append(MicroscopeCamera(self.renderer, self.board, "overview", vibration=None))
        named = {
            "expected_um": FOCUS_UM + 1.0,
            "light": 1.0,
            "simulated": True,
            "before": self._reached,
            **changes,
        }
        return WatchedMicroscope(
            stage,
            Eye(FreshCamera(self.cameras[-1], LIMITS), COUNTING, SCALE),
            Eye(FreshCamera(self.overviews[-1], replace(LIMITS, seam=None)), OVERVIEW, OVERVIEW_SCALE),
            Area(CORNER.x_um - 480, CORNER.y_um - 280, CORNER.x_um + 1_920, CORNER.y_um + 1_320),
            HEIGHTS,
            **named,
        )

    def mend(self) -> None:
        """Do what a person does: nothing is stuck or faulty any more, and the board has power."""
        self.at.clear()
        self.board.faults.clear()
        self.board.broken_switches.clear()
        for axis in "xyz":
            self.board.stick(axis, stuck=False)
            self.board.lose_steps(axis, 0.0)
        self.board.restart() if self.board.plugged_in else self.board.plug_in()

    def begin_anew(self) -> None:
        """Forget what was done and heard so far."""
        self.steps.clear()
        self.passed.clear()
        self.board.heard.clear()

    def really_at(self, exposure_start_ns: int) -> Point:
        """Where the carriage really was during an exposure that one of the cameras gave."""
        for camera in self.cameras:
            with contextlib.suppress(KeyError):
                return camera.true_position(exposure_start_ns)
        raise AssertionError(f"no camera gave an exposure at {exposure_start_ns}")

    def _begins(self, phase: str) -> None:
        self.phase = phase

    def _reached(self, what: str) -> None:
        step = self.phase, what, self.passed[self.phase, what]
        self.passed[self.phase, what] += 1
        self.steps.append(step)
        if step in self.at:
            self.at.pop(step)(self)


def stage_settings(board: EmulatedBoard, **changes: Any) -> StageSettings:
    """The stage's settings: its whole travel, the board's backlash, and little patience."""
    built = board.mechanics
    x, y, z = (
        AxisSettings(
            limits_um=(0.0, built.travel_um[i] if i < 2 else HEIGHTS.highest_um),
            steps_per_mm=built.steps_per_mm[i],
            speed_um_s=built.speed_um_s[i],
            acceleration_um_s2=built.acceleration_um_s2[i],
            backlash_um=built.backlash_um[i],
        )
        for i in range(3)
    )
    patience: dict[str, Any] = {
        "settle_s": 0.12 / RATE,
        "light_settle_s": 0.05 / RATE,
        "quiet_s": 0.02,
        "reply_within_s": 0.9,
        "start_within_s": 2.7,
        "move_slack_s": 0.8,
        "home_within_s": 2.0,
        "stop_within_s": 1.0,
    }
    return StageSettings(board.address, **{"x": x, "y": y, "z": z, **patience, **changes})


def given_survey(
    x_um: float = 500.0, y_um: float = 400.0, width_um: float = 4 * 55.2 + 1, height_um: float = 2 * 42.4 + 1
) -> SlideSurvey:
    """A survey whose one region lies there on the slide; the usual one has room for eight fields."""
    x, y = x_um + CORNER.x_um, y_um + CORNER.y_um
    drawn = DrawnRegion(((x, y), (x + width_um, y), (x + width_um, y + height_um), (x, y + height_um)))
    regions = RegionMap(Tiles(x, y, 100.0), ("ggg", "ggg"), (drawn,), "given")
    return SlideSurvey(regions.to_json(), b"a picture", x, y, 10.0)


def scope_plan(**changes: Any) -> Plan:
    """A count of three fields."""
    return Plan(**{"camera": "microscope", "um_per_px": 0.2, "watched": NOTHING, "min_cells": 12, **changes})


def a_bench(**named: Any) -> Bench:
    return Bench(given=given_survey(*named.pop("region", ())), **named)


def prepared(bench: Bench, survey: Any = None) -> WatchedSource:
    source = bench.open()
    for _ in source.prepare(survey):
        pass
    return source


def taken(bench: Bench, number: int = 3, first: int = 0) -> list[Frame | SkippedField]:
    source = prepared(bench)
    fields = source.fields(first)
    found = [next(fields) for _ in range(number)]
    source.close()
    return found


def dropped_by(um: float) -> Mount:
    """The slide as it lies after it slipped so far down."""
    return replace(CORNER, z_um=CORNER.z_um + um)


def wrongly_counted(bench: Bench, store: Store, run_id: str, *, displaced: bool = False) -> list[str]:
    """What is on record and not so: fields left out, places where the stage was not, cells that do not lie there.

    displaced: whether all places may be wrong by the same.
    """
    rows = list(store.db.query("SELECT * FROM fields WHERE run = ? ORDER BY number", [run_id]))
    cells = store.cells(run_id)
    wrong = []
    if [row["number"] for row in rows] != list(range(len(rows))):
        wrong.append(f"the fields on record are {[row['number'] for row in rows]}")
    counted = [row for row in rows if row["skipped"] is None]
    off = _off(bench, counted[0]) if displaced and counted else (0.0, 0.0)
    for row in rows:
        if row["skipped"] is not None:
            wrong += (
                []
                if row["skipped"] and row["detail"]
                else [f"field {row['number']} is skipped for no reason"]
            )
            continue
        if math.dist(_off(bench, row), off) > SAME_UM:
            wrong.append(f"field {row['number']} was taken {_off(bench, row)} µm from where it is said to be")
        wrong += _miscounted(row, [cell for cell in cells if cell.field == row["number"]], off)
    return wrong


def _off(bench: Bench, row: dict[str, Any]) -> tuple[float, float]:
    """How far from its place on record a field was really taken."""
    true = bench.really_at(row["exposure_start_ns"])
    return (
        true.x_um - row["x_um"] - row["width"] * SCALE.um_per_px / 2,
        true.y_um - row["y_um"] - row["height"] * SCALE.um_per_px / 2,
    )


def _miscounted(row: dict[str, Any], cells: list[CellRecord], off: tuple[float, float]) -> Iterator[str]:
    left, top = row["x_um"] + off[0] - CORNER.x_um, row["y_um"] + off[1] - CORNER.y_um
    size = row["width"] * SCALE.um_per_px, row["height"] * SCALE.um_per_px
    lie = {(true.x_um, true.y_um): true for true in CellSlide().truth(left, top, *size)}
    for cell in cells:
        at = cell.x_um + off[0] - CORNER.x_um, cell.y_um + off[1] - CORNER.y_um
        near = [place for place in lie if math.dist(place, at) <= SAME_UM]
        if cell.label is not None and (not near or lie.pop(near[0]).label != cell.label):
            yield f"field {row['number']}: no {cell.label} lies at {at}"
    least = BORDER_UM + SAME_UM
    for (x, y), true in lie.items():
        if least <= x - left <= size[0] - least and least <= y - top <= size[1] - least:
            yield f"field {row['number']}: the {true.label} at {x}, {y} was not counted"
