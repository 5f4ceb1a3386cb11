"""The simulated microscope in a process of its own, so that drawing does not steal from what is measured.

The process is spawned and works on one core; pictures come back through shared memory. What it has used of a
processor is on its own account: `cpu_s`.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.errors import ApplianceError, ApplianceRefused
from appliance.simulator.microscope import CellInFrame, Renderer
from appliance.simulator.sensor import Sensor
from appliance.simulator.view import View
from firmware_bridge.point import Point

READY_WITHIN_S = 120.0
ANSWER_WITHIN_S = 60.0
TOLD = (ApplianceRefused, ApplianceError, ValueError, OSError)  # what is raised at the other end

Build = Callable[[], Renderer]
Asked = tuple[str, tuple[Any, ...]]


class RenderProcess:
    """A renderer elsewhere. One picture at a time; may be called from any thread."""

    def __init__(
        self, build: Build, largest_px: tuple[int, int] = (1920, 1200), cores: Sequence[int] = ()
    ) -> None:
        """Start it and wait until the microscope stands.

        build: makes the microscope there; it must be possible to pickle it (a function of a module, or a
        functools.partial of one).  largest_px: width and height of the largest frame.  cores: the only ones that it may
        use; none given leaves it to the system.
        Raises ApplianceError where the process does not start.
        """
        self._lock = threading.Lock()
        self._memory = SharedMemory(create=True, size=largest_px[0] * largest_px[1] * 3)
        context = multiprocessing.get_context("spawn")
        self._line, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve,
            args=(theirs, build, self._memory.name, tuple(cores)),
            name="simulated microscope",
            daemon=True,
        )
        self._closed = False
        self._process.start()
        theirs.close()
        try:
            self._made: tuple[Sensor, str] = self._answer(READY_WITHIN_S)
        except BaseException:
            self.close()
            raise

    @property
    def digest(self) -> str:
        """The microscope's."""
        return self._made[1]

    @property
    def sensor(self) -> Sensor:
        """The microscope's."""
        return self._made[0]

    @property
    def cpu_s(self) -> float:
        """The processor time that the process has used since its microscope stood, s."""
        return float(self._ask("cpu_s"))

    def render(self, view: View) -> NDArray[np.uint8]:
        """Return the picture of a view. Raises as the microscope does, and ApplianceError when the process is gone."""
        shape = view.height_px, view.width_px, 3
        if view.height_px * view.width_px * 3 > self._memory.size:
            raise ApplianceRefused(
                f"A frame of {view.width_px} × {view.height_px} px is too large for this render process. "
                "Give it room for larger ones when it is started."
            )
        with self._lock:
            self._request("render", view)
            self._answer(ANSWER_WITHIN_S)
            return np.ndarray(shape, dtype=np.uint8, buffer=self._memory.buf).copy()

    def truth(self, place: Point, objective: str, width_px: int, height_px: int) -> list[CellInFrame]:
        """Return what really lies in a frame when the carriage really is at a place."""
        found: list[CellInFrame] = self._ask("truth", place, objective, width_px, height_px)
        return found

    def close(self) -> None:
        """End the process. May be called twice."""
        if self._closed:
            return
        self._closed = True
        self._line.close()  # it ends when nobody is left at this end
        self._process.join(5.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(5.0)
        with contextlib.suppress(FileNotFoundError):
            self._memory.close()
            self._memory.unlink()

    def _ask(self, what: str, *arguments: Any) -> Any:
        with self._lock:
            self._request(what, *arguments)
            return self._answer(ANSWER_WITHIN_S)

    def _request(self, what: str, *arguments: Any) -> None:
        asked: Asked = (what, arguments)
        try:
            self._line.send(asked)
        except OSError as error:
            raise ApplianceError(
                "The process that draws the simulated microscope is gone. Start it again."
            ) from error

    def _answer(self, within_s: float) -> Any:
        try:
            if not self._line.poll(within_s):
                self._process.kill()  # an answer that came later would be taken for the next one's
                raise ApplianceError(
                    f"The process that draws the simulated microscope was silent for {within_s:g} s. Start it again."
                )
            answer = self._line.recv()
        except (EOFError, OSError) as error:
            raise ApplianceError(
                "The process that draws the simulated microscope is gone. Start it again."
            ) from error
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(line: Connection, build: Build, memory_name: str, cores: tuple[int, ...]) -> None:
    """Draw what is asked for until the other end is closed."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # an interrupt is for the instrument, which then closes this line
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    cv2.setNumThreads(1)
    memory = SharedMemory(memory_name)
    try:
        try:
            microscope = build()
        except TOLD as error:
            line.send(error)
            return
        line.send((microscope.sensor, microscope.digest))
        ready_s = time.process_time()
        while True:
            what, arguments = line.recv()
            try:
                line.send(_done(microscope, memory, ready_s, what, arguments))
            except TOLD as error:
                line.send(error)
    except (EOFError, OSError):
        pass
    finally:
        memory.close()


def _done(
    microscope: Renderer, memory: SharedMemory, ready_s: float, what: str, arguments: tuple[Any, ...]
) -> Any:
    if what == "render":
        pixels = microscope.render(*arguments)
        np.ndarray(pixels.shape, dtype=np.uint8, buffer=memory.buf)[:] = pixels
        return None
    if what == "truth":
        return microscope.truth(*arguments)
    return time.process_time() - ready_s
