"""TensorRT's plans of what counts a panel: which networks need one, whether they have it, and the making of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from appliance.config_engine import EngineSettings
from appliance.engines import why_absent
from models.card import BUNDLED
from models.cascade_file import Precision, bundled_recipe
from models.engines.box import Asked, Box
from models.engines.names import EngineName, EnginePrecision
from models.engines.plan_cache import KeptPlan, PlanCache
from models.engines.profiles import FieldSize, shapes_to_hold
from models.engines.typed_network import read_network
from models.errors import EngineRefused
from models.weights_digest import DETECTOR

Progress = Callable[[str, float], None]
"""Is told the network whose plan is made, and what share of it is done, 0 to 1. From any thread."""


def networks_of(panel: str, precision: EnginePrecision, folder: Path = BUNDLED) -> tuple[Path, ...]:
    """Return the networks that TensorRT runs for a panel, the detector first. Raises ModelRefused."""
    wanted = Precision.INT8 if precision is EnginePrecision.INT8 else Precision.FLOAT
    recipe = bundled_recipe(panel, folder).at(wanted)
    names = [DETECTOR, recipe.quantised or recipe.network]
    names += [each.quantised or each.network for each in recipe.specialists]
    return tuple(folder / f"{name}.onnx" for name in dict.fromkeys(names))


def missing_plans(settings: EngineSettings, panel: str, box: Box, fields: Sequence[FieldSize]) -> list[str]:
    """Return the names of the networks without a plan for this box. fields: how large the detector sees them.

    Raises EngineRefused, ModelRefused. Loads TensorRT: only where there is a GPU.
    """
    from models.engines.tensorrt_build import subject_of

    cache, missing = PlanCache(settings.cache), []
    for path in networks_of(panel, settings.precision):
        network = read_network(path)
        subject = subject_of(network, settings.precision, box)
        if cache.find(subject, shapes_to_hold(network.shape, fields)) is None:
            missing.append(path.stem)
    return missing


def build_plans(
    settings: EngineSettings, panel: str, asked: Asked, fields: Sequence[FieldSize], told: Progress
) -> list[KeptPlan]:
    """Return the plans of a panel's networks; one that is there already is not made again.

    Ctrl+C ends it and leaves nothing half made. Raises EngineRefused, ModelRefused.
    """
    box = asked.box
    if box is None or not box.tensorrt:
        raise EngineRefused(
            "Plans are TensorRT's, and made on the very box that runs them: here "
            f"{why_absent(EngineName.TENSORRT, asked)}. See docs/gpu.md, or count with another engine."
        )
    if not fields:
        raise EngineRefused(
            "A plan is made for fields of a certain size, and the settings do not say which. Give [camera] source, "
            "width_px and height_px, and a calibration or um_per_px."
        )
    from models.engines.tensorrt_build import build_plan
    from models.engines.tensorrt_progress import BuildStep

    cache = PlanCache(settings.cache)

    def plan_of(path: Path) -> KeptPlan:
        def step(at: BuildStep) -> None:
            told(path.stem, at.share)

        told(path.stem, 0.0)
        plan = build_plan(path, fields, settings.precision, box, cache, step)
        told(path.stem, 1.0)
        return plan

    return [plan_of(path) for path in networks_of(panel, settings.precision)]
