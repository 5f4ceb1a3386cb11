"""The simulated camera: a free-running sensor over a slide, looking where the carriage really is.

Its exposures begin at a beat of their own, last as long as they say and take time to be read out, and what moves
meanwhile is smeared. A picture is drawn only for an exposure that somebody takes.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.cameras.camera import CameraInUse, CameraSetting, Exposure
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.simulator.beat import Beat
from appliance.simulator.camera_faults import CameraFault, FaultSchedule
from appliance.simulator.carriage import Carriage
from appliance.simulator.immersion import Immersion
from appliance.simulator.microscope import CellInFrame, Renderer
from appliance.simulator.objectives import objective_named
from appliance.simulator.trail import Trail, Vibration, trail
from appliance.simulator.view import View
from firmware_bridge.point import Point

REMEMBERED = 4096
OWN_VIBRATION = Vibration()


class Clock(Protocol):
    """What the camera tells the time by, and waits with."""

    def now_ns(self) -> int:
        """Return the time, monotonic."""

    def until(self, at_ns: int, stop: threading.Event) -> None:
        """Return at a time, or as soon as `stop` is set."""


class RealClock:
    """The monotonic clock of this machine."""

    def now_ns(self) -> int:
        """Return the time, monotonic."""
        return time.monotonic_ns()

    def until(self, at_ns: int, stop: threading.Event) -> None:
        """Return at a time, or as soon as `stop` is set."""
        while (left_ns := at_ns - time.monotonic_ns()) > 0 and not stop.wait(left_ns / 1e9):
            pass


class MicroscopeCamera:
    """A camera on a simulated microscope; the protocol is `Camera`'s.

    faults: what is to go wrong.  immersion: the oil, where it is to thin out.
    """

    simulated = True

    def __init__(
        self,
        renderer: Renderer,
        carriage: Carriage,
        objective: str = "100x",
        *,
        vibration: Vibration | None = OWN_VIBRATION,
        immersion: Immersion | None = None,
        aside_um: tuple[float, float] = (0.0, 0.0),
        clock: Clock | None = None,
        name: str | None = None,
    ) -> None:
        """Put it on. Raises ApplianceRefused for an unknown objective.

        renderer: owned by the caller, so that an overview camera may share it.  vibration: None for a stand that
        never rings.  aside_um: where it looks, from the axis of the objectives (for an overview camera).
        name: what it is called; None names it after everything that decides its pictures.
        """
        objective_named(objective)
        self.objective = objective
        self._name = name
        self.faults = FaultSchedule()
        self.immersion = immersion
        self._renderer, self._carriage, self._vibration = renderer, carriage, vibration
        self._aside_um, self._clock = aside_um, clock or RealClock()
        self._gone = threading.Event()
        self._closed = False
        self._in_use: CameraInUse | None = None
        self._beat: tuple[float, Beat] | None = None
        self._given = -1
        self._last: Exposure | None = None
        self._visits: Counter[tuple[str, Point]] = Counter()
        self._places: OrderedDict[int, Point] = OrderedDict()

    @property
    def name(self) -> str:
        """What status and results call it."""
        return self._name or f"simulated microscope, {self.objective}, {self._renderer.digest}"

    def use(self, objective: str) -> None:
        """Turn the turret. Raises ApplianceRefused for an unknown objective."""
        objective_named(objective)
        self.objective = objective

    def configure(self, wish: CameraSetting) -> CameraInUse:
        """Lock the sensor to a setting; it exposes from now on. Raises ApplianceRefused where it cannot."""
        self._refuse_if_gone()
        sensor = self._renderer.sensor
        sensor.refuse(wish)
        self._in_use = CameraInUse(
            model=sensor.model,
            width_px=wish.width_px,
            height_px=wish.height_px,
            pixel_format="RGB888",
            exposure_us=wish.exposure_us,
            gain=wish.gain,
            colour_gains=wish.colour_gains or sensor.own_gains,
        )
        # The first picture of a kind takes longest to draw: get it over with, as a sensor that warms up.
        here = Trail.still(self._carriage.true_position(self._clock.now_ns()), 0.0)
        self._renderer.render(self._view(here, self._in_use, dark=True))
        self._beat, self._given = None, -1
        self._beat_now()
        return self._in_use

    def capture(self, not_before_ns: int) -> Exposure:
        """Return the next exposure that began at not_before_ns (monotonic) or later, unless a fault strikes it.

        Raises ApplianceError when the camera is lost, and ApplianceRefused before `configure`.
        """
        self._refuse_if_gone()
        if self._in_use is None:
            raise ApplianceRefused(
                "The simulated camera has no setting yet. Configure it before it captures."
            )
        struck = self.faults.next()
        fault = None if struck is None else struck.fault
        if fault is CameraFault.LOST:
            self.unplug()
        self._refuse_if_gone()
        beat, asked_ns = self._beat_now(), self._clock.now_ns()
        number = beat.next(not_before_ns, asked_ns, self._given)
        if fault is CameraFault.REPEATED and self._last is not None:
            self._wait(beat.delivery_ns(number))
            return self._last
        if fault is CameraFault.STALE:
            number = beat.first_from(not_before_ns) - 1
        exposure = self._taken(beat, number, self._in_use, dark=fault is CameraFault.DARK)
        if fault is CameraFault.TORN:
            exposure = replace(exposure, pixels=_torn(exposure.pixels, self._last))
        if struck is not None and fault is CameraFault.LATE:
            self._wait(asked_ns + round(struck.by_s * 1e9))
        self._given, self._last = max(number, self._given), exposure
        return exposure

    def close(self) -> None:
        """Let go of the sensor. May be called twice; a capture that waits ends with an error."""
        self._closed = True
        self._gone.set()

    # What only a simulated camera can do

    def truth(self, position: Point, objective: str | None = None) -> list[CellInFrame]:
        """Return what really lies in a frame when the carriage really is at a position.

        Raises ApplianceRefused before `configure`, and for an unknown objective.
        """
        if self._in_use is None:
            raise ApplianceRefused(
                "The simulated camera has no setting yet. Configure it before you ask for truth."
            )
        size = self._in_use.width_px, self._in_use.height_px
        return self._renderer.truth(self._seen_from(position), objective or self.objective, *size)

    def true_position(self, start_ns: int) -> Point:
        """Return where the carriage really was, in the mean, during a recent exposure that it gave.

        Raises KeyError for one that it did not give, or too long ago.
        """
        return self._places[start_ns]

    def unplug(self) -> None:
        """Lose the camera, from any thread: what waits for an exposure ends at once."""
        self._gone.set()

    def plug_in(self) -> None:
        """Have it back; it must be configured anew."""
        self._gone.clear()
        self._in_use = self._beat = self._last = None

    # How an exposure comes about

    def _taken(self, beat: Beat, number: int, in_use: CameraInUse, *, dark: bool) -> Exposure:
        expected: View | None = None
        pixels: NDArray[np.uint8] | None = None
        now_ns = self._clock.now_ns()
        if beat.end_ns(number) > now_ns:
            # Drawn while the exposure lasts, in the hope that the carriage stands; what really was decides below.
            expected = self._view(trail(self._carriage, now_ns, 0, self._paced()), in_use, dark)
            pixels = self._renderer.render(expected)
            self._wait(beat.end_ns(number))
        start_ns = beat.start_ns(number)
        view = self._view(trail(self._carriage, start_ns, beat.exposure_ns, self._paced()), in_use, dark)
        if pixels is None or view != expected:
            pixels = self._renderer.render(view)
        self._wait(beat.delivery_ns(number))
        self._remember(start_ns, view)
        return Exposure(pixels, start_ns, in_use.exposure_us, in_use.gain, in_use)

    def _view(self, went: Trail, in_use: CameraInUse, dark: bool) -> View:
        seen = Trail(
            tuple(self._seen_from(place) for place in went.places), went.shares, 0.0 if dark else went.light
        )
        return View(
            objective=self.objective,
            trail=seen,
            width_px=in_use.width_px,
            height_px=in_use.height_px,
            exposure_us=in_use.exposure_us,
            gain=in_use.gain,
            colour_gains=in_use.colour_gains or self._renderer.sensor.own_gains,
            oil=1.0 if self.immersion is None else self.immersion.share,
            index=self._visits[(self.objective, seen.places[0])],
        )

    def _remember(self, start_ns: int, view: View) -> None:
        """Take note of a picture, so that the next of the same place has noise of its own."""
        self._visits[(view.objective, view.trail.places[0])] += 1
        place = view.trail.middle
        self._places[start_ns] = Point(
            place.x_um - self._aside_um[0], place.y_um - self._aside_um[1], place.z_um
        )
        if len(self._places) > REMEMBERED:
            self._places.popitem(last=False)
        if self.immersion is not None:
            self.immersion.moved_to(place)

    def _seen_from(self, place: Point) -> Point:
        return Point(place.x_um + self._aside_um[0], place.y_um + self._aside_um[1], place.z_um)

    def _paced(self) -> Vibration | None:
        return None if self._vibration is None else self._vibration.paced(self._carriage.rate)

    def _beat_now(self) -> Beat:
        """The sensor's beat; a new one when the world's time has changed its pace."""
        rate = self._carriage.rate
        if self._in_use is None:
            raise AssertionError("a sensor without a setting has no beat")
        if self._beat is None or self._beat[0] != rate:
            sensor, exposure_us = self._renderer.sensor, self._in_use.exposure_us
            now_ns = self._clock.now_ns()
            self._beat = rate, Beat.of(now_ns, exposure_us, sensor.frames_per_s, sensor.read_out_us, rate)
            self._given = -1
        return self._beat[1]

    def _wait(self, until_ns: int) -> None:
        self._clock.until(until_ns, self._gone)
        self._refuse_if_gone()

    def _refuse_if_gone(self) -> None:
        if self._closed:
            raise ApplianceError("The simulated camera is closed. Open it again.")
        if self._gone.is_set():
            raise ApplianceError("The simulated camera is lost: it was unplugged. Plug it in, then resume.")


def _torn(pixels: NDArray[np.uint8], last: Exposure | None) -> NDArray[np.uint8]:
    """The upper part of one picture over the lower part of the last."""
    torn = pixels.copy()
    row = torn.shape[0] * 5 // 8
    torn[row:] = 0 if last is None or last.pixels.shape != pixels.shape else last.pixels[row:]
    return torn
