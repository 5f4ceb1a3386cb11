"""The kernels, compiled for a device and loaded."""

from __future__ import annotations

from dataclasses import dataclass

from models.gpu.device import Device
from models.gpu.driver import Function, Module
from models.gpu.memory import Lane
from models.gpu.program import KERNELS, Compiler, source_of

THREADS = 256
LEVELS = 3  # of a pixel
# What each takes, as PyCUDA's `Function.prepare` has it: addresses P, whole numbers i and I, floats f.
TAKES = {
    "correct": "PPPPI",
    "sample": "PiPiii",
    "same": "PPiii",
    "shrink_by_whole": "PiPiiiiif",
    "shrink": "PiPiiiPPPPPP",
    "grow": "PiiPiiiPPPP",
    "cut": "PiPPi",
}


@dataclass(frozen=True, slots=True, eq=False)
class Kernels:
    """The kernels by their names. modules: keep them loaded."""

    functions: dict[str, Function]
    modules: tuple[Module, ...]

    def start(self, lane: Lane, name: str, levels_across: int, down: int, *given: object) -> None:
        """Queue a kernel: a thread for each of so many levels across, each row (or view) for itself.

        Raises AnalysisError.
        """
        grid = (-(-levels_across // THREADS), down)
        lane.launch(self.functions[name], grid, (THREADS, 1, 1), *given)


def load_kernels(device: Device, compiler: Compiler) -> Kernels:
    """Compile and load all kernels. Raises EngineRefused where they do not compile, AnalysisError where CUDA fails."""
    images = [compiler.compiled(name, source_of(name), device.capability) for name in KERNELS]
    with device.doing("loading the kernels"):
        modules = tuple(device.driver.module_from_buffer(image) for image in images)
        functions = {}
        for name, takes in TAKES.items():
            module = modules[KERNELS.index("views.cu" if name == "cut" else "frame.cu")]
            functions[name] = module.get_function(name)
            functions[name].prepare(takes)
    return Kernels(functions, modules)
