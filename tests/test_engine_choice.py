"""The engine that counts is the best that was verified, or the one asked for; never another in its place."""

from __future__ import annotations

import pytest

from models.engines.choice import READY, Standing, choose
from models.engines.names import EngineName
from models.errors import EngineRefused

ONNX, CUDA, TENSORRT = EngineName.ONNX, EngineName.ONNX_CUDA, EngineName.TENSORRT
NO_GPU = Standing(absent="no GPU can be used")
UNVERIFIED = Standing(unverified="it was not verified on this box with these weights")


@pytest.mark.parametrize(
    ("tensorrt", "cuda", "taken"),
    [
        (READY, READY, TENSORRT),
        (UNVERIFIED, READY, CUDA),
        (Standing(absent="TensorRT is not installed"), READY, CUDA),
        (UNVERIFIED, UNVERIFIED, ONNX),
        (NO_GPU, NO_GPU, ONNX),
    ],
    ids=["all", "tensorrt unverified", "tensorrt absent", "none verified", "no gpu"],
)
def test_auto_takes_the_best_that_may_count(tensorrt: Standing, cuda: Standing, taken: EngineName) -> None:
    assert choose(EngineName.AUTO, {TENSORRT: tensorrt, CUDA: cuda, ONNX: READY}).name is taken


def test_auto_says_why_it_passed_over_each_better_one() -> None:
    absent = Standing(absent="TensorRT is not installed")
    assert choose(EngineName.AUTO, {TENSORRT: absent, CUDA: UNVERIFIED, ONNX: READY}).why == (
        "onnx is the best engine that may count here; tensorrt: TensorRT is not installed; "
        "onnx-cuda: it was not verified on this box with these weights."
    )


def test_auto_says_once_what_two_engines_lack() -> None:
    assert choose(EngineName.AUTO, {TENSORRT: NO_GPU, CUDA: NO_GPU, ONNX: READY}).why == (
        "onnx is the best engine that may count here; tensorrt and onnx-cuda: no GPU can be used."
    )


def test_an_engine_asked_for_is_taken_where_it_is_verified_though_a_better_one_is() -> None:
    choice = choose(CUDA, {TENSORRT: READY, CUDA: READY, ONNX: READY})
    assert (choice.name, choice.why) == (CUDA, "The settings ask for onnx-cuda.")


def test_an_engine_asked_for_and_absent_is_refused_in_a_sentence() -> None:
    with pytest.raises(EngineRefused) as refused:
        choose(CUDA, {TENSORRT: READY, CUDA: NO_GPU, ONNX: READY})
    assert str(refused.value) == (
        "The settings ask for the engine onnx-cuda ([engine] name), and no GPU can be used. "
        'Install what it needs, or set it to "auto" or "onnx".'
    )


def test_an_engine_asked_for_and_not_verified_is_refused_with_how_to_verify_it() -> None:
    with pytest.raises(
        EngineRefused, match=r"not verified on this box .*\. Run hemadiff engines verify, or set"
    ):
        choose(TENSORRT, {TENSORRT: UNVERIFIED, CUDA: READY, ONNX: READY})


def test_an_engine_that_nobody_looked_for_is_not_taken() -> None:
    with pytest.raises(EngineRefused, match="not looked for"):
        choose(TENSORRT, {ONNX: READY})


@pytest.mark.parametrize(
    ("standing", "said"), [({}, "none was found"), ({CUDA: NO_GPU}, "onnx-cuda: no GPU")]
)
def test_where_nothing_may_count_auto_is_refused(standing: dict[EngineName, Standing], said: str) -> None:
    with pytest.raises(EngineRefused, match=said):
        choose(EngineName.AUTO, standing)
