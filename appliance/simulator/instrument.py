"""The simulated instrument: an emulated board, a slide, and the real stage and cameras' code in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from appliance.cameras.camera import CameraSetting
from appliance.cameras.freshness import FreshCamera, FreshnessLimits
from appliance.microscope import Area, Eye, Microscope
from appliance.safe_height import HeightLimits
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
from firmware_bridge.emulated.mechanics import Mechanics
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


def mixture_of(specimen: Specimen, cells: Path | None = None, panel: str = "smear-13") -> Mixture:
    """Return what a smear of this specimen is made of, in a panel's labels.

    cells: a folder of real single cells to blend in.
    """
    if specimen is Specimen.BLOOD:
        return blood(cells=cells)
    return marrow(cells=cells, shares=MARROW_CHOI_10 if panel == "marrow-choi-10" else MARROW_SMEAR_13)


def slide_on_its_mount(seed: int, mixture: Mixture, name: str = SMEAR) -> tuple[Slide, Mount]:
    """Return the smear of a seed, or the service slide of that name, and how it lies on the stage."""
    slide = Smear(seed, mixture) if name == SMEAR else service_slide(name, seed, mixture)
    return slide, Mount.drawn(seed, slide.width_um, slide.height_um, CORNER)


def simulated_instrument(
    seed: int,
    mixture: Mixture,
    *,
    objective: str = "100x",
    rate: float = 1.0,
    slide_name: str = SMEAR,
    drawn_by: Callable[[Renderer], Renderer] | None = None,
    kind: type[Microscope] = Microscope,
) -> SimulatedInstrument:
    """Switch a simulated instrument on, with a smear under its lens; nothing moves yet.

    seed: of the smear, of how it lies on the stage, and of the noise.  rate: how much faster than real time.
    slide_name: "smear", or a service slide's instead.
    drawn_by: what stands between the cameras and the optics, to keep pictures; None for nothing.
    kind: of the microscope, where somebody wants to see what is done with it.
    Raises ApplianceRefused for what cannot be simulated.
    """
    slide, mount = slide_on_its_mount(seed, mixture, slide_name)
    optics = Optics(slide, mount, seed=seed)
    board = EmulatedGrbl(MECHANICS, rate)
    try:
        stage = open_stage(stage_settings(board))
    except BaseException:
        board.close()
        raise
    renderer = optics if drawn_by is None else drawn_by(optics)
    camera = MicroscopeCamera(renderer, board, objective)
    overview = MicroscopeCamera(renderer, board, "overview")
    microscope = kind(
        stage,
        Eye(FreshCamera(camera, FreshnessLimits(late_after_s=DRAWN_WITHIN_S)), SETTING, _scale(objective)),
        Eye(
            FreshCamera(overview, FreshnessLimits(late_after_s=DRAWN_WITHIN_S, seam=None)),
            SETTING,
            _scale("overview"),
        ),
        Area(
            CORNER.x_um - MARGIN_UM,
            CORNER.y_um - MARGIN_UM,
            CORNER.x_um + slide.width_um + MARGIN_UM,
            CORNER.y_um + slide.height_um + MARGIN_UM,
        ),
        HeightLimits(*SAFE_UM),
        expected_um=CORNER.z_um,
        light=1.0,
        simulated=True,
        let_go=board.close,
    )
    return SimulatedInstrument(microscope, board, optics, camera, overview)


def counting_scale(objective: str = "100x") -> Scale:
    """Return the scale of the objective that counts."""
    return _scale(objective)


def stage_settings(board: EmulatedBoard) -> StageSettings:
    """Return the settings of a stage on an emulated board: its whole travel, the z axis only where it is safe."""
    built, rate = board.mechanics, board.rate
    limits = ((0.0, built.travel_um[0]), (0.0, built.travel_um[1]), (0.0, SAFE_UM[1]))
    x, y, z = (
        AxisSettings(
            limits_um=limits[i],
            steps_per_mm=built.steps_per_mm[i],
            speed_um_s=built.speed_um_s[i],
            acceleration_um_s2=built.acceleration_um_s2[i],
            backlash_um=built.backlash_um[i],
        )
        for i in range(3)
    )
    return StageSettings(
        board.address, x=x, y=y, z=z, settle_s=SETTLE_S / rate, light_settle_s=LIGHT_SETTLE_S / rate
    )


def _scale(objective: str) -> Scale:
    return Scale.stated(objective_named(objective).um_per_px, f"simulated, {objective}")
