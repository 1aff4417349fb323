"""The housekeeper on virtual time: what waited too long expires, what a dead process had claimed is taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from adapters.reactor import EXPIRE_AT_ONCE, HOUSEKEEPING_S, INDEX_AT_ONCE, INDEX_PAUSE_S, INDEXING_S, LATEST_COMMIT, Housekeeper
from adapters.storage.memory import MemoryStore
from service.errors import Unavailable
from service.lifecycle import Status
from service.links import ShortLink
from service.mailbox_queries import InboxQuery
from service.messages import MoMessage, Part
from service.outcome import PARTS_WAIT
from service.ports import SentQuery
from service.sealed import SealedText
from tests.fakes import START, RecordingLog
from tests.scripted_driver import PHONE, queue
from tests.virtual_time import in_virtual_time, now, passed_s


class Neglected(MemoryStore):
    """Remembers the housekeeper's calls; `away` is raised by the next ones."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[float, str]] = []
        self.unindexed = 0
        self.away: list[Exception] = []
        self.freed: list[int] = []

    async def expire(self, now: datetime, limit: int) -> int:
        self.calls.append((passed_s(), "expire"))
        if self.away:
            raise self.away.pop(0)
        return await super().expire(now, limit)

    async def release(self, now: datetime, device: str | None = None) -> list[int]:
        freed, self.freed = self.freed, []
        return freed

    async def recover(self, *, now: datetime, leased_by: str | None, deduplicating: Sequence[str]) -> list[str]:
        self.calls.append((passed_s(), f"recover {leased_by} {deduplicating}"))
        return await super().recover(now=now, leased_by=leased_by, deduplicating=deduplicating)

    async def index(self, before: datetime, limit: int) -> int:
        self.calls.append((passed_s(), f"index {(now() - before).total_seconds():.0f}"))
        if self.away:
            raise self.away.pop(0)
        indexed = min(self.unindexed, limit)
        self.unindexed -= indexed
        return indexed


class House:
    def __init__(self) -> None:
        self.store, self.log = Neglected(), RecordingLog()
        self.keeper = Housekeeper(store=self.store, clock=now, deduplicating=lambda: ["a phone"], log=self.log)
        self.running = asyncio.create_task(self.keeper.run())

    async def claimed(self, leased_until: datetime) -> str:
        message = await queue(self.store, now())
        await self.store.claim(device=PHONE, limit=1, now=now(), leased_until=leased_until, leased_by="here")
        return message.guid

    async def status(self) -> Status:
        return (await self.store.sent(SentQuery(account_id=1)))[0].status


@in_virtual_time
async def test_links_that_have_expired_are_erased_however_many() -> None:
    house = House()
    dates = {"created": START, "expires": START + timedelta(seconds=1)}
    links = [ShortLink(code=str(i), account_id=1, url="https://a.test/", **dates) for i in range(EXPIRE_AT_ONCE + 1)]
    house.store._link(links, SealedText(code="s", account_id=1, box=b"", **dates))
    await asyncio.sleep(HOUSEKEEPING_S + 0.001)
    assert (house.store._links, house.store._sealed) == ({}, {})
    house.running.cancel()


@in_virtual_time
async def test_parts_whose_others_never_came_are_delivered_in_the_end() -> None:
    house = House()
    part = Part(reference=7, number=1, total=2)
    await house.store.received(MoMessage(device=PHONE.id, sender="10001", text="half", received=now(), part=part), 1, now())
    await asyncio.sleep(PARTS_WAIT.total_seconds() - 1)
    assert await house.store.inbox_of(InboxQuery(account_id=1)) == []
    await asyncio.sleep(HOUSEKEEPING_S + 1)
    assert [row.text for row in await house.store.inbox_of(InboxQuery(account_id=1))] == ["half[...]"]
    house.running.cancel()


@in_virtual_time
async def test_what_waited_too_long_expires_however_much_it_is() -> None:
    house = House()
    for _ in range(EXPIRE_AT_ONCE + 1):
        await queue(house.store, now(), expires=START + timedelta(seconds=1))
    await asyncio.sleep(HOUSEKEEPING_S + 0.001)
    rows = await house.store.sent(SentQuery(account_id=1, limit=10_000))
    assert {row.status for row in rows} == {Status.EXPIRED}
    assert [call for _, call in house.store.calls] == ["expire", "expire", "recover None ['a phone']"]


@in_virtual_time
async def test_a_lease_that_ran_out_is_taken_back_and_said() -> None:
    house = House()
    guid = await house.claimed(START + timedelta(seconds=20))
    await asyncio.sleep(HOUSEKEEPING_S + 1)
    assert (await house.status(), house.log.lines) == (Status.SENDING, [])
    await asyncio.sleep(HOUSEKEEPING_S)
    assert await house.status() is Status.OUTCOME_UNKNOWN
    ((event, fields),) = house.log.lines
    assert (event, fields["message"]) == ("outcome_unknown", guid)


@in_virtual_time
async def test_a_start_takes_back_at_once_what_this_node_had_claimed() -> None:
    house = House()
    await house.claimed(START + timedelta(hours=1))
    await house.keeper.recover("elsewhere")
    assert await house.status() is Status.SENDING
    await house.keeper.recover("here")
    assert await house.status() is Status.OUTCOME_UNKNOWN


@pytest.mark.parametrize(("error", "event"), [(Unavailable("full"), "store_unavailable"), (RuntimeError("text"), "housekeeping_failed")])
def test_the_house_is_kept_after_a_failure_too(error: Exception, event: str) -> None:
    @in_virtual_time
    async def test() -> None:
        house = House()
        house.store.away = [error]
        await asyncio.sleep(2 * HOUSEKEEPING_S + 0.001)
        assert house.log.events == [event]
        assert [round(when) for when, call in house.store.calls if call == "expire"] == [HOUSEKEEPING_S, 2 * HOUSEKEEPING_S]

    test()


@in_virtual_time
async def test_a_backlog_is_indexed_in_portions_with_room_between_them() -> None:
    house = House()
    house.running.cancel()
    house.store.unindexed, house.store.away = 2 * INDEX_AT_ONCE + 1, [Unavailable("full")]
    indexing = asyncio.create_task(house.keeper.index())
    await asyncio.sleep(3 * INDEXING_S)
    margin = f"index {LATEST_COMMIT.total_seconds():.0f}"
    assert {call for _, call in house.store.calls} == {margin}
    portions = [2 * INDEXING_S + i * INDEX_PAUSE_S for i in range(4)]
    assert [when for when, _ in house.store.calls] == pytest.approx([INDEXING_S, *portions])
    assert (house.store.unindexed, house.log.events) == (0, ["store_unavailable"])
    indexing.cancel()


@in_virtual_time
async def test_what_is_no_longer_pinned_is_told_to_those_who_may_send_it() -> None:
    house, told = House(), list[int]()
    house.keeper.on_released = told.append
    await asyncio.sleep(HOUSEKEEPING_S + 1)
    house.store.freed = [3, 4]
    await asyncio.sleep(HOUSEKEEPING_S)
    assert (told, await house.store.release(now())) == ([3, 4], [])
    house.running.cancel()
