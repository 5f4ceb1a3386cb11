"""ONNX Runtime, on the processor or on a GPU of NVIDIA's.

The runtime goes on without a provider that it cannot load, with a line in its log. Here that is a refusal: the
session is asked what runs, once it was made, and is told never to change that afterwards.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.engines.engine import Batch, DeviceBatch, NetworkShape, parts_of
from models.errors import AnalysisError, EngineRefused, ModelRefused

REMEDY = 'Install hemadiff[gpu] and CUDA\'s libraries, or set [engine] name to "onnx".'
LARGEST_BATCH = 64
LARGEST_CUDA_BATCH = 256


class Provider(StrEnum):
    """What runs a network, as ONNX Runtime calls it."""

    CPU = "CPUExecutionProvider"
    CUDA = "CUDAExecutionProvider"


# Of many ways to convolve the runtime takes the one its library advises and does not try all, which would take
# seconds for each new shape; and it keeps to 32-bit floating point, which the processor's answers are in.
_CUDA_OPTIONS = {"device_id": "0", "cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}


class OnnxEngine:
    """An exported network in ONNX Runtime.

    name: the runtime, its version and the execution provider that really runs it.
    """

    precision: str | None = None

    def __init__(self, path: Path, provider: Provider = Provider.CPU, gpu: str = "") -> None:
        """Load and optimise the network. gpu: the device's name, for this engine's.

        Raises ModelRefused where the file cannot be loaded, EngineRefused where the provider does not run here.
        """
        try:
            self._session = _session(path, provider)
        except EngineRefused:
            raise
        except Exception as error:  # the runtime's own exceptions share no other base
            if provider is not Provider.CPU:
                raise EngineRefused(f"{path} cannot be run by {provider}: {error}. {REMEDY}") from error
            raise ModelRefused(
                f"{path} cannot be loaded as a network: {error}. Install the weights again."
            ) from error
        runs = self._session.get_providers()[0]
        if runs != provider:
            raise EngineRefused(
                f"ONNX Runtime {onnxruntime.__version__} was asked for {provider}, and {runs} would run. {REMEDY}"
            )
        self.name = ", ".join([f"ONNX Runtime {onnxruntime.__version__}", runs, *([gpu] if gpu else [])])
        self.largest_batch = LARGEST_CUDA_BATCH if provider is Provider.CUDA else LARGEST_BATCH
        self.shape = _shape(self._session)
        self._memory = "cuda" if provider is Provider.CUDA else None

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """Return the network's first output for a batch (N×H×W×3 uint8), at most `largest_batch` at a time.

        Raises AnalysisError where the runtime fails or an output is not a finite number.
        """
        if isinstance(batch, DeviceBatch) and self._memory is None:
            raise AnalysisError(f"{self.name} cannot read a batch that lies on a GPU.")
        parts = parts_of(batch, self.largest_batch)
        try:
            outputs = [self._output(part) for part in parts]
        except Exception as error:
            raise AnalysisError(f"The network failed on {self.name}: {error}.") from error
        result = np.concatenate(outputs).astype(np.float32, copy=False)
        if not np.isfinite(result).all():
            raise AnalysisError(f"The network on {self.name} gave a value that is no number.")
        return result

    def _output(self, part: Batch) -> NDArray[np.float32]:
        name = self.shape.input
        if not isinstance(part, DeviceBatch):
            return np.asarray(self._session.run(None, {name: np.ascontiguousarray(part)})[0])
        # Bound by its address, and the answer to host memory: the runtime waits for the device before it returns.
        binding = self._session.io_binding()
        binding.bind_input(name, self._memory, part.device, np.uint8, part.shape, part.address)
        binding.bind_output(self.shape.outputs[0], "cpu")
        self._session.run_with_iobinding(binding)
        return np.asarray(binding.copy_outputs_to_cpu()[0])


def open_on_cpu(path: Path) -> OnnxEngine:
    """Open an exported network on the processor. Raises ModelRefused."""
    return OnnxEngine(path)


def open_on_cuda(path: Path, gpu: str = "") -> OnnxEngine:
    """Open an exported network on the first GPU, whose name is `gpu`.

    Raises ModelRefused, EngineRefused where the GPU does not run it.
    """
    return OnnxEngine(path, Provider.CUDA, gpu)


def absent(
    provider: Provider, available: Callable[[], list[str]] = onnxruntime.get_available_providers
) -> str:
    """Return why the installed ONNX Runtime has no such provider, empty where it has it. It may still not load."""
    if provider in available():
        return ""
    return f"the installed ONNX Runtime ({onnxruntime.__version__}) was built without {provider}"


def _session(path: Path, provider: Provider) -> Any:
    """Raises whatever the runtime does; EngineRefused where it was built without the provider."""
    providers: list[Any] = [str(provider)]
    if provider is Provider.CUDA:
        if said := absent(provider):
            raise EngineRefused(f"{said[0].upper()}{said[1:]}. {REMEDY}")
        _load_libraries_of_cuda()
        providers = [(str(provider), _CUDA_OPTIONS)]  # the processor's is not named: see _options
    return onnxruntime.InferenceSession(str(path), _options(provider), providers=providers, enable_fallback=0)


@cache
def _load_libraries_of_cuda() -> None:
    """They may lie among Python's packages, where only the runtime itself looks for them."""
    preload = getattr(onnxruntime, "preload_dlls", None)
    if preload is not None:
        with redirect_stdout(sys.stderr):  # it prints what it misses, where results may be read
            preload()


def _options(provider: Provider) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    options.log_severity_level = 3
    # Two networks take turns on the same cores: the one that waits must not spin on them.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if provider is Provider.CUDA:
        options.use_deterministic_compute = True  # the same slide gives the same count
        # A node that the GPU cannot run would be run by the processor without a word: then the network is refused.
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return options


def _shape(session: Any) -> NetworkShape:
    entry = session.get_inputs()[0]
    height, width = (side if isinstance(side, int) else None for side in (*entry.shape, None, None)[1:3])
    return NetworkShape(entry.name, height, width, tuple(output.name for output in session.get_outputs()))
