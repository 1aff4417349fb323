"""Runs a coroutine test on a loop of its own whose clock jumps to the next timer, so that minutes pass at once and in order.

The loop has a thread of its own, because pytest-twisted calls tests with another loop running. A test that waits for what can never
happen fails instead of hanging.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, ParamSpec

from tests.fakes import START

_P = ParamSpec("_P")
_MOST_ROUNDS = 100_000


class _Jumping(selectors.DefaultSelector):
    """Instead of waiting it moves the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.rounds = 0

    def select(self, timeout: float | None = None) -> Any:
        self.rounds += 1
        assert timeout is not None, "everything waits, and no timer is set"
        assert self.rounds < _MOST_ROUNDS, "it goes round and round without waiting"
        self.now += max(timeout, 0.0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def passed_s() -> float:
    """Virtual seconds since the test began."""
    return asyncio.get_running_loop().time()


def now() -> datetime:
    """A service.ports.Clock of the running virtual loop."""
    return START + timedelta(seconds=passed_s())


def in_virtual_time(test: Callable[_P, Coroutine[Any, Any, None]]) -> Callable[_P, None]:
    @functools.wraps(test)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        def in_the_thread() -> None:
            with asyncio.Runner(loop_factory=VirtualLoop) as runner:
                runner.run(test(*args, **kwargs))

        with ThreadPoolExecutor(1) as thread:
            thread.submit(in_the_thread).result()

    return run
