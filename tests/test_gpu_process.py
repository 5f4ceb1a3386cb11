"""A GPU is taken in a process that was spawned, never in one that was forked."""

from __future__ import annotations

import multiprocessing
import sys

import pytest
from builders_gpu import stand_in

from models.errors import EngineRefused


def take(answers: multiprocessing.SimpleQueue[str]) -> None:
    try:
        stand_in().close()
        answers.put("taken")
    except EngineRefused as error:
        answers.put(str(error))


def taken_in(way: str) -> str:
    context = multiprocessing.get_context(way)
    answers = context.SimpleQueue()
    process = context.Process(target=take, args=(answers,))
    process.start()
    process.join(timeout=60)
    return answers.get()


def test_a_spawned_process_takes_the_gpu() -> None:
    assert taken_in("spawn") == "taken"


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is forked here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_is_refused_the_gpu() -> None:
    assert "forked" in taken_in("fork")
