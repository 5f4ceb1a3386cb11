"""The simulated instrument: an emulated board, a slide, and the real stage and cameras' code in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from appliance.cameras.camera import CameraSetting
from appliance.cameras.freshness import FreshCamera, FreshnessLimits
from appliance.errors import ApplianceRefused
from appliance.microscope import Area, Eye, Microscope
from appliance.picture_axes import ALONG, Axes
from appliance.safe_height import HeightLimits
from appliance.simulator.askew import STRAIGHT, AskewSlide, Seat
from appliance.simulator.imperfect import AskewCarriage, Imperfect
from appliance.simulator.microscope import Microscope as Optics
from appliance.simulator.microscope import Renderer
from appliance.simulator.microscope_camera import MicroscopeCamera
from appliance.simulator.mixture import MARROW_CHOI_10, MARROW_SMEAR_13, Mixture, blood, marrow
from appliance.simulator.mount import Mount
from appliance.simulator.objectives import objective_named
from appliance.simulator.service_slides import service_slide
from appliance.simulator.slide import Slide
from appliance.simulator.smear import Smear
from calibration import Scale
from firmware_bridge.connect import open_stage
from firmware_bridge.emulated.board import EmulatedBoard
from firmware_bridge.emulated.grbl import EmulatedGrbl
from firmware_bridge.emulated.mechanics import Mechanics, Triple
from firmware_bridge.point import Point
from firmware_bridge.settings import AxisSettings, StageSettings
from models.panel import Specimen

SMEAR = "smear"
CORNER = Point(6_000.0, 5_000.0, 2_000.0)  # of the slide, on the stage
SAFE_UM = (1_700.0, 2_300.0)
BACKLASH_UM = (6.0, 5.0, 2.0)
SETTLE_S, LIGHT_SETTLE_S = 0.12, 0.05
MECHANICS = Mechanics(
    travel_um=(40_000.0, 25_000.0, 3_000.0),
    backlash_um=BACKLASH_UM,
    power_on_um=(9_000.0, 7_000.0, 1_500.0),
)
SETTING = CameraSetting(width_px=1388, height_px=1040, exposure_us=10_000)
OBJECTIVE = "100x"
DRAWN_WITHIN_S = 120.0  # a busy processor may take long to draw a first picture: no camera is late
MARGIN_UM = 300.0  # a slide is never laid down quite where it should be


@dataclass(frozen=True, slots=True)
class SimulatedInstrument:
    """Everything there is: what a count uses (microscope), and what only a simulation can tell."""

    microscope: Microscope
    board: EmulatedBoard
    optics: Optics
    camera: MicroscopeCamera
    overview: MicroscopeCamera
    imperfect: Imperfect | None = None
    carriage: AskewCarriage | None = None

    def rest(self, seconds: float) -> None:
        """Let so much time pass for what drifts, at once."""
        if self.carriage is not None:
            self.carriage.rest(seconds)

    def lay(self, slide: Slide) -> None:
        """Put another slide on the stage, where the last one lay."""
        self.optics.slide = slide if self.imperfect is None else AskewSlide(slide, self.imperfect.seat)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an imperfect instrument, by its settings and its calibration.

    scale: under which it counts.  setting: of its camera.  backlash_um: that its stage makes up for, x, y and z.
    axes: as `Eye` has them.  limits: of what its pictures must be like.  focus_um: where it is expected.
    overview_aside_um: as `Eye` has it.
    """

    scale: Scale
    setting: CameraSetting = SETTING
    backlash_um: Triple = (0.0, 0.0, 0.0)
    axes: Axes = ALONG
    limits: FreshnessLimits = field(default_factory=lambda: FreshnessLimits(late_after_s=DRAWN_WITHIN_S))
    focus_um: float = CORNER.z_um
    overview_aside_um: tuple[float, float] = (0.0, 0.0)


def mixture_of(specimen: Specimen, cells: Path | None = None, panel: str = "smear-13") -> Mixture:
    """Return what a smear of this specimen is made of, in a panel's labels.

    cells: a folder of real single cells to blend in.
    """
    if specimen is Specimen.BLOOD:
        return blood(cells=cells)
    return marrow(cells=cells, shares=MARROW_CHOI_10 if panel == "marrow-choi-10" else MARROW_SMEAR_13)


def slide_on_its_mount(
    seed: int, mixture: Mixture, name: str = SMEAR, seat: Seat = STRAIGHT
) -> tuple[Slide, Mount]:
    """Return the smear of a seed, or the service slide of that name, and how it lies on the stage.

    seat: of the camera that looks at it.
    """
    slide = Smear(seed, mixture) if name == SMEAR else service_slide(name, seed, mixture)
    mount = Mount.drawn(seed, slide.width_um, slide.height_um, CORNER)
    if seat.straight:
        return slide, mount
    x_um, y_um = seat.to_picture(mount.middle_x_um, mount.middle_y_um)
    return AskewSlide(slide, seat), replace(mount, middle_x_um=x_um, middle_y_um=y_um, seat=seat)


