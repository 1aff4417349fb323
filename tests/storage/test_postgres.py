"""PostgreSQL's promises beyond those of every store: on the disk, several servers on one database, connections that end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from adapters.storage import open_store
from adapters.storage.postgres import Postgres
from adapters.storage.postgres_link import WritingConnection
from adapters.storage.sql import SqlStore
from adapters.storage.statements import compiled
from service.accounts import Account
from service.errors import InDoubt, QuotaExceeded, Unavailable
from service.fleet import Device
from service.invitations import Invitation, Kind
from service.messages import Ids, Receipt
from service.ports import SentQuery
from service.quotas import Quotas, charges
from tests.conformance.stores import Log, database, empty, wait_for
from tests.conformance.test_store import House
from tests.fakes import START, on_the_loop, ripple

pytestmark = pytest.mark.slow


class Place:
    """Two servers on one database, and a third hand that holds it up."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.log = Log()
        self.engine, self.second_engine = Postgres(url, log=self.log), Postgres(url, log=Log())
        self.store, self.second = SqlStore(self.engine), SqlStore(self.second_engine)
        self.house, self.second_house = self._house(self.store), self._house(self.second)

    def _house(self, store: SqlStore) -> House:
        phones = [Device(id=letter * 16, account_id=1, kind="simulator") for letter in "ab"]
        return House(store, Account(id=1, name="acme"), *phones, Ids())

    async def all_texts(self) -> set[str]:
        return {m.text for m in await self.store.sent(SentQuery(account_id=1, limit=2000))}

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(question.encode()).fetchall()

    def end_the_writers(self) -> None:
        self.ask("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")

    async def until_somebody_waits(self) -> None:
        while not self.ask("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
            await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def url() -> str:
    return database("postgres-tests")


@pytest.fixture
def place(url: str) -> Iterator[Place]:
    empty(url)
    made = Place(url)
    wait_for(made.store.open())
    wait_for(made.second.open())
    yield made
    wait_for(made.second.close())
    wait_for(made.store.close())


@on_the_loop
async def test_a_commit_is_on_the_disk_whatever_the_servers_default(place: Place) -> None:
    with psycopg.connect(place.url, autocommit=True) as connection:
        connection.execute('ALTER DATABASE "postgres-tests" SET synchronous_commit = off')
    await place.second.close()
    await place.second.open()
    assert place.ask("SHOW synchronous_commit") == [("off",)]
    assert await place.second.settings() == {"synchronous_commit": "on", "enable_seqscan": "off"}
    with psycopg.connect(place.url, autocommit=True) as connection:
        connection.execute('ALTER DATABASE "postgres-tests" RESET synchronous_commit')


@on_the_loop
async def test_two_servers_never_claim_the_same_message(place: Place) -> None:
    await asyncio.gather(*(place.house.accepted(str(i)) for i in range(200)))
    claims = await asyncio.gather(*(house.claim(limit=3) for house in [place.house, place.second_house] * 50))
    ids = [m.id for claim in claims for m in claim]
    assert len(ids) == len(set(ids)) == 200


@on_the_loop
async def test_a_claim_does_not_wait_for_what_another_server_holds(place: Place) -> None:
    held, free = await place.house.accepted("held"), await place.house.accepted("free")
    with psycopg.connect(place.url) as other:
        other.execute("SELECT 1 FROM messages WHERE id = %s FOR UPDATE", (held.id,))
        assert [m.id for m in await place.house.claim()] == [free.id]


@on_the_loop
async def test_one_idempotency_key_at_two_servers_makes_one_message(place: Place) -> None:
    for i in range(20):
        both = [house.accept(house.message(str(i)), key=f"k{i}") for house in (place.house, place.second_house)]
        receipts = await asyncio.gather(*both)
        assert sorted(r.replayed for r in receipts) == [False, True]
        assert receipts[0].guids == receipts[1].guids
    assert len(await place.house.all()) == 20


@on_the_loop
async def test_a_trial_is_counted_across_servers(place: Place) -> None:
    await place.store.create_account(Account(id=0, name="acme", trial_limit=10))
    houses = [place.house, place.second_house] * 10
    results = await asyncio.gather(*(house.accept(house.message(), trial_limit=10) for house in houses), return_exceptions=True)
    assert sorted(r.trial_sent for r in results if isinstance(r, Receipt)) == list(range(1, 11))


@on_the_loop
async def test_a_code_is_taken_once_across_servers(place: Place) -> None:
    await place.store.create_account(Account(id=0, name="acme"))
    for n in range(20):
        code = Invitation(digest=bytes([n]), account_id=1, kind=Kind.CODE, label="", created=START, expires=START + timedelta(minutes=5))
        await place.store.invite(code)
        taken = await asyncio.gather(*(store.take_code(code.digest, START) for store in (place.store, place.second) * 3))
        assert [account.id for account in taken if account is not None] == [1]


@on_the_loop
async def test_the_first_password_of_an_account_is_one_across_servers(place: Place) -> None:
    await place.store.create_account(Account(id=0, name="acme"))
    phones = [Device(id=f"{n:016x}", account_id=1, kind="smsgate") for n in range(6)]
    stores = (place.store, place.second) * 3
    enrolled = zip(stores, phones, strict=True)
    kept = await asyncio.gather(*(s.enrol(p, token_digest=p.id.encode(), sealed=b"", password=p.id) for s, p in enrolled))
    assert sorted(kept) == [False] * 5 + [True]
    assert await place.store.password_of(1) == phones[kept.index(True)].id


@on_the_loop
async def test_what_was_being_committed_when_the_connection_ended_is_in_doubt(place: Place) -> None:
    with psycopg.connect(place.url) as blocker:
        blocker.execute("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
        flying = asyncio.ensure_future(place.house.accepted("flying"))
        await place.until_somebody_waits()
        waiting = asyncio.ensure_future(place.house.accepted("waiting"))
        await ripple()
        place.end_the_writers()
        with pytest.raises(InDoubt):
            await flying
    await waiting
    assert await place.all_texts() == {"waiting"}
    assert [event for event, _ in place.log.lines] == ["store_fails", "store_works_again"]


@on_the_loop
async def test_before_the_commit_nothing_is_in_doubt(place: Place) -> None:
    with psycopg.connect(place.url) as blocker:
        blocker.execute("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
        flying = asyncio.ensure_future(place.house.accept(place.house.message(), key="k"))
        await place.until_somebody_waits()
        place.end_the_writers()
        with pytest.raises(Unavailable) as failed:
            await flying
        assert not isinstance(failed.value, InDoubt)


@on_the_loop
async def test_after_doubt_nothing_is_looked_up_before_the_lost_connection_has_ended(place: Place) -> None:
    """The server may still be committing for a connection that we have lost."""
    link = WritingConnection(place.url, compiled(PGDialect_psycopg(paramstyle="format")))
    await link.open()
    lost, link._connection = link._connection, None
    await link.open()
    assert lost is not None
    with pytest.raises(psycopg.OperationalError):
        await lost.execute("SELECT 1")
    await lost.close()
    await link.close()


@on_the_loop
async def test_a_reader_whose_connection_ended_while_idle_is_replaced(place: Place) -> None:
    await place.house.accepted("kept")
    for _ in range(2):
        assert await place.all_texts() == {"kept"}
        place.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dragoman'")


@on_the_loop
async def test_reads_cannot_write(place: Place) -> None:
    with pytest.raises(Unavailable):
        await place.engine.read("tell", "beat", {})


@on_the_loop
async def test_a_row_that_cannot_be_written_fails_alone(place: Place) -> None:
    house = place.house
    for bad in ("\ud800", "a\0b"):
        mixed = [house.accept(house.message(str(i), recipient=bad if i == 7 else "12345")) for i in range(15)]
        results = await asyncio.gather(*mixed, return_exceptions=True)
        assert isinstance(results.pop(7), Unavailable)
        assert all(isinstance(r, Receipt) for r in results)
    assert len(await house.all()) == 28
    assert {event for event, _ in place.log.lines} == {"store_row_refused"}
    assert "a\0b" not in repr(place.log.lines)


@on_the_loop
async def test_a_database_that_cannot_commit_fails_the_whole_batch(place: Place) -> None:
    connection = place.engine._batches._link._connection  # type: ignore[attr-defined]
    await connection.execute("SET default_transaction_read_only = on")
    results = await asyncio.gather(place.house.accepted("a"), place.store.ready(), return_exceptions=True)
    assert [type(r) for r in results] == [Unavailable, Unavailable]
    await connection.execute("SET default_transaction_read_only = off")
    await place.house.accepted("b")
    assert await place.all_texts() == {"b"}


@on_the_loop
async def test_no_server_no_store(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="the database cannot be reached"):
        await open_store(f"postgresql:///x?host={tmp_path}", tmp_path, log=Log()).open()


@on_the_loop
async def test_a_database_that_cannot_hold_every_text_is_refused(url: str, tmp_path: Path) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS narrow")
        connection.execute("CREATE DATABASE narrow TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    with pytest.raises(Unavailable, match="LATIN1"):
        await open_store(url.replace("/postgres-tests?", "/narrow?"), tmp_path, log=Log()).open()


@on_the_loop
async def test_eight_servers_do_not_pass_a_quota_and_do_not_wait_for_each_other(place: Place) -> None:
    await place.store.create_account(Account(id=0, name="acme"))
    engines = [Postgres(place.url, log=Log()) for _ in range(8)]
    for engine in engines:
        await engine.open()
    quotas = [tuple(charges(Quotas(per_day=50, per_hour=90), "number", name, count=1, now=START, zone=ZoneInfo("UTC"))) for name in "abc"]

    async def accept(n: int) -> bool:
        house = place._house(SqlStore(engines[n % 8]))
        # each server takes them in another order
        wanted = quotas[n % 3] + quotas[(n + 1 + n % 2) % 3]
        try:
            await house.store.accept(replace(house.acceptance(replace(house.message(), id=1000 + n)), charges=wanted))
        except QuotaExceeded:
            return False
        return True

    taken = [await asyncio.gather(*(accept(n) for n in range(start, start + 80))) for start in range(0, 240, 80)]
    for engine in engines:
        await engine.close()
    accepted = [n for n, is_taken in enumerate(is_taken for part in taken for is_taken in part) if is_taken]
    used = Counter(name for n in accepted for name in (n % 3, (n + 1 + n % 2) % 3))
    assert max(used.values()) == 50 and len(await place.all_texts()) == 1
    assert place.ask("SELECT count(*) FROM messages") == [(len(accepted),)]
    told = {subject: sum(int(use.split(":")[1]) for use in uses.split()) for subject, uses in place.ask("SELECT * FROM quota_uses")}
    assert told == {f"number {'abc'[which]} {per}": count for which, count in used.items() for per in ("hour", "day")}
