"""Commits are grouped, and a link that is lost is opened again. The link is scripted; time does not pass."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from adapters.storage.batches import LONGEST_WAIT_S, MOST_AT_ONCE, Batches, Operation
from service.errors import Conflict, InDoubt, Unavailable
from tests.conformance.stores import Log
from tests.fakes import on_the_loop, ripple


class ScriptedLink:
    """Writes when `gate` is open; `faults` are raised first, `refusals` by `open`."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.faults: list[Exception] = []
        self.refusals: list[Unavailable] = []
        self.opened = 0
        self.is_open = False

    async def open(self) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.opened += 1
        self.is_open = True

    async def write(self, batch: Sequence[Operation]) -> list[Any]:
        self.batches.append([name for name, _ in batch])
        await self.gate.wait()
        if self.faults:
            raise self.faults.pop(0)
        return [Conflict("no") if name == "bad" else name.upper() for name, _ in batch]

    async def close(self) -> None:
        self.is_open = False

    def lose(self, fault: Exception) -> None:
        self.is_open = False
        self.faults.append(fault)


class Waits:
    """Instead of sleeping: remembers, and goes on when told to."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)
        await self.go_on.wait()


async def _opened(link: ScriptedLink, log: Log | None = None, sleep: Waits | None = None) -> Batches:
    batches = Batches(link, log=log or Log(), sleep=sleep or Waits())
    await batches.open()
    return batches


@on_the_loop
async def test_what_arrives_while_a_batch_is_written_goes_into_the_next() -> None:
    link = ScriptedLink()
    batches = await _opened(link)
    link.gate.clear()
    first = [batches.write("a"), batches.write("b")]
    await ripple()
    second = [batches.write("c"), batches.write("d"), batches.write("e")]
    await ripple()
    assert link.batches == [["a", "b"]]
    assert not any(f.done() for f in first)
    link.gate.set()
    assert await asyncio.gather(*first, *second) == ["A", "B", "C", "D", "E"]
    assert link.batches == [["a", "b"], ["c", "d", "e"]]
    await batches.close()


@on_the_loop
async def test_a_batch_has_a_limit() -> None:
    link = ScriptedLink()
    batches = await _opened(link)
    await asyncio.gather(*(batches.write("a") for _ in range(MOST_AT_ONCE + 1)))
    assert [len(batch) for batch in link.batches] == [MOST_AT_ONCE, 1]
    await batches.close()


@on_the_loop
async def test_an_exception_is_only_its_own_operations() -> None:
    batches = await _opened(ScriptedLink())
    good, bad, gone = batches.write("good"), batches.write("bad"), batches.write("gone")
    gone.cancel()
    assert await good == "GOOD"
    with pytest.raises(Conflict):
        await bad
    await batches.close()


@on_the_loop
async def test_a_lost_link_is_opened_again_and_what_waits_goes_by_it() -> None:
    link, log = ScriptedLink(), Log()
    batches = await _opened(link, log)
    link.gate.clear()
    lost = batches.write("lost")
    await ripple()
    waiting = batches.write("waiting")
    link.lose(InDoubt("died"))
    link.gate.set()
    with pytest.raises(InDoubt):
        await lost
    assert await waiting == "WAITING"
    assert link.opened == 2
    assert [event for event, _ in log.lines] == ["store_fails", "store_works_again"]
    await batches.close()


@on_the_loop
async def test_while_there_is_no_link_all_is_unavailable_and_it_is_tried_ever_more_slowly() -> None:
    link, log, waits = ScriptedLink(), Log(), Waits()
    batches = await _opened(link, log, waits)
    link.lose(Unavailable("gone"))
    link.refusals = [Unavailable("no")] * 8
    waits.go_on.clear()
    results = await asyncio.gather(batches.write("a"), return_exceptions=True)
    assert isinstance(results[0], Unavailable)
    late = batches.write("late")
    waits.go_on.set()
    with pytest.raises(Unavailable, match="no"):
        await late
    while link.refusals:
        await asyncio.sleep(0)
    assert await batches.write("b") == "B"
    assert waits.seconds == [0.1, 0.2, 0.4, 0.8, 1.6, *[LONGEST_WAIT_S] * 3]
    assert [event for event, _ in log.lines] == ["store_fails", "store_fails", "store_works_again"]
    await batches.close()


@on_the_loop
async def test_a_failure_that_leaves_the_link_is_told_once() -> None:
    link, log = ScriptedLink(), Log()
    batches = await _opened(link, log)
    link.faults = [Unavailable("the disk is full")] * 2
    for _ in range(2):
        with pytest.raises(Unavailable, match="the disk is full"):
            await batches.write("a")
    assert await batches.write("a") == "A"
    assert link.opened == 1
    assert log.lines == [("store_fails", {"why": "the disk is full"}), ("store_works_again", {})]
    await batches.close()


@on_the_loop
async def test_a_bug_in_a_link_does_not_end_the_writer() -> None:
    link, log = ScriptedLink(), Log()
    batches = await _opened(link, log)
    link.faults = [ZeroDivisionError("secret")]
    with pytest.raises(InDoubt):
        await batches.write("a")
    assert await batches.write("a") == "A"
    assert "secret" not in repr(log.lines)
    await batches.close()


@on_the_loop
async def test_close_writes_what_was_asked_for_and_refuses_the_rest() -> None:
    link = ScriptedLink()
    batches = await _opened(link)
    link.gate.clear()
    asked = [batches.write("a")]
    await ripple()
    asked.append(batches.write("b"))
    closing = asyncio.ensure_future(batches.close())
    await ripple()
    with pytest.raises(Unavailable):
        batches.write("c")
    link.gate.set()
    await closing
    assert await asyncio.gather(*asked) == ["A", "B"]
    assert not link.is_open


@on_the_loop
async def test_close_does_not_wait_for_a_link_that_is_away() -> None:
    link, waits = ScriptedLink(), Waits()
    batches = await _opened(link, sleep=waits)
    link.lose(Unavailable("gone"))
    link.refusals = [Unavailable("no")] * 1000
    with pytest.raises(Unavailable):
        await batches.write("a")
    await batches.close()
    assert len(link.refusals) > 900
