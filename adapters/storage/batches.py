"""Grouped commits: whatever is asked for while one batch is written goes into the next. One order of batches, one at a time.

A Link writes: the child process of SQLite, the connection of PostgreSQL. When it is lost it is opened again, ever more slowly; what
was being written is in doubt unless the link knows better, what waits is written by the new link, or Unavailable if there is none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from service.errors import InDoubt, Unavailable

Operation = tuple[str, tuple[Any, ...]]
"""its name in transactions.OPERATIONS, and its arguments"""
Outcome = Any
"""what the transaction returned, or the exception that it is to raise"""
_Asked = tuple[Operation, asyncio.Future[Any]]

MOST_AT_ONCE = 500
"""operations in a batch; beyond this a longer batch saves nothing more and only makes its first one wait"""
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 3.0


class Log(Protocol):
    def info(self, event: str, **fields: Any) -> Any: ...
    def error(self, event: str, **fields: Any) -> Any: ...


class Link(Protocol):
    async def open(self) -> None:
        """Raises Unavailable. Called again after the link was lost."""
        ...

    @property
    def is_open(self) -> bool:
        """False once it is lost."""
        ...

    async def write(self, batch: Sequence[Operation]) -> list[Outcome]:
        """One outcome for each operation, committed. Raises Unavailable or InDoubt for the whole batch: it failed or the link was lost."""
        ...

    async def close(self) -> None: ...


class Batches:
    def __init__(self, link: Link, *, log: Log, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._link = link
        self._log = log
        self._sleep = sleep
        self._waiting: list[_Asked] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._trouble: str | None = None

    async def open(self) -> None:
        """Raises Unavailable."""
        await self._link.open()
        self._closing = False
        self._task = asyncio.get_running_loop().create_task(self._run(), name="store writer")

    async def close(self) -> None:
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
            self._task = None
        await self._link.close()

    def write(self, operation: str, *arguments: Any) -> asyncio.Future[Any]:
        """A future of what the transaction returns, done when it is on disk."""
        if self._task is None or self._closing:
            raise Unavailable("the store is closed")
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(((operation, arguments), future))
        self._wake.set()
        return future

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            if not self._waiting:
                if self._closing:
                    return
                self._wake.clear()
                continue
            batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
            try:
                outcomes = await self._link.write([operation for operation, _ in batch])
            except Unavailable as trouble:
                self._note(trouble)
                _fail(batch, trouble)
            except Exception as bug:
                self._log.error("store_writer_failed", error=type(bug).__name__)
                _fail(batch, InDoubt("the store failed"))
                await self._link.close()
            else:
                self._note(None)
                self._resolve(batch, outcomes)
            if not self._link.is_open:
                await self._reopen()

    async def _reopen(self) -> None:
        wait_s = FIRST_WAIT_S
        while not (self._closing and not self._waiting):
            try:
                return await self._link.open()
            except Unavailable as why:
                self._note(why)
                waiting, self._waiting = self._waiting, []
                _fail(waiting, why)
            if self._closing:
                return
            await self._sleep(wait_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    def _note(self, trouble: Unavailable | None) -> None:
        """One line when trouble begins or changes, one when it is over."""
        why = None if trouble is None else trouble.why
        if why != self._trouble:
            self._trouble = why
            if why is None:
                self._log.info("store_works_again")
            else:
                self._log.error("store_fails", why=why)

    def _resolve(self, batch: Sequence[_Asked], outcomes: Sequence[Outcome]) -> None:
        for (operation, future), outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Unavailable):
                self._log.error("store_row_refused", operation=operation[0], why=outcome.why)
            if future.done():
                continue  # whoever asked has gone
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)


def _fail(batch: Sequence[_Asked], why: Unavailable) -> None:
    for _, future in batch:
        if not future.done():
            # each its own exception: one shared by many would gather all their tracebacks
            future.set_exception(type(why)(why.why))
