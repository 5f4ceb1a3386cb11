"""The engine that the settings ask for: whether it may count here, why it is the one, and how networks open on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from appliance.config_engine import EngineSettings
from models.cascade_file import Precision
from models.engines.box import Asked, Box, ask_box
from models.engines.choice import READY, Choice, Standing, choose
from models.engines.cuda_memory import Cuda
from models.engines.engine import OpenEngine
from models.engines.names import BEST_FIRST, EngineName, EnginePrecision
from models.engines.onnx_engine import Provider, absent, open_on_cpu, open_on_cuda
from models.engines.profiles import FieldSize
from models.engines.verified import Subject, Verification, find
from models.errors import EngineRefused
from models.weights_digest import weights_digest

NOT_VERIFIED = "it was not verified on this box with these weights"
ON_CPU = EngineSettings(EngineName.ONNX, EnginePrecision.FP32, Path())
"""The processor's engine, whatever else there is."""


@dataclass(frozen=True, slots=True)
class Opening:
    """How networks open on an engine. precision: the one of a cascade's networks that is opened there."""

    open_engine: OpenEngine
    precision: Precision | None


@dataclass(frozen=True, slots=True)
class Chosen:
    """The engine that counts, and why. box: the GPU's; None where only the processor is used."""

    name: EngineName
    why: str
    box: Box | None = None


def choose_engine(
    settings: EngineSettings,
    panel: str,
    ask: Callable[[], Asked] | None = None,
    weights: Callable[[str], str] = weights_digest,
) -> Chosen:
    """Return the engine that counts a panel under these settings.

    ask: what this box is; the GPU is left alone where the processor is asked for.  weights: the digest of a panel's.
    Raises EngineRefused where the one asked for is absent or not verified, ModelRefused for weights that are damaged.
    """
    if settings.name is EngineName.ONNX:
        return _chosen(choose(settings.name, {EngineName.ONNX: READY}), None)
    asked = (ask or ask_box)()
    digest = "" if asked.box is None else weights(panel)
    return _chosen(choose(settings.name, standings(settings, digest, asked)), asked.box)


def standings(settings: EngineSettings, weights: str, asked: Asked) -> Mapping[EngineName, Standing]:
    """Return how every engine stands on a box with weights of this digest."""
    return {name: _standing(name, settings, weights, asked) for name in BEST_FIRST}


def subject_of(name: EngineName, settings: EngineSettings, weights: str, box: Box) -> Subject:
    """Return what a verification of an engine under these settings is of. weights: their digest."""
    precision = settings.precision if name is EngineName.TENSORRT else None
    return Subject(name, precision, weights, box)


def why_absent(name: EngineName, asked: Asked) -> str:
    """Return why an engine cannot run on a box, empty where it can."""
    if name is EngineName.ONNX:
        return ""
    if asked.box is None:
        return asked.why_none
    if name is EngineName.TENSORRT:
        missing = [
            what
            for what, there in (("TensorRT", asked.box.tensorrt), ("PyCUDA", asked.box.pycuda))
            if not there
        ]
        return f"{' and '.join(missing)} {'are' if missing[1:] else 'is'} not installed" if missing else ""
    return absent(Provider.CUDA)


def why_unverified(found: Verification | None) -> str:
    """Return why an engine may not count, empty where it may. found: what is on record of it."""
    if found is None:
        return NOT_VERIFIED
    if not found.passed:
        because = f": {found.said[0].rstrip('.')}" if found.said else ""
        return f"it failed its verification on this box{because}"
    return ""


def opening(
    name: EngineName,
    settings: EngineSettings,
    box: Box | None = None,
    cuda: Cuda | None = None,
    fields: Sequence[FieldSize] = (),
) -> Opening:
    """Return how networks open on an engine, verified or not. Raises EngineRefused where it is absent.

    box: the GPU's; the processor needs none.  cuda: of the thread that holds the GPU, for TensorRT.  fields: how large
    the detector sees this microscope's fields, for TensorRT's plans.
    The processor counts with eight-bit twins, a GPU with float networks; TensorRT with twins where INT8 is asked for.
    """
    if name is EngineName.ONNX:
        return Opening(open_on_cpu, None)
    if box is None:
        raise EngineRefused(f'The engine {name} needs a GPU, and none is known. Set [engine] name to "onnx".')
    if name is EngineName.ONNX_CUDA:
        return Opening(partial(open_on_cuda, gpu=box.gpu), Precision.FLOAT)
    if cuda is None:
        raise EngineRefused(
            f"The engine {name} opens networks only where the GPU is held, and this is not such a place. "
            'Set [engine] name to "onnx" for it.'
        )
    from models.engines.plan_cache import PlanCache
    from models.engines.tensorrt_opener import TensorRTOpener  # loads TensorRT: there is a GPU

    plans = PlanCache(settings.cache)
    eight_bit = settings.precision is EnginePrecision.INT8
    opener = TensorRTOpener(box, cuda, plans, settings.precision, tuple(fields))
    return Opening(opener, Precision.INT8 if eight_bit else Precision.FLOAT)


def _chosen(choice: Choice, box: Box | None) -> Chosen:
    return Chosen(choice.name, choice.why, None if choice.name is EngineName.ONNX else box)


def _standing(name: EngineName, settings: EngineSettings, weights: str, asked: Asked) -> Standing:
    if name is EngineName.ONNX:
        return READY
    if said := why_absent(name, asked):
        return Standing(absent=said)
    assert asked.box is not None
    found = find(subject_of(name, settings, weights, asked.box), settings.cache)
    return Standing(unverified=why_unverified(found))
