"""The freshness gate: which exposures may become frames, whatever camera they come from.

A frame counts only if its exposure began after the last motion, illumination or focus change had settled, and
if it is one whole exposure with light in it. Drivers wait for such a frame; here it is checked, once, for all of
them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from appliance.cameras.camera import Camera, CameraInUse, CameraSetting, Exposure
from appliance.cameras.torn import Rows, rows_alike, rows_telling, rows_without_light, seam, some_columns
from appliance.cause import Cause
from appliance.errors import ApplianceError

ATTEMPTS = 3
LAMPS = {"dark": Cause.DARK, "saturated": Cause.TOO_BRIGHT}
ANOTHER_MAY_BE_FRESH = frozenset({"stale", "repeated", "torn"})


class NotFresh(ApplianceError):
    """An exposure that must not be counted. reason: its kind in a few words, the same for every such frame.

    The reasons: ``stale``, ``repeated``, ``late``, ``dark``, ``saturated``, ``torn``, ``other setting`` and
    ``wrong clock``.
    """

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence, cause=LAMPS.get(reason, Cause.NO_PICTURE))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class FreshnessLimits:
    """What still passes. None leaves a check out: a dark frame is wanted dark, a grid has lines as sharp as seams.

    late_after_s: from the moment at which an exposure was asked for, and might begin, to its delivery.
    dark_below: grey level (of 255) that 1 % of all pixels must reach in one of their colours.
    saturated_share: how many pixels may have a colour at 255, as a share of all.
    torn_rows: how many rows may be the last frame's or of one colour, as a share of all.
    seam: by what factor one pair of rows may differ more than the pairs around it. Of 512 fields of two
    laboratories none has more than 4.3; parts of two fields have more in 99.8 % (benchmarks.torn_frames).
    setting_share: how far exposure and gain may be from those in use, as a share of them.
    """

    late_after_s: float | None = 10.0
    dark_below: int | None = 40
    saturated_share: float | None = 0.05
    torn_rows: float | None = 0.01
    seam: float | None = 5.0
    setting_share: float = 0.01


class FreshnessGate:
    """Judges the exposures of one camera, in the order in which they come."""

    def __init__(self, name: str, limits: FreshnessLimits | None = None) -> None:
        self._name = name
        self._limits = limits or FreshnessLimits()
        self._last: tuple[int, Rows] | None = None

    def check(self, exposure: Exposure, not_before_ns: int, asked_ns: int, received_ns: int) -> None:
        """Raise NotFresh where an exposure must not be used. All times are monotonic, of this machine.

        not_before_ns: when everything had settled.  asked_ns: when the exposure was asked for.
        received_ns: when it came.
        """
        rows = some_columns(exposure.pixels)
        last, self._last = self._last, (exposure.start_ns, rows)
        self._check_times(exposure, not_before_ns, max(asked_ns, not_before_ns), received_ns)
        self._check_setting(exposure)
        self._check_new(exposure, rows, last)
        self._check_light(rows)
        self._check_whole(exposure, rows)

    def _check_times(self, exposure: Exposure, not_before_ns: int, asked_ns: int, received_ns: int) -> None:
        if exposure.start_ns > received_ns:
            raise self._refusal(
                "wrong clock",
                f"says that an exposure began {_ms(exposure.start_ns - received_ns)} after it was delivered. "
                "Its clock is not this machine's: restart the instrument",
            )
        if exposure.start_ns < not_before_ns:
            raise self._refusal(
                "stale",
                f"gave an exposure that began {_ms(not_before_ns - exposure.start_ns)} before everything "
                "had settled",
            )
        late_after_s, took_ns = self._limits.late_after_s, received_ns - asked_ns
        if late_after_s is not None and took_ns > late_after_s * 1e9:
            raise self._refusal(
                "late",
                f"took {took_ns / 1e9:.1f} s for an exposure of {exposure.exposure_us / 1000:g} ms (at most "
                f"{late_after_s:g} s are allowed). Check its cable and what else this machine is doing",
            )

    def _check_setting(self, exposure: Exposure) -> None:
        in_use, share = exposure.in_use, self._limits.setting_share
        if not _near(exposure.exposure_us, in_use.exposure_us, share) or not _near(
            exposure.gain, in_use.gain, share
        ):
            raise self._refusal(
                "other setting",
                f"exposed for {exposure.exposure_us} µs at gain {exposure.gain:g}, not for {in_use.exposure_us} µs "
                f"at gain {in_use.gain:g} as configured. Switch its automatic exposure off",
            )
        wanted = (in_use.height_px, in_use.width_px, 3)
        if exposure.pixels.shape != wanted or exposure.pixels.dtype != np.uint8:
            raise self._refusal(
                "torn", f"gave a frame of {exposure.pixels.shape} instead of {wanted}: a part is missing"
            )

    def _check_new(self, exposure: Exposure, rows: Rows, last: tuple[int, Rows] | None) -> None:
        if last is None:
            return
        last_start_ns, last_rows = last
        alike, telling = rows_alike(rows, last_rows), rows_telling(rows)
        # Two frames that are black or full throughout are told apart by their times alone.
        if exposure.start_ns <= last_start_ns or (telling > 0 and alike == telling):
            raise self._refusal("repeated", "gave the same exposure twice")
        if self._too_many(alike, len(rows)):
            raise self._refusal("torn", f"gave a frame with {alike} rows of the one before: a part is old")

    def _check_light(self, rows: Rows) -> None:
        dark_below, saturated_share = self._limits.dark_below, self._limits.saturated_share
        brightest = rows.max(axis=2)
        if dark_below is not None and (level := float(np.percentile(brightest, 99))) < dark_below:
            raise self._refusal(
                "dark",
                f"gave a dark frame (level {level:.0f} of 255). Check the lamp, the shutter and the exposure",
            )
        if saturated_share is not None and (share := float((brightest == 255).mean())) > saturated_share:
            raise self._refusal(
                "saturated", f"gave a frame with {share:.0%} of its pixels saturated. Shorten the exposure"
            )

    def _check_whole(self, exposure: Exposure, rows: Rows) -> None:
        flat = rows_without_light(rows)
        if self._too_many(flat, len(rows)):
            raise self._refusal("torn", f"gave a frame with {flat} rows of one colour: a part never came")
        if self._limits.seam is None:
            return
        row, factor = seam(exposure.pixels)
        if factor > self._limits.seam:
            raise self._refusal("torn", f"gave a frame whose row {row} does not follow on the one above it")

    def _too_many(self, rows: int, of: int) -> bool:
        return self._limits.torn_rows is not None and rows > self._limits.torn_rows * of

    def _refusal(self, reason: str, what: str) -> NotFresh:
        return NotFresh(reason, f"The camera {self._name} {what}.")


class FreshCamera:
    """A camera behind the freshness gate: what it gives may be counted, or it raises NotFresh.

    camera: owned from now on.  clock_ns: monotonic.
    A stale, repeated or torn exposure is taken again, up to three times in all; for a lamp that is off, that
    would be no use.
    """

    def __init__(
        self,
        camera: Camera,
        limits: FreshnessLimits | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._camera = camera
        self._gate = FreshnessGate(camera.name, limits)
        self._clock_ns = clock_ns

    @property
    def name(self) -> str:
        """The camera's own."""
        return self._camera.name

    @property
    def simulated(self) -> bool:
        """Whether no light ever fell on its sensor."""
        return self._camera.simulated

    def configure(self, wish: CameraSetting) -> CameraInUse:
        """Lock the sensor to a setting and return what it really uses; raises as the camera does."""
        return self._camera.configure(wish)

    def capture(self, not_before_ns: int) -> Exposure:
        """Return an exposure that began at not_before_ns or later and passed every check.

        Raises NotFresh, or what the camera raises when it is lost.
        """
        asked_ns = self._clock_ns()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                exposure = self._camera.capture(not_before_ns)  # a driver sees bytes that never became pixels
                self._gate.check(exposure, not_before_ns, asked_ns, self._clock_ns())
                return exposure
            except NotFresh as refusal:
                if attempt == ATTEMPTS or refusal.reason not in ANOTHER_MAY_BE_FRESH:
                    raise
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Let go of the sensor. May be called twice."""
        self._camera.close()


def _near(value: float, wanted: float, share: float) -> bool:
    return abs(value - wanted) <= share * abs(wanted) + 1e-9


def _ms(ns: int) -> str:
    return f"{ns / 1e6:.1f} ms"
