"""The locks of a USB camera: exposure, gain and colours, every one read back.

OpenCV's `set` is True where the driver clamped a value or ignored it (`icvControl` in cap_v4l.cpp says so itself),
so only `get` counts.
"""

from __future__ import annotations

from typing import Any

import cv2

from appliance.errors import ApplianceRefused

EXPOSURE_MANUAL = 1  # V4L2_EXPOSURE_MANUAL; 3 is aperture priority, what UVC cameras call automatic
EXPOSURE_UNIT_US = 100  # V4L2_CID_EXPOSURE_ABSOLUTE
EXPOSURE_NEAR = 0.03
WHITE_BALANCE_NEAR_K = 50
ABSENT = -1.0  # what `get` gives for a control that the camera does not have


class UsbLocks:
    """Locks the controls of one open `cv2.VideoCapture`. Every method raises ApplianceRefused where that fails.

    name: what the camera is called in errors.
    """

    def __init__(self, capture: Any, name: str) -> None:
        self._capture = capture
        self._name = name

    def lock_exposure(self, exposure_us: int) -> int:
        """Switch automatic exposure off, set an exposure, and return the one in use."""
        if self._capture.get(cv2.CAP_PROP_EXPOSURE) == ABSENT:
            raise ApplianceRefused(
                f"The camera {self._name} lets nobody set its exposure. Use another camera."
            )
        if self._capture.get(cv2.CAP_PROP_AUTO_EXPOSURE) != ABSENT:
            self._lock(cv2.CAP_PROP_AUTO_EXPOSURE, EXPOSURE_MANUAL, "automatic exposure")
        self._capture.set(cv2.CAP_PROP_EXPOSURE, max(1, round(exposure_us / EXPOSURE_UNIT_US)))
        got_us = self.exposure_us()
        if abs(got_us - exposure_us) > max(EXPOSURE_UNIT_US, EXPOSURE_NEAR * exposure_us):
            raise ApplianceRefused(
                f"The camera {self._name} exposes for {got_us} µs, not {exposure_us}. Set it to {got_us}."
            )
        return got_us

    def exposure_us(self) -> int:
        """Return the exposure in use."""
        return int(self._capture.get(cv2.CAP_PROP_EXPOSURE) * EXPOSURE_UNIT_US)

    def lock_gain(self, gain: float) -> float:
        """Set the gain, a number of the camera's own (V4L2 knows no factor), and return the one in use."""
        if self._capture.get(cv2.CAP_PROP_GAIN) == ABSENT:
            if gain != 1.0:
                raise ApplianceRefused(f"The camera {self._name} has no gain to set. Leave the gain at 1.")
            return 1.0
        self._capture.set(cv2.CAP_PROP_GAIN, round(gain))
        got = self.gain()
        if got != round(gain):
            raise ApplianceRefused(
                f"The camera {self._name} uses gain {got:g}, not {gain:g}. Set it to {got:g}."
            )
        return got

    def gain(self) -> float:
        """Return the gain in use: 1 where the camera has none to set."""
        got = float(self._capture.get(cv2.CAP_PROP_GAIN))
        return 1.0 if got == ABSENT else got

    def lock_colours(
        self, colour_gains: tuple[float, float] | None, white_balance_k: int | None
    ) -> tuple[float, float] | None:
        """Switch automatic white balance and autofocus off; set what is given. Return the colour gains in use.

        colour_gains: red and blue, numbers of the camera's own; few USB cameras have any.
        """
        if self._capture.get(cv2.CAP_PROP_AUTO_WB) == ABSENT:
            raise ApplianceRefused(
                f"The camera {self._name} lets nobody switch its automatic white balance off. Use another camera."
            )
        self._lock(cv2.CAP_PROP_AUTO_WB, 0, "automatic white balance")
        if self._capture.get(cv2.CAP_PROP_AUTOFOCUS) != ABSENT:
            self._lock(cv2.CAP_PROP_AUTOFOCUS, 0, "autofocus")
        if white_balance_k is not None:
            self._capture.set(cv2.CAP_PROP_WB_TEMPERATURE, white_balance_k)
            got_k = self._capture.get(cv2.CAP_PROP_WB_TEMPERATURE)
            if abs(got_k - white_balance_k) > WHITE_BALANCE_NEAR_K:
                said = "none" if got_k == ABSENT else f"{got_k:g} K"
                raise ApplianceRefused(
                    f"The camera {self._name} uses a white balance of {said}, not {white_balance_k} K."
                )
        return None if colour_gains is None else self._set_colour_gains(colour_gains)

    def _set_colour_gains(self, colour_gains: tuple[float, float]) -> tuple[float, float]:
        for control, gain in zip(
            (cv2.CAP_PROP_WHITE_BALANCE_RED_V, cv2.CAP_PROP_WHITE_BALANCE_BLUE_U), colour_gains, strict=True
        ):
            self._capture.set(control, round(gain))
            if self._capture.get(control) != round(gain):
                raise ApplianceRefused(
                    f"The camera {self._name} does not take the colour gains {colour_gains}. Leave them out, or set a "
                    "white balance."
                )
        red, blue = colour_gains
        return float(round(red)), float(round(blue))

    def _lock(self, control: int, value: int, what: str) -> None:
        self._capture.set(control, value)
        got = self._capture.get(control)
        if got != value:
            raise ApplianceRefused(
                f"The camera {self._name} does not switch its {what} off (it says {got:g}, not {value}). "
                "Use another camera."
            )

    def refuse_unless_kept(self, exposure_us: int) -> None:
        """Read the locks again: some cameras forget them with the first frames that they send."""
        automatic = self._capture.get(cv2.CAP_PROP_AUTO_EXPOSURE)
        got_us = self.exposure_us()
        if automatic not in (ABSENT, EXPOSURE_MANUAL) or got_us != exposure_us:
            raise ApplianceRefused(
                f"The camera {self._name} does not keep its exposure ({got_us} µs after some frames at {exposure_us}). "
                "Use another camera."
            )
        if self._capture.get(cv2.CAP_PROP_AUTO_WB) != 0:
            raise ApplianceRefused(
                f"The camera {self._name} does not keep its white balance. Use another camera."
            )
