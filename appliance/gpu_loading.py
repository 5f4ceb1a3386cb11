"""Analysers on a GPU, loaded: the device is taken, networks are opened on it, and everything runs once."""

from __future__ import annotations

from collections.abc import Callable

from appliance.config_engine import EngineSettings
from appliance.engines import opening
from appliance.expected_frames import FrameSize, detector_fields
from appliance.gpu_analyser import Gpu, GpuAnalyser, Networks
from appliance.network_analyser import detector_of
from models.card import BUNDLED
from models.cascade import load_cascade
from models.engines.box import Box
from models.engines.names import EngineName
from models.gpu.memory import Lane

KERNELS = "kernels"


def gpu_analyser(
    name: EngineName,
    settings: EngineSettings,
    box: Box,
    of: tuple[str, str, str],
    frames: FrameSize | None,
    take: Callable[..., Gpu] = Gpu,
) -> GpuAnalyser:
    """Load and warm an analyser on the GPU, verified or not. of: detector, panel and specimen.

    frames: what the run's will be.  take: takes the GPU, given what loads the networks there.
    Raises ModelRefused; EngineRefused where the engine, PyCUDA, the compiler or a plan is absent.
    """
    detector, panel, specimen = of

    def load(lane: Lane) -> Networks:
        on = opening(name, settings, box, lane, detector_fields(frames))
        cascade = load_cascade(panel, specimen, BUNDLED, on.precision, on.open_engine)
        return Networks(detector_of(detector, on.open_engine), cascade)

    analyser = GpuAnalyser(take(load, kernels=settings.cache / KERNELS))
    analyser.warm(frames)
    return analyser
