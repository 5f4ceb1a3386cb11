"""Make a plan of an exported network with TensorRT, 10.x or 11.x.

Source: TensorRT's Python interface (Builder, IBuilderConfig, OnnxParser, IProgressMonitor, ITimingCache).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import tensorrt as trt

from models.engines.box import Box
from models.engines.names import EnginePrecision
from models.engines.plan_cache import KeptPlan, PlanCache, PlanSubject
from models.engines.profiles import FieldSize, Profile, profiles_of, shapes_to_hold
from models.engines.tensorrt_progress import Monitor, Told, nobody
from models.engines.tensorrt_said import Said
from models.engines.typed_network import FORM, ExportedNetwork, read_network, typed
from models.errors import EngineRefused

WORKSPACE_BYTES = 1 << 30
HEARS_EVERY_S = 0.2  # a signal that another thread took is seen when this one wakes
SUPPORTED = ("10", "11")


@dataclass(frozen=True, slots=True)
class Made:
    """What a build gives. timings: what TensorRT measured on the way, for the next build."""

    plan: bytes
    timings: bytes


def subject_of(network: ExportedNetwork, asked: EnginePrecision, box: Box) -> PlanSubject:
    """Return what a plan of a network is made from and for on this box.

    Raises EngineRefused where there is no TensorRT, or one of a version that was never looked at.
    """
    if box.tensorrt is None:
        raise EngineRefused(
            "TensorRT is not installed here. Install it, or set [engine] name to another engine."
        )
    if box.tensorrt.partition(".")[0] not in SUPPORTED:
        raise EngineRefused(
            f"TensorRT {box.tensorrt} is installed, and plans are made with 10.x or 11.x. Install one of those."
        )
    return PlanSubject(
        network=network.path.stem,
        weights=network.sha256,
        form=FORM,
        precision=network.precision(asked),
        tensorrt=box.tensorrt,
        gpu=box.gpu,
        capability=box.capability,
    )


def build_plan(
    path: Path,
    fields: Iterable[FieldSize],
    asked: EnginePrecision,
    box: Box,
    cache: PlanCache,
    told: Told = nobody,
) -> KeptPlan:
    """Return the plan of a network for this box, made now unless it is kept already.

    fields: how large the detector sees the cameras' fields.  box: that there is one says that CUDA was asked first.
    told: is told how far the build is, from the thread that builds; what it raises ends the build.
    Ctrl+C ends the build at TensorRT's next step. Raises ModelRefused, EngineRefused where TensorRT refuses.
    """
    network = read_network(path)
    subject = subject_of(network, asked, box)
    sizes = tuple(fields)
    profiles = profiles_of(network.shape, sizes)
    if not profiles:
        raise EngineRefused(
            f"It is not known how large fields are for {path.stem}. State a camera and its scale."
        )
    kept = cache.find(subject, shapes_to_hold(network.shape, sizes))
    if kept is not None:
        return kept
    with cache.building():
        onnx = typed(network, subject.precision)
        stop = Event()
        monitor = Monitor(told, stop)
        timings = cache.timings(subject)
        made = _until_stopped(
            lambda: compile_network(onnx, network.shape.input, profiles, timings, monitor, path.stem), stop
        )
        plan = cache.keep(subject, profiles, made.plan)
        cache.keep_timings(subject, made.timings)
        return plan


def compile_network(
    onnx: bytes, images: str, profiles: Sequence[Profile], timings: bytes, monitor: Monitor, name: str
) -> Made:
    """Return the plan of a typed network. images: its input's name.  name: for a refusal. Raises EngineRefused."""
    said = Said()
    try:
        made = _compiled(onnx, images, profiles, timings, monitor, said)
    except (RuntimeError, TypeError, ValueError) as error:
        raise EngineRefused(_cannot(name, said.because(error))) from error
    monitor.raise_what_stopped_it()
    if made is None:
        raise EngineRefused(_cannot(name, said.because()))
    return made


def _compiled(
    onnx: bytes, images: str, profiles: Sequence[Profile], timings: bytes, monitor: Monitor, said: Said
) -> Made | None:
    """Return what TensorRT makes, None where it gives nothing. Raises ValueError where it cannot read the network."""
    builder = trt.Builder(said)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, said)
    if not parser.parse(onnx):
        faults = [parser.get_error(i).desc() for i in range(parser.num_errors)]
        raise ValueError("; ".join(faults) or "its parser does not say why")
    config = _configured(builder, images, profiles, timings)
    config.progress_monitor = monitor
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        return None
    measured = config.get_timing_cache()
    return Made(bytes(plan), b"" if measured is None else bytes(measured.serialize()))


def _configured(
    builder: trt.Builder, images: str, profiles: Sequence[Profile], timings: bytes
) -> trt.IBuilderConfig:
    """The builder's settings. Raises ValueError where a profile does not fit the network."""
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    config.clear_flag(trt.BuilderFlag.TF32)  # where float32 is written, it is meant
    remembered = config.create_timing_cache(timings)
    if remembered is None or not config.set_timing_cache(remembered, ignore_mismatch=False):
        config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)
    for profile in profiles:
        shapes = builder.create_optimization_profile()
        shapes.set_shape(images, trt.Dims(profile.least), trt.Dims(profile.usual), trt.Dims(profile.most))
        if config.add_optimization_profile(shapes) < 0:
            raise ValueError(f"it takes no batches of {profile.least} to {profile.most}")
    return config


def _until_stopped(work: Callable[[], Made], stop: Event) -> Made:
    """Do the work in a thread of its own: while TensorRT builds, this one hears Ctrl+C, which TensorRT does not."""
    with ThreadPoolExecutor(1, thread_name_prefix="build") as pool:
        doing = pool.submit(work)
        try:
            while not wait([doing], timeout=HEARS_EVERY_S).done:
                pass
            return doing.result()
        except BaseException:
            stop.set()  # and leaving waits for the step to end
            raise


def _cannot(name: str, because: str) -> str:
    return f"TensorRT cannot make a plan of {name}: {because.rstrip(' .')}. See docs/gpu.md, or use another engine."
