"""The microscope: a stage, the camera at its objective, and perhaps one that sees the whole slide."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from appliance.cameras.camera import Camera, CameraSetting, Exposure
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.safe_height import HeightLimits
from appliance.tour import FieldSize
from calibration import Scale
from firmware_bridge.errors import BridgeError, PositionLost, Recoverable, StageRefused, Stopped
from firmware_bridge.point import Point
from firmware_bridge.stage import Stage


@dataclass(frozen=True, slots=True)
class Eye:
    """A camera, how it is set, and how large its pixels are on the slide.

    camera: behind the freshness gate.
    aside_um: where it looks, x and y, from the axis of the objective that counts.
    """

    camera: Camera
    setting: CameraSetting
    scale: Scale
    aside_um: tuple[float, float] = (0.0, 0.0)

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

    expected_um: the height at which focus is looked for first.  light: the lamp while it counts (0 to 1);
    None leaves the lamp as it is.
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
    ) -> None:
        """Take hold of both; they are closed with it, and then what is behind them (`let_go`)."""
        self._stage = stage
        self.counting = counting
        self.overview = overview
        self.area = area
        self.heights = heights
        self.expected_um = expected_um
        self.simulated = simulated
        self._light = light
        self._let_go = let_go

    @property
    def name(self) -> str:
        """What status and results call it: as its camera, which a port's name does not change."""
        return self.counting.camera.name

    @property
    def field(self) -> FieldSize:
        """What a tour needs to know of the field and the stage."""
        width_um, height_um = self.counting.field_um
        x, y = self._stage.settings.x, self._stage.settings.y
        return FieldSize(
            width_um,
            height_um,
            overshoot_um=max(x.backlash_um, y.backlash_um),
            take_up_x=x.approach,
            take_up_y=y.approach,
        )

    def make_ready(self) -> None:
        """Set the lamp and lock the cameras. Raises ApplianceRefused where a sensor cannot be set so."""
        if self._light is not None:
            with _for_a_person():
                self._stage.set_light(self._light)
        for eye in (self.counting, self.overview):
            if eye is not None:
                eye.camera.configure(eye.setting)

    def home(self) -> Point:
        """Find the position anew. Raises ApplianceError where it stays unknown."""
        with _for_a_person():
            return self._stage.home()

    def go_to(self, place: Point) -> Point:
        """Move and settle. A move that never began is begun once more; no other is ever repeated.

        Raises ApplianceRefused outside the travel, and ApplianceError when the position is lost.
        """
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
        """Take a picture that began after everything had settled.

        Raises NotFresh where none could be had, and ApplianceError when the camera is lost.
        """
        return (eye or self.counting).camera.capture(self._stage.settled_since_ns)

    def stop(self) -> None:
        """End a move at once, from any thread."""
        with contextlib.suppress(BridgeError):
            self._stage.stop()

    def close(self) -> None:
        """Let go of stage and cameras. May be called twice."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._let_go)
            for eye in (self.overview, self.counting):
                if eye is not None:
                    stack.callback(eye.camera.close)
            stack.callback(self._stage.close)


@contextlib.contextmanager
def _for_a_person() -> Iterator[None]:
    """Say of a failure of the stage what it means for the count."""
    try:
        yield
    except PositionLost as lost:
        raise ApplianceError(
            f"The stage lost its position: {lost} The fields counted so far are kept; resume the run to home and go on."
        ) from lost
    except BridgeError as error:
        raise ApplianceError(f"The stage failed: {error}") from error
    except StageRefused as refused:
        raise ApplianceRefused(str(refused)) from refused