def simulated_instrument(
    seed: int,
    mixture: Mixture,
    *,
    objective: str = OBJECTIVE,
    rate: float = 1.0,
    slide_name: str = SMEAR,
    drawn_by: Callable[[Renderer], Renderer] | None = None,
    kind: type[Microscope] = Microscope,
    imperfect: Imperfect | None = None,
    known: Known | None = None,
) -> SimulatedInstrument:
    """Switch a simulated instrument on, with a smear under its lens; nothing moves yet.

    seed: of the smear, of how it lies on the stage, and of the noise.  rate: how much faster than real time.
    slide_name: "smear", or a service slide's instead.
    drawn_by: what stands between the cameras and the optics, to keep pictures; None for nothing.
    kind: of the microscope, where somebody wants to see what is done with it.
    imperfect: what is wrong with it, and known: what is known of that.
    Raises ApplianceRefused for what cannot be simulated.
    """
    if imperfect is not None and known is None:
        raise ApplianceRefused("An instrument that is not perfect is only known by its calibration.")
    seat = STRAIGHT if imperfect is None else imperfect.seat
    slide, mount = slide_on_its_mount(seed, mixture, slide_name, seat)
    if imperfect is None:
        optics = from_above = Optics(slide, mount, seed=seed)
    else:
        mount = replace(mount, z_um=mount.z_um + imperfect.higher_um)
        optics = Optics(slide, mount, imperfect.sensor, seed, imperfect.turret(objective))
        from_above = Optics(*slide_on_its_mount(seed, mixture, slide_name), seed=seed)
    board = EmulatedGrbl(MECHANICS if imperfect is None else _loose(imperfect), rate)
    known = known or Known(_scale(objective))
    try:
        stage = open_stage(stage_settings(board, None if imperfect is None else known.backlash_um))
    except BaseException:
        board.close()
        raise
    askew = None if imperfect is None else AskewCarriage(board, imperfect)
    carriage = askew or board
    aside_um = (0.0, 0.0) if imperfect is None else imperfect.overview_aside_um
    renderer = optics if drawn_by is None else drawn_by(optics)
    above = renderer if from_above is optics else from_above
    camera = MicroscopeCamera(
        renderer, carriage, objective, name=None if imperfect is None else imperfect.name
    )
    overview = MicroscopeCamera(above, carriage, "overview", aside_um=aside_um)
    microscope = kind(
        stage,
        Eye(FreshCamera(camera, known.limits), known.setting, known.scale, axes=known.axes),
        Eye(
            FreshCamera(overview, FreshnessLimits(late_after_s=DRAWN_WITHIN_S, seam=None)),
            SETTING,
            _scale("overview"),
            known.overview_aside_um,
        ),
        Area(
            CORNER.x_um - MARGIN_UM,
            CORNER.y_um - MARGIN_UM,
            CORNER.x_um + slide.width_um + MARGIN_UM,
            CORNER.y_um + slide.height_um + MARGIN_UM,
        ),
        HeightLimits(*SAFE_UM),
        expected_um=known.focus_um,
        light=1.0,
        simulated=True,
        let_go=board.close,
    )
    return SimulatedInstrument(microscope, board, optics, camera, overview, imperfect, askew)


def counting_scale(objective: str = OBJECTIVE) -> Scale:
    """Return the scale of the objective that counts."""
    return _scale(objective)


def stage_settings(board: EmulatedBoard, made_up_um: Triple | None = None) -> StageSettings:
    """Return the settings of a stage on an emulated board: its whole travel, the z axis only where it is safe.

    made_up_um: what it makes up for; None for all the backlash there is.
    """
    built, rate = board.mechanics, board.rate
    backlash = made_up_um or built.backlash_um
    limits = ((0.0, built.travel_um[0]), (0.0, built.travel_um[1]), (0.0, SAFE_UM[1]))
    x, y, z = (
        AxisSettings(
            limits_um=limits[i],
            steps_per_mm=built.steps_per_mm[i],
            speed_um_s=built.speed_um_s[i],
            acceleration_um_s2=built.acceleration_um_s2[i],
            backlash_um=backlash[i],
        )
        for i in range(3)
    )
    return StageSettings(
        board.address, x=x, y=y, z=z, settle_s=SETTLE_S / rate, light_settle_s=LIGHT_SETTLE_S / rate
    )


def _scale(objective: str) -> Scale:
    return Scale.stated(objective_named(objective).um_per_px, f"simulated, {objective}")


def _loose(imperfect: Imperfect) -> Mechanics:
    return replace(MECHANICS, backlash_um=(*imperfect.backlash_um, imperfect.backlash_z_um))
