"""Where fields come from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from appliance.camera_source import NATURAL, FolderSource, SimulatedSource, parse_camera
from appliance.errors import ApplianceRefused
from appliance.frame import Frame, SkippedField
from appliance.region_map import DrawnRegion, drawn_region
from calibration import Scale

if TYPE_CHECKING:
    from appliance.config import Config
    from appliance.plan import Plan


@dataclass(frozen=True, slots=True)
class SlideSurvey:
    """What was found when a slide was looked over.

    regions: a region map, JSON.  picture: of the slide, JPEG; x_um, y_um: the stage's place of its upper left corner.
    tour: names the fields and their order that were made of it; empty before that.
    """

    regions: str
    picture: bytes
    x_um: float
    y_um: float
    um_per_px: float
    tour: str = ""


class FieldSource(Protocol):
    """Fields of a folder or a slide, in the order of a plan. What cannot be had is a SkippedField, never left out."""

    @property
    def name(self) -> str:
        """What status and results call it."""

    @property
    def simulated(self) -> bool:
        """Whether no light ever fell on its sensor."""

    @property
    def scale(self) -> Scale:
        """The one scale of all its frames."""

    @property
    def planned(self) -> int | None:
        """How many fields the plan has; None where it has no end, or is not made yet."""

    @property
    def digest(self) -> str:
        """Names all of its fields and their order: a count goes on only where it is the same."""

    @property
    def survey(self) -> SlideSurvey | None:
        """What it found when it looked the slide over; None where there is nothing to look over."""

    def prepare(self, survey: SlideSurvey | None) -> Iterator[str]:
        """Make ready to take fields; yield what it does now, a sentence each.

        survey: of the run that is resumed; None where it has to be made.
        Raises ApplianceError or ApplianceRefused where a person has to do something first.
        """

    def fields(self, first: int = 0) -> Iterator[Frame | SkippedField]:
        """Every field from number ``first`` on: the same ones in the same order on every call.

        Raises ApplianceError when the camera itself is lost.
        """

    def halt(self) -> None:
        """Give up soon what is being prepared or taken: nobody wants it. From any thread, at once."""

    def close(self) -> None:
        """Let go of what the camera holds. May be called twice."""


def open_source(plan: Plan, config: Config | None = None) -> FieldSource:
    """Return the source that a plan names: a folder, the settings' microscope, or a simulated one.

    config: the settings; None has the defaults alone.

    Raises ApplianceRefused or CalibrationRefused: no such camera, no image, no scale, a setting that is missing.
    """
    source = parse_camera(plan.camera)
    if isinstance(source, SimulatedSource):
        return _simulated_slide(source.seed, plan, config)
    if isinstance(source, FolderSource):
        return _folder_camera(source.folder, plan, config)
    if config is None:
        raise ApplianceRefused("A microscope needs settings: its stage, its camera and its pixel size.")
    from appliance.real_microscope import open_microscope
    from appliance.slide_source import SlideSource

    return SlideSource(open_microscope(config, plan), plan.specimen, region=_drawn(plan))


def _drawn(plan: Plan) -> DrawnRegion | None:
    return None if plan.region is None else drawn_region(plan.region)


def _simulated_slide(seed: int, plan: Plan, config: Config | None) -> FieldSource:
    from appliance.simulated_microscope import open_simulated
    from appliance.simulator.instrument import mixture_of
    from appliance.simulator.service_slides import qc_region
    from appliance.slide_source import SlideSource

    for said, what in (
        (plan.um_per_px is not None, "pixel size"),
        (plan.calibration is not None, "calibration"),
        (plan.order != NATURAL, "order"),
    ):
        if said:
            raise ApplianceRefused(f"A simulated microscope has its own {what}. Leave the {what} out.")
    cells = None if plan.cells is None else Path(plan.cells)
    mixture = mixture_of(plan.specimen, cells, plan.panel)
    instrument = open_simulated(config, seed, mixture)
    region = _drawn(plan)
    if region is None and config is not None and config.simulator.slide == "qc":
        # The survey finds an even monolayer all over the slide; the cells lie in its middle.
        region = qc_region(instrument.optics.mount, instrument.microscope.field)
    return SlideSource(instrument.microscope, plan.specimen, region=region)


def _folder_camera(folder: Path, plan: Plan, config: Config | None) -> FieldSource:
    from appliance.counting_scale import stated_calibration
    from appliance.folder_camera import FolderCamera

    stated = stated_calibration(plan, config)
    if stated is None:
        return FolderCamera(folder, plan.order)
    return FolderCamera(folder, plan.order, stated.scale, stated.region)
