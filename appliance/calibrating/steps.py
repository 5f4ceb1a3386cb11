"""What a routine asks for, one step at a time. A routine is pure: no stage, no camera, no clock, nobody to talk to.

After PlanktoScope's `Routine`: each step is yielded, and what came of it is sent back.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from appliance.cameras.camera import CameraSetting, Exposure
from appliance.microscope import Area
from appliance.safe_height import HeightLimits
from calibration.measured import Measured
from calibration.record import Evidence, Residuals, Ruler
from firmware_bridge.point import Point


@dataclass(frozen=True, slots=True)
class GoTo:
    """Move there and settle. Sent back: the Point where the stage says that it is."""

    place: Point


@dataclass(frozen=True, slots=True)
class Take:
    """Take a picture of what is there now. Sent back: an Exposure.

    overview: with the camera that sees the whole slide.
    """

    overview: bool = False


@dataclass(frozen=True, slots=True)
class Expose:
    """Set the camera so from now on. Sent back: nothing."""

    setting: CameraSetting


@dataclass(frozen=True, slots=True)
class Shine:
    """Set the lamp, 0 to 1; None as the settings have it. Sent back: whether the lamp can be set."""

    share: float | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Let so much time pass. Sent back: nothing."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Tell:
    """Say a sentence to the engineer. Sent back: nothing."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Lay:
    """Have the engineer put a slide on the stage. slide: "micrometer", "grid", "blank", "smear". Sent back: nothing."""

    slide: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Mend:
    """Have the engineer put something right. Sent back: whether it was, so that it is worth trying again."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Confirm:
    """Have the engineer say whether something is right. Sent back: whether it is.

    usual: what is taken for the answer where nobody is asked.
    """

    sentence: str
    usual: bool = True


Step = GoTo | Take | Expose | Shine | Wait | Tell | Lay | Mend | Confirm
T = TypeVar("T")
Routine = Generator[Step, Any, T]

TAKE_UP_UM = 5.0


@dataclass(frozen=True, slots=True)
class Lens:
    """The camera that sees the whole slide, as the settings have it. aside_um: where it looks, as `Eye` has it."""

    um_per_px: float
    aside_um: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a microscope when a routine begins.

    start: where the stage shall look first, at about the height of focus.  setting: of the camera.
    um_per_px: measured so far, or a guess.  ruler: the pixel size, where it has been measured.
    expected_um_per_px: as the calibration in force has it; None where nothing says it.
    in_focus: whether the start is known to be, on the slide that lies there.
    take_up_um: from how far below a height is approached: more than the play of z.
    overview: the camera that sees the whole slide, where there is one.
    """

    start: Point
    area: Area
    heights: HeightLimits
    setting: CameraSetting
    um_per_px: float
    focus_within_um: float = 16.0
    ruler: Measured | None = None
    in_focus: bool = False
    take_up_um: float = TAKE_UP_UM
    expected_um_per_px: float | None = None
    overview: Lens | None = None

    @property
    def field_um(self) -> float:
        """The shorter side of what a picture shows."""
        return min(self.setting.width_px, self.setting.height_px) * self.um_per_px

    def at(self, x_um: float, y_um: float, z_um: float | None = None) -> Point:
        """Return a place so far from the start."""
        return Point(
            self.start.x_um + x_um, self.start.y_um + y_um, self.start.z_um if z_um is None else z_um
        )

    def with_pixel(self, um_per_px: Measured) -> Known:
        """Return the same with a pixel size that was measured."""
        return replace(self, um_per_px=um_per_px.value, ruler=um_per_px)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a routine found, in the form in which a calibration keeps it.

    said: what was found and whether it passed, a sentence each.  setting: how the camera shall be set from now on.
    settings: what to write into the settings, by section and key.  place: in focus, with detail, on the slide used.
    """

    said: tuple[str, ...]
    values: Mapping[str, Measured]
    residuals: Mapping[str, Residuals] = field(default_factory=dict)
    evidence: Sequence[Evidence] = ()
    parts: Mapping[str, bytes] = field(default_factory=dict)
    ruler: Ruler | None = None
    setting: CameraSetting | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    place: Point | None = None


def seen_at(place: Point) -> Routine[Exposure]:
    """Go to a place and return its picture."""
    yield GoTo(place)
    exposure: Exposure = yield Take()
    return exposure
