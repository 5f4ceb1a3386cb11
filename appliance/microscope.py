"""The microscope: a stage, the camera at its objective, and perhaps one that sees the whole slide."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from appliance.cameras.camera import Camera, CameraSetting, Exposure
from appliance.cause import Cause
from appliance.errors import ApplianceError, ApplianceRefused, blamed_on
from appliance.picture_axes import ALONG, Axes
from appliance.safe_height import HeightLimits
from appliance.tour import FieldSize
from calibration import Scale
from firmware_bridge.errors import BridgeError, PositionLost, Recoverable, StageRefused, Stopped
from firmware_bridge.motion import take_up_um
from firmware_bridge.point import Point
from firmware_bridge.stage import Stage


@dataclass(frozen=True, slots=True)
class Eye:
    """A camera, how it is set, and how large its pixels are on the slide.

    camera: behind the freshness gate.
    aside_um: where it looks, x and y, from the axis of the objective that counts.
    axes: how its picture lies on the stage.
    """

    camera: Camera
    setting: CameraSetting
    scale: Scale
    aside_um: tuple[float, float] = (0.0, 0.0)
    axes: Axes = ALONG

    @property
    def field_um(self) -> tuple[float, float]:
        """What one picture shows, width and height."""
        return (
            self.setting.width_px * self.scale.um_per_px,
            self.setting.height_px * self.scale.um_per_px,
        )


@dataclass(frozen=True, slots=True)
class Area:
    """Where smears may lie, in stage coordinates: what is surveyed. µm."""

    left_um: float
    top_um: float
    right_um: float
    bottom_um: float


class Microscope:
    """A stage with its eyes. Every failure of the stage comes out as one sentence for the person who can act.

    heights: the safe ones. No move is asked for outside what is left of them when z has taken up its backlash within
    them and within its soft limits.
    expected_um: the height at which focus is looked for first.  focus_within_um: how far from there it may be; a focus
    search reaches at least its own way.
    light: the lamp while it counts (0 to 1); None leaves the lamp as it is.
    strobe: whether the lamp is lit for pictures only.
    Raises ApplianceRefused where focus is expected at a height that is not safe.
    """

    def __init__(
        self,
        stage: Stage,
        counting: Eye,
        overview: Eye | None,
        area: Area,
        heights: HeightLimits,
        expected_um: float,
        light: float | None = None,
        simulated: bool = False,
        let_go: Callable[[], None] = lambda: None,
        focus_within_um: float = 0.0,
        strobe: bool = False,
    ) -> None:
        """Take hold of both; they are closed with it, and then what is behind them (`let_go`)."""
        self._stage = stage
        self.counting = counting
        self.overview = overview
        self.area = area
        self.heights = _with_room(heights, stage)
        if not self.heights.contains(expected_um):
            raise ApplianceRefused(
                f"Focus is expected at {expected_um:g} µm, and the stage may be at {self.heights.lowest_um:g} to "
                f"{self.heights.highest_um:g} µm. Correct focus_um, the safe heights or the limits of z."
            )
        self.expected_um = expected_um
        self.focus_within_um = focus_within_um
        self.simulated = simulated
        self._light = light
        self._strobe = strobe and light is not None
        self._let_go = let_go
        self._halted = threading.Event()

    @property
    def name(self) -> str:
        """What status and results call it: as its camera, which a port's name does not change."""
        return self.counting.camera.name

    @property
    def firmware(self) -> str:
        """What moves the stage, with its version."""
        return self._stage.controller.title

    @property
    def field(self) -> FieldSize:
        """What a tour needs to know of the field and the stage.

        Fields on a grid along the stage's axes that are turned do not overlap where they are so much farther apart.
        """
        eye = self.counting
        width_um, height_um = (side * eye.axes.apart for side in eye.field_um)
        x, y = self._stage.settings.x, self._stage.settings.y
        return FieldSize(
            width_um,
            height_um,
            overshoot_um=max(x.backlash_um, y.backlash_um),
            take_up_x=x.approach,
            take_up_y=y.approach,
        )

    @property
    def limits_um(self) -> Mapping[str, tuple[float, float] | None]:
        """How far x and y may go, and which heights are safe. None: an axis that is never moved."""
        settings = self._stage.settings
        heights = (self.heights.lowest_um, self.heights.highest_um)
        return {"x": settings.x.limits_um, "y": settings.y.limits_um, "z": heights}

    def make_ready(self) -> None:
        """Set the lamp and lock the cameras. Raises ApplianceRefused where a sensor cannot be set so."""
        if self._light is not None:
            with _for_a_person():
                self._stage.set_light(0.0 if self._strobe else self._light)
        for eye in (self.counting, self.overview):
            if eye is not None:
                with blamed_on(Cause.CAMERA):
                    eye.camera.configure(eye.setting)

    def home(self) -> Point:
        """Find the position anew. Raises ApplianceError where it stays unknown."""
        self._refuse_halted()
        with _for_a_person():
            return self._stage.home()

    def go_to(self, place: Point) -> Point:
        """Move and settle. A move that never began is begun once more; no other is ever repeated.

        Raises ApplianceRefused outside the travel and the safe heights, and ApplianceError when the position is lost.
        """
        self._refuse_halted()
        self.heights.height(place.z_um)
        with _for_a_person():
            try:
                return self._stage.move_to(place)
            except Stopped:
                raise
            except Recoverable:
                return self._stage.move_to(place)

    def where(self) -> Point:
        """Return where the stage stands."""
        with _for_a_person():
            return self._stage.position()

    def look(self, eye: Eye | None = None) -> Exposure:
        """Take a picture that began after everything had settled, the lamp too.

        Raises NotFresh where none could be had, and ApplianceError when the camera is lost.
        """
        self._refuse_halted()
        with self._lit(), blamed_on(Cause.CAMERA):
            return (eye or self.counting).camera.capture(self._stage.settled_since_ns)

    def shine(self, share: float | None = None) -> bool:
        """Set the lamp, 0 to 1, or as it is for pictures; return whether that can be done from here."""
        if self._light is None or self._strobe:
            return False
        with _for_a_person():
            self._stage.set_light(self._light if share is None else share)
        return True

    def halt(self) -> None:
        """Let nothing more be done: the next move or picture raises ApplianceError. From any thread, at once.

        What is under way comes to its end: not every controller can stop a move and still know where it is.
        """
        self._halted.set()

    def close(self) -> None:
        """Let go of stage and cameras. May be called twice."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._let_go)
            for eye in (self.overview, self.counting):
                if eye is not None:
                    stack.callback(eye.camera.close)
            stack.callback(self._stage.close)

    @contextlib.contextmanager
    def _lit(self) -> Iterator[None]:
        """Light the lamp for a picture, where it strobes."""
        if not self._strobe or self._light is None:
            yield
            return
        with _for_a_person():
            self._stage.set_light(self._light)
        try:
            yield
        finally:
            with _for_a_person():
                self._stage.set_light(0.0)

    def _refuse_halted(self) -> None:
        if self._halted.is_set():
            raise ApplianceError("The microscope was told to halt. Resume the run to go on.")


def _with_room(heights: HeightLimits, stage: Stage) -> HeightLimits:
    """Return the heights that can be approached without leaving the safe ones, nor the soft limits, on the way."""
    z, step_um = stage.settings.z, stage.controller.steps_um["z"]
    low, high = z.limits_um or (heights.lowest_um, heights.highest_um)
    taken_up = take_up_um(z, step_um)
    return HeightLimits(  # a place may be rounded to the next step
        max(low, heights.lowest_um) + max(0.0, taken_up) + step_um,
        min(high, heights.highest_um) + min(0.0, taken_up) - step_um,
    )


@contextlib.contextmanager
def _for_a_person() -> Iterator[None]:
    """Say of a failure of the stage what it means for the count."""
    try:
        yield
    except PositionLost as lost:
        raise ApplianceError(
            f"The stage lost its position: {lost} The fields counted so far are kept; resume the run to home and go "
            "on.",
            cause=Cause.POSITION_LOST,
        ) from lost
    except BridgeError as error:
        raise ApplianceError(f"The stage failed: {error}", cause=Cause.STAGE) from error
    except StageRefused as refused:
        raise ApplianceRefused(str(refused)) from refused
