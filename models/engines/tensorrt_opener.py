"""Open exported networks by the plans that were made of them for this box."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.engines.box import Box
from models.engines.cuda_memory import Cuda
from models.engines.names import EnginePrecision
from models.engines.plan_cache import BUILD, PlanCache
from models.engines.profiles import FieldSize, shapes_to_hold
from models.engines.tensorrt_build import subject_of
from models.engines.tensorrt_engine import TensorRTEngine
from models.engines.typed_network import read_network
from models.errors import EngineRefused


@dataclass(frozen=True, slots=True)
class TensorRTOpener:
    """Opens an exported network (an `OpenEngine`); it builds nothing.

    fields: how large the detector sees this microscope's fields. A plan that does not take them is none.
    """

    box: Box
    cuda: Cuda
    cache: PlanCache
    precision: EnginePrecision
    fields: tuple[FieldSize, ...]

    def __call__(self, path: Path) -> TensorRTEngine:
        """Return the network's plan, ready to run. Raises ModelRefused, EngineRefused where there is no plan of it."""
        network = read_network(path)
        subject = subject_of(network, self.precision, self.box)
        plan = self.cache.find(subject, shapes_to_hold(network.shape, self.fields))
        if plan is None:
            sizes = ", ".join(f"{size.width}×{size.height}" for size in self.fields)
            of_fields = "" if network.shape.height else f" for fields of {sizes} px"
            raise EngineRefused(
                f"There is no plan of {path.stem}{of_fields} in {subject.precision} for TensorRT {subject.tensorrt} on "
                f"{subject.gpu}. {BUILD}."
            )
        return TensorRTEngine(self.cache.load(plan), subject.precision, self.cuda, path.stem)
