"""A camera on another machine, asked over the network.

Two machines have two clocks, and no exposure is trusted because both agree. The client waits until everything
has settled by its own clock and only then asks; the server begins no exposure for it before the question has
arrived. So the exposure began after the question was sent, whatever the server's clock says.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from appliance.cameras.camera import CameraInUse, CameraSetting, Exposure
from appliance.cameras.freshness import NotFresh
from appliance.cameras.open_driver import DEFAULT_PORT
from appliance.cameras.wire import KeyRefused, Wire, WireBroken, greet_server
from appliance.errors import ApplianceError, ApplianceRefused

CONNECT_WITHIN_S = 5.0
ANSWER_WITHIN_S = 15.0
CONFIGURE_WITHIN_S = 60.0
CLOCKS_DIFFER_BY = 1000  # one part in so many: a hundred times what quartz is off


class RemoteCamera:
    """The camera that a server at ``host`` serves. Lost with its connection: open it again then.

    key: 32 bytes, the server's own (`read_key`).
    answer_within_s: for an exposure, beyond its own length: what the sensor, the pixels' way and a busy machine take.
    Raises ApplianceRefused for a wrong key or a server in use, and ApplianceError where none answers.
    """

    def __init__(
        self,
        host: str,
        key: bytes,
        port: int = DEFAULT_PORT,
        answer_within_s: float = ANSWER_WITHIN_S,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._where = f"{host}:{port}"
        self._answer_within_s = answer_within_s
        self._clock_ns = clock_ns
        self._sleep = sleep
        self._in_use: CameraInUse | None = None
        self._camera = "unknown"
        self._wire: Wire | None = _connected(host, port, key)
        try:
            described, _ = self._ask({"ask": "describe"}, 0, CONFIGURE_WITHIN_S)
        except BaseException:
            self.close()  # or the server would keep its camera for a client that never was
            raise
        self._camera = str(described["name"])
        self.simulated = bool(described["simulated"])

    @property
    def name(self) -> str:
        """``remote:`` and the server's address, with what the server calls its camera."""
        return f"remote:{self._where} ({self._camera})"

    def configure(self, wish: CameraSetting) -> CameraInUse:
        """Lock the server's sensor to a setting and return what it really uses; raises what that camera raises."""
        self._in_use = None
        reply, _ = self._ask({"ask": "configure", "wish": asdict(wish)}, 0, CONFIGURE_WITHIN_S)
        in_use = in_use_from(reply["in_use"])
        if (in_use.width_px, in_use.height_px) != (wish.width_px, wish.height_px):
            raise self._lost(f"it took {in_use.width_px}×{in_use.height_px} px for what was wished")
        self._in_use = in_use
        return in_use

    def capture(self, not_before_ns: int) -> Exposure:
        """Return the next exposure that began at not_before_ns or later, by this machine's clock.

        Raises NotFresh as the server's camera does, ApplianceRefused before `configure`, and ApplianceError when the
        server or its camera is lost.
        """
        in_use = self._in_use
        if in_use is None:
            raise ApplianceRefused(f"The camera {self.name} is not configured. Configure it first.")
        while (wait_ns := not_before_ns - self._clock_ns()) > 0:
            self._sleep(wait_ns / 1e9)
        shape = (in_use.height_px, in_use.width_px, 3)
        asked_ns = self._clock_ns()
        reply, payload = self._ask(
            {"ask": "capture"},
            most_payload=shape[0] * shape[1] * shape[2],
            within_s=self._answer_within_s + in_use.exposure_us / 1e6,
        )
        if len(payload) != shape[0] * shape[1] * shape[2]:
            raise self._lost(f"it sent {len(payload)} bytes for {in_use.width_px}×{in_use.height_px} px")
        after_ns = int(reply["began_after_ns"])
        if after_ns < 0:
            raise NotFresh(
                "stale", f"The camera {self.name} gave an exposure that began before it was asked for."
            )
        return Exposure(
            pixels=np.frombuffer(payload, dtype=np.uint8).reshape(shape),
            # The question arrived after it was sent; the server's clock may run a little fast.
            start_ns=asked_ns + after_ns - after_ns // CLOCKS_DIFFER_BY,
            exposure_us=int(reply["exposure_us"]),
            gain=float(reply["gain"]),
            in_use=in_use,
        )

    def close(self) -> None:
        """Hang up; the server lets go of its sensor then. May be called twice."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def _ask(
        self, question: dict[str, Any], most_payload: int, within_s: float
    ) -> tuple[dict[str, Any], bytearray]:
        wire = self._wire  # another thread may close the camera meanwhile
        if wire is None:
            raise ApplianceError(f"The camera {self.name} is closed. Open it again.")
        try:
            wire.send(question, within_s=within_s)
            reply, payload = wire.receive(most_payload, within_s)
        except WireBroken as error:
            raise self._lost(str(error)) from error
        if not reply.get("ok"):
            raise self._told(reply)
        return reply, payload

    def _told(self, reply: Mapping[str, Any]) -> Exception:
        """The server's error as the same error here."""
        said, kind = str(reply.get("error")), reply.get("kind")
        if kind == "not fresh":
            return NotFresh(str(reply.get("reason")), said)
        if kind == "refused":
            return ApplianceRefused(said)
        self.close()
        return ApplianceError(said)

    def _lost(self, why: str) -> ApplianceError:
        self.close()
        return ApplianceError(
            f"The camera {self.name} is lost: {why.rstrip('.')}. Check that machine and the network cable, then resume."
        )


def in_use_from(values: Mapping[str, Any]) -> CameraInUse:
    """Return what a server wrote of its sensor's setting."""
    gains = values["colour_gains"]
    return CameraInUse(
        model=str(values["model"]),
        width_px=int(values["width_px"]),
        height_px=int(values["height_px"]),
        pixel_format=str(values["pixel_format"]),
        exposure_us=int(values["exposure_us"]),
        gain=float(values["gain"]),
        colour_gains=None if gains is None else (float(gains[0]), float(gains[1])),
    )


def _connected(host: str, port: int, key: bytes) -> Wire:
    try:
        connection = socket.create_connection((host, port), timeout=CONNECT_WITHIN_S)
    except OSError as error:
        raise ApplianceError(
            f"No camera server answers at {host}:{port} ({error}). Start one there with `hemadiff camera serve`."
        ) from error
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        return greet_server(connection, key, CONNECT_WITHIN_S)
    except KeyRefused as error:
        connection.close()
        raise ApplianceRefused(
            f"The camera server at {host}:{port} was not taken: {error} Copy the same key to both machines."
        ) from error
    except WireBroken as error:
        connection.close()
        raise ApplianceError(f"The camera server at {host}:{port} cannot be used: {error}") from error
