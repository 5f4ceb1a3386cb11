"""Serves this machine's camera to the instrument on another: one client at a time, and none without the key."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from appliance.cameras.camera import Camera, CameraSetting
from appliance.cameras.freshness import NotFresh
from appliance.cameras.wire import Wire, WireBroken, greet_client
from appliance.errors import ApplianceError, ApplianceRefused

log = logging.getLogger(__name__)

GREET_WITHIN_S = 5.0
MOST_CONNECTIONS = 8
OWNER_GOES_WITHIN_S = 3.0  # a client that comes back may find its own last question still being answered
CLOSE_WITHIN_S = 10.0
TAKE_AGAIN_S = 0.1
KEEPALIVE_S = (5, 2, 3)  # a client whose machine was switched off is given up after 5 + 2 × 3 s


class CameraServer:
    """Listens from its making on; serves once it is started. The camera is open only while a client has it.

    open_camera: called when a client comes.  key: 32 bytes.  host, port: 0 takes a free port.
    Raises ApplianceRefused where the address cannot be used.
    """

    def __init__(
        self,
        open_camera: Callable[[], Camera],
        key: bytes,
        host: str,
        port: int,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        owner_goes_within_s: float = OWNER_GOES_WITHIN_S,
    ) -> None:
        self._owner_goes_within_s = owner_goes_within_s
        self._open_camera = open_camera
        self._key = key
        self._clock_ns = clock_ns
        try:
            self._listener = socket.create_server(
                (host, port), family=_family(host, port), backlog=MOST_CONNECTIONS
            )
        except OSError as error:
            raise ApplianceRefused(
                f"The camera cannot be served at {host}:{port}: {error.strerror or error}. Give another address."
            ) from error
        self._room = threading.Semaphore(MOST_CONNECTIONS)
        self._owner = threading.Lock()
        self._owned_by = ""
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._closed = False

    @property
    def address(self) -> tuple[str, int]:
        """The host and port that it listens on."""
        host, port, *_ = self._listener.getsockname()
        return str(host), int(port)

    def start(self) -> None:
        """Serve in threads of its own, until it is closed."""
        threading.Thread(target=self.serve, name="camera server", daemon=True).start()

    def serve(self) -> None:
        """Serve until it is closed."""
        while True:
            try:
                connection, (peer, *_) = self._listener.accept()
            except OSError as error:
                if self._closed:
                    return
                log.warning(
                    "a connection was not taken: %s", error
                )  # the network's fault, or too many open files
                time.sleep(TAKE_AGAIN_S)
                continue
            with self._lock:
                if self._closed or not self._room.acquire(blocking=False):
                    connection.close()
                    continue
                thread = threading.Thread(
                    target=self._attend, args=[connection, str(peer)], name="client", daemon=True
                )
                self._connections[connection] = thread
                thread.start()

    def close(self) -> None:
        """Hang up on everybody, let go of the camera, and stop listening. May be called twice."""
        with self._lock:
            self._closed = True
            connections = dict(self._connections)
        for each in [self._listener, *connections]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        deadline = time.monotonic() + CLOSE_WITHIN_S
        for thread in connections.values():
            thread.join(max(0.0, deadline - time.monotonic()))

    def _attend(self, connection: socket.socket, peer: str) -> None:
        try:
            with connection:
                _watch(connection)
                wire = greet_client(connection, self._key, GREET_WITHIN_S)
                self._serve_one(wire, peer)
        except WireBroken as broken:
            log.info("the connection from %s ended: %s", peer, broken)
        finally:
            with self._lock:
                self._connections.pop(connection, None)
            self._room.release()

    def _serve_one(self, wire: Wire, peer: str) -> None:
        if not self._owner.acquire(timeout=self._owner_goes_within_s):
            wire.receive(0, GREET_WITHIN_S)
            wire.send(_refusal(f"The camera is in use by {self._owned_by}. Stop the other instrument first."))
            return
        self._owned_by = peer
        try:
            self._serve_owner(wire)
        finally:
            self._owner.release()

    def _serve_owner(self, wire: Wire) -> None:
        camera: Camera | None = None
        try:
            while True:
                question, _ = wire.receive(0, within_s=None)
                try:
                    camera = camera or self._open_camera()
                    self._answer(wire, camera, question)
                except NotFresh as not_fresh:
                    wire.send(_error("not fresh", str(not_fresh)) | {"reason": not_fresh.reason})
                except ApplianceRefused as refused:
                    wire.send(_refusal(str(refused)))
                except WireBroken:
                    raise
                except ApplianceError as lost:
                    wire.send(_error("lost", str(lost)))
                    return  # the next client finds the camera opened anew
                except Exception as failure:
                    log.exception("the camera failed")
                    said = f"{type(failure).__name__}: {failure}".rstrip(": ")
                    wire.send(
                        _error("lost", f"The camera server failed in a way it did not foresee: {said}.")
                    )
                    return
        finally:
            if camera is not None:
                camera.close()

    def _answer(self, wire: Wire, camera: Camera, question: dict[str, Any]) -> None:
        match question.get("ask"):
            case "describe":
                wire.send({"ok": True, "name": camera.name, "simulated": camera.simulated})
            case "configure":
                wire.send({"ok": True, "in_use": asdict(camera.configure(_wish(question.get("wish"))))})
            case "capture":
                self._capture(wire, camera)
            case other:
                raise ApplianceRefused(
                    f"A camera server does not know {other!r}. Use one version on both machines."
                )

    def _capture(self, wire: Wire, camera: Camera) -> None:
        """One exposure that began after the question arrived, by the one clock that is here."""
        arrived_ns = self._clock_ns()
        exposure = camera.capture(arrived_ns)
        if exposure.start_ns < arrived_ns:
            raise NotFresh(
                "stale", f"The camera {camera.name} gave an exposure that began before it was asked for."
            )
        pixels = np.ascontiguousarray(exposure.pixels)
        wire.send(
            {
                "ok": True,
                "began_after_ns": exposure.start_ns - arrived_ns,
                "exposure_us": exposure.exposure_us,
                "gain": exposure.gain,
            },
            pixels.data.cast("B"),
        )


def _wish(values: Any) -> CameraSetting:
    try:
        gains = values["colour_gains"]
        return CameraSetting(
            width_px=int(values["width_px"]),
            height_px=int(values["height_px"]),
            exposure_us=int(values["exposure_us"]),
            gain=float(values["gain"]),
            colour_gains=None if gains is None else (float(gains[0]), float(gains[1])),
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ApplianceRefused("That is no camera setting. Use one version on both machines.") from error


def _error(kind: str, sentence: str) -> dict[str, Any]:
    return {"ok": False, "kind": kind, "error": sentence}


def _refusal(sentence: str) -> dict[str, Any]:
    return _error("refused", sentence)


def _watch(connection: socket.socket) -> None:
    """Hear of a client whose machine lost its power: it never hangs up."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
    for option, value in zip(options, KEEPALIVE_S, strict=True):
        if hasattr(socket, option):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _family(host: str, port: int) -> socket.AddressFamily:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
