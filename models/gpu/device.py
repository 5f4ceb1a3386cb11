"""A GPU, in the hands of one thread of one process.

The context is the device's *primary* one, which TensorRT and ONNX Runtime use too: what one of them holds in the
GPU's memory, the others can read.
Source: the CUDA Driver API, "Primary Context Management".
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType

from models.errors import AnalysisError, EngineRefused
from models.gpu.cuda_errors import named, names_by_meaning
from models.gpu.driver import Context, Driver, load_driver

REASON = "GPU failed"
_forked = False


def _note_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


class Device:
    """A GPU whose primary context is current in the thread that opened it.

    number: CUDA's, from 0.  name: its maker's.  capability: compute capability, major and minor.
    cuda: the newest CUDA that the driver has, major and minor.
    """

    def __init__(
        self, number: int = 0, driver: Driver | None = None, error_names: Mapping[str, str] | None = None
    ) -> None:
        """Take the GPU for this thread. Raises EngineRefused where there is none, or the process was forked.

        driver: PyCUDA's, unless a test brings another.  error_names: CUDA's, by what they mean; None to ask the driver.
        """
        _refuse_if_forked()
        self.driver = load_driver() if driver is None else driver
        self._error_names = names_by_meaning() if error_names is None else error_names
        self._owner = threading.get_ident()
        self._context: Context | None = None
        self.number = number
        try:
            self.driver.init()
            device = self.driver.Device(number)
            self.name = device.name()
            major, minor = device.compute_capability()
            newest = self.driver.get_driver_version()
            context = device.retain_primary_context()
            try:
                context.push()
            except self.driver.Error:
                context.detach()
                raise
        except self.driver.Error as error:
            raise EngineRefused(
                f"The GPU {number} cannot be used: {named(error, self._error_names)}. "
                'Check it with nvidia-smi, or set [engine] name to "onnx".'
            ) from error
        self._context = context
        self.capability = (int(major), int(minor))
        self.cuda = (newest // 1000, newest % 1000 // 10)

    def __enter__(self) -> Device:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the GPU; again: nothing. Everything made with it is to be let go of before."""
        if self._context is None:
            return
        context = self._context
        with self.doing("letting go of the device"):
            self._context = None
            context.pop()
            context.detach()

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Whatever of CUDA fails inside ends as AnalysisError with the name of CUDA's error.

        what: continues "The GPU failed while". Raises AnalysisError in any thread but the owner, and once closed.
        """
        if threading.get_ident() != self._owner:
            raise AnalysisError(
                f"The GPU {self.name} belongs to the thread that opened it; another one is {what}. Report this.",
                REASON,
            )
        if self._context is None:
            raise AnalysisError(f"The GPU {self.name} was let go of before {what}. Report this.", REASON)
        try:
            yield
        except self.driver.Error as error:
            raise AnalysisError(
                f"The GPU {self.name} failed while {what}: {named(error, self._error_names)}.", REASON
            ) from error


def _refuse_if_forked() -> None:
    """CUDA does not survive a fork: what the parent began is broken in the child."""
    fork = "fork" in multiprocessing.get_all_start_methods()
    child = fork and isinstance(
        multiprocessing.current_process(), multiprocessing.get_context("fork").Process
    )
    if _forked or child:
        raise EngineRefused(
            "The GPU cannot be used in a process that was forked. Start it by spawn, as hemadiff does."
        )
