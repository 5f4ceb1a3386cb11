"""One exported network on one device: arrays in, arrays out, or an error."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.errors import AnalysisError, ModelRefused

LARGEST_BATCH = 64


class Engine:
    """An ONNX network in ONNX Runtime, on the CPU.

    name: the runtime, its version and the execution provider that really runs it.
    """

    def __init__(self, path: Path) -> None:
        """Load and optimise the network. Raises ModelRefused where the file cannot be loaded."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = len(os.sched_getaffinity(0))
        options.log_severity_level = 3
        # Two networks take turns on the same cores: the one that waits must not spin on them.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime's own exceptions share no other base
            raise ModelRefused(
                f"{path} cannot be loaded as a network: {error}. Install the weights again."
            ) from error
        self._input = self._session.get_inputs()[0].name
        self.name = f"ONNX Runtime {onnxruntime.__version__}, {self._session.get_providers()[0]}"

    def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the network's output for a batch (N×H×W×3 uint8), at most 64 at a time.

        Raises AnalysisError where the runtime fails or an output is not a finite number.
        """
        parts = [batch[i : i + LARGEST_BATCH] for i in range(0, len(batch), LARGEST_BATCH)]
        try:
            outputs = [
                self._session.run(None, {self._input: np.ascontiguousarray(part)})[0] for part in parts
            ]
        except Exception as error:
            raise AnalysisError(f"The network failed on {self.name}: {error}.") from error
        result = np.concatenate(outputs).astype(np.float32, copy=False)
        if not np.isfinite(result).all():
            raise AnalysisError(f"The network on {self.name} gave a value that is no number.")
        return result
