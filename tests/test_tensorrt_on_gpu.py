"""On a real card: a plan answers as the processor does, within what its precision allows.

These run where PyCUDA, TensorRT and a GPU are. Nothing else in the product waits for them; the first takes minutes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders_gpu import drawn_picture
from numpy.typing import NDArray

from models.card import BUNDLED
from models.engines.box import Box, ask_box
from models.engines.engine import DeviceBatch, Engine
from models.engines.names import EnginePrecision
from models.engines.onnx_engine import open_on_cpu
from models.engines.plan_cache import PlanCache
from models.engines.profiles import FieldSize
from models.errors import EngineRefused
from models.gpu.device import Device
from models.gpu.memory import Lane

pytestmark = pytest.mark.gpu
FIELD = FieldSize(512, 624)


@dataclass
class Card:
    """A real GPU with TensorRT, and a folder for plans."""

    box: Box
    lane: Lane
    cache: PlanCache

    def open(self, name: str, precision: EnginePrecision) -> Engine:
        from models.engines.tensorrt_build import build_plan
        from models.engines.tensorrt_opener import TensorRTOpener

        path = BUNDLED / f"{name}.onnx"
        build_plan(path, (FIELD,), precision, self.box, self.cache)
        return TensorRTOpener(self.box, self.lane, self.cache, precision, (FIELD,))(path)


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Card]:
    asked = ask_box()
    if asked.box is None:
        pytest.skip(asked.why_none)
    if asked.box.tensorrt is None:
        pytest.skip("TensorRT is not installed: docs/gpu.md")
    try:
        device = Device()
    except EngineRefused as error:
        pytest.skip(f"no GPU here: {error}")
    with device:
        yield Card(asked.box, Lane(device), PlanCache(tmp_path_factory.mktemp("plans")))


def patches(count: int) -> NDArray[np.uint8]:
    picture, random = drawn_picture(800, 600), np.random.default_rng(count)
    places = zip(
        random.integers(0, 704, count).tolist(), random.integers(0, 504, count).tolist(), strict=True
    )
    return np.stack([picture[top : top + 96, left : left + 96] for left, top in places])


def probabilities(logits: NDArray[np.float32]) -> NDArray[Any]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


@pytest.mark.parametrize(
    ("name", "precision", "within"),
    [
        ("cells", EnginePrecision.FP32, 0.001),
        ("cells", EnginePrecision.FP16, 0.02),
        ("cells-residual", EnginePrecision.FP16, 0.02),
        ("cells-int8", EnginePrecision.INT8, 0.2),
    ],
)
def test_a_plan_names_cells_as_the_processor_does(
    card: Card, name: str, precision: EnginePrecision, within: float
) -> None:
    batch = patches(300)
    plan, processor = card.open(name, precision), open_on_cpu(BUNDLED / f"{name}.onnx")
    difference = np.abs(probabilities(plan.run(batch)) - probabilities(processor.run(batch)))
    assert difference.max() < within


def test_a_plan_finds_cells_as_the_processor_does(card: Card) -> None:
    field = drawn_picture(FIELD.width, FIELD.height)[None]
    plan, processor = card.open("detector", EnginePrecision.FP16), open_on_cpu(BUNDLED / "detector.onnx")
    np.testing.assert_allclose(plan.run(field), processor.run(field), atol=0.1)


def test_a_batch_that_lies_on_the_card_gives_the_same_answers(card: Card) -> None:
    plan, batch = card.open("cells", EnginePrecision.FP16), patches(70)
    memory = card.lane.holding(batch)
    shape = (len(batch), 96, 96, 3)
    np.testing.assert_array_equal(plan.run(DeviceBatch(memory.address, shape, memory)), plan.run(batch))


def test_a_build_can_be_ended(card: Card, tmp_path: Path) -> None:
    from models.engines.tensorrt_build import build_plan

    seen = threading.Event()

    def enough(step: object) -> None:
        seen.set()
        raise KeyboardInterrupt

    cache = PlanCache(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        build_plan(BUNDLED / "detector.onnx", (FIELD,), EnginePrecision.FP16, card.box, cache, enough)
    assert seen.is_set()
    assert cache.listed() == []
