"""One thread that owns something which no other may touch, and does with it what others ask."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_Work = tuple[Callable[[], Any], Future[Any]]


class OwnerThread:
    """Does one thing after another, and ends with the process even where what it does hangs."""

    def __init__(self, name: str) -> None:
        """Begin it."""
        self._asked: SimpleQueue[_Work | None] = SimpleQueue()
        self._thread = threading.Thread(target=_serve, args=(self._asked,), name=name, daemon=True)
        self._thread.start()

    def do(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Have it do something, and return what comes of it, or raise that. From any thread but itself."""
        future: Future[T] = Future()
        self._asked.put((lambda: work(*arguments, **named), future))
        return future.result()

    def end(self, last: Callable[[], object], within_s: float) -> None:
        """Have it do a last thing, and wait for no longer than that. Nothing may be asked of it afterwards."""
        self._asked.put((last, Future()))
        self._asked.put(None)
        self._thread.join(within_s)


def _serve(asked: SimpleQueue[_Work | None]) -> None:
    while (item := asked.get()) is not None:
        work, future = item
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  it is whoever asked who hears of it
            future.set_exception(error)
            del error
        else:
            future.set_result(result)
            del result
        del item, work, future  # what was done is not kept until something else is asked
