"""The search index itself on both engines: what is deleted leaves it, nobody files a message twice, and a backlog is not read without end."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from adapters.storage import open_store, search_terms, transactions_search
from adapters.storage.sql import SqlStore
from service.accounts import Account
from service.fleet import Device
from service.mailbox_queries import Span
from service.messages import Ids, MoMessage
from tests.conformance.stores import Log, database, empty, wait_for
from tests.conformance.test_store import HOUR, PHONE, SECOND, House
from tests.fakes import START, on_the_loop

LATER = START + 24 * HOUR
Ask = Callable[[str], list[tuple[Any, ...]]]


class Place:
    def __init__(self, store: SqlStore, ask: Ask) -> None:
        phone = Device(id=PHONE, account_id=1, kind="simulator")
        self.house, self.store, self.ask = House(store, Account(id=1, name="acme"), phone, phone, Ids()), store, ask

    def count(self, kind: str = "sent") -> int:
        return int(self.ask(f"SELECT count(*) FROM {kind}_words")[0][0])


def _ask_sqlite(path: Path) -> Ask:
    def ask(question: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(path)) as connection, connection:
            return connection.execute(question).fetchall()

    return ask


def _ask_postgres(url: str) -> Ask:
    def ask(question: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(url, autocommit=True) as connection:
            return connection.execute(question.encode()).fetchall()

    return ask


@pytest.fixture(scope="module")
def url() -> str:
    return database("search-index")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    url = request.getfixturevalue("url") if request.param == "postgresql" else ""
    if url:
        empty(url)
    store = open_store(url, tmp_path, log=Log())
    wait_for(store.open())
    yield Place(store, _ask_postgres(url) if url else _ask_sqlite(tmp_path / "dragoman.db"))
    wait_for(store.close())


@on_the_loop
async def test_what_is_deleted_leaves_the_index(place: Place) -> None:
    house = place.house
    messages = [await house.accepted(f"secret {i}") for i in range(5)]
    for i in range(3):
        await place.store.received(MoMessage(device=PHONE, sender="1", text=f"secret {i}", received=START), 1, START)
    assert await place.store.index(LATER, 10) == 8
    assert (place.count(), place.count("received")) == (5, 3)
    await place.store.delete_one(1, messages[0].guid)
    assert place.count() == 4
    await place.store.delete_span(1, Span(since=START, until=LATER))
    assert (place.count(), place.count("received")) == (0, 0)


@on_the_loop
async def test_fts5_has_no_word_of_a_deleted_message_and_is_whole(tmp_path: Path) -> None:
    store = open_store("", tmp_path, log=Log())
    await store.open()
    place = Place(store, _ask_sqlite(tmp_path / "dragoman.db"))
    kept, gone = await place.house.accepted("Crème kept"), await place.house.accepted("secret")
    await store.index(LATER, 10)
    await store.delete_one(1, gone.guid)
    assert place.ask("SELECT rowid FROM sent_words WHERE sent_words MATCH '\"1b1wsecret\"'") == []
    assert place.ask("SELECT rowid FROM sent_words WHERE sent_words MATCH '\"1b1wcreme\"'") == [(kept.id,)]
    place.ask("INSERT INTO sent_words (sent_words) VALUES ('integrity-check')")
    await store.close()


@on_the_loop
async def test_what_was_deleted_while_its_words_were_made_is_not_filed(place: Place) -> None:
    mark = {"kind": "sent", "block": 1, "upto_id": 7, "rows": 1, "from_id": 0}
    assert await place.store.engine.write("index", mark, ({"id": 7, "words": "1b1wsecret"},))
    assert place.count() == 0


@on_the_loop
async def test_who_comes_second_files_nothing(place: Place) -> None:
    message = await place.house.accepted("once")
    mark = {"kind": "sent", "block": 1, "upto_id": message.id, "rows": 1, "from_id": 0}
    words = ({"id": message.id, "words": "1b1wonce"},)
    assert await place.store.engine.write("index", mark, words)
    assert not await place.store.engine.write("index", mark, words)
    assert place.count() == 1
    assert await place.store.index(LATER, 10) == 0


@on_the_loop
async def test_long_texts_are_filed_a_few_at_a_time(place: Place) -> None:
    for _ in range(3):
        await place.house.accepted("x" * 30_000)
    assert [await place.store.index(LATER, 10) for _ in range(4)] == [1, 1, 1, 0]


@on_the_loop
async def test_of_a_large_backlog_only_the_newest_is_looked_through(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions_search, "SCANNED_AT_ONCE", 2)
    monkeypatch.setattr(transactions_search, "MOST_SCANNED", 4)
    for i in range(9):
        await place.house.accepted(f"word {i}", created=START + i * SECOND)
    await place.store.index(START + 2 * SECOND, 10)
    assert [m.text for m in await place.house.all(keyword="word")] == [f"word {i}" for i in (8, 7, 6, 5, 1, 0)]
    assert [m.text for m in await place.house.all(keyword="word", limit=1)] == ["word 8"]


@on_the_loop
async def test_a_block_is_begun_when_the_last_one_is_full(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_terms, "BLOCK_ROWS", 4)
    for _ in range(10):
        await place.house.accepted("word")
    while await place.store.index(LATER, 2):
        pass
    assert place.ask("SELECT number FROM search_blocks ORDER BY number") == [(1,), (2,), (3,)]


@on_the_loop
async def test_frequent_words_are_asked_for_together(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions_search, "MOST_CHECKED", 1)
    for text in ("alpha", "alpha beta", "alpha", "beta"):
        await place.house.accepted(text)
    await place.store.index(LATER, 10)
    assert [m.text for m in await place.house.all(keyword="alpha beta", limit=1)] == ["alpha beta"]


@pytest.mark.slow
@on_the_loop
async def test_two_servers_file_each_message_once(url: str, tmp_path: Path) -> None:
    empty(url)
    stores = [open_store(url, tmp_path, log=Log()) for _ in range(2)]
    for store in stores:
        await store.open()
    place = Place(stores[0], _ask_postgres(url))
    for i in range(30):
        await place.house.accepted(f"word {i}", created=START + timedelta(seconds=i))
    while any(await asyncio.gather(*(store.index(LATER, 4) for store in stores))):
        pass
    assert place.count() == 30
    assert len(await place.house.all(keyword="word")) == 30
    for store in stores:
        await store.close()


@pytest.mark.slow
@on_the_loop
async def test_a_deletion_waits_for_an_indexing_that_may_file_what_is_deleted(url: str, tmp_path: Path) -> None:
    empty(url)
    store = open_store(url, tmp_path, log=Log())
    await store.open()
    place = Place(store, _ask_postgres(url))
    old, message = await place.house.accepted("old"), await place.house.accepted("secret")
    await store.index(LATER, 1)
    with psycopg.connect(url) as other:
        other.execute("UPDATE search_marks SET upto_id = %s WHERE kind = 'sent'", (message.id,))
        other.execute("INSERT INTO sent_words SELECT id, array_to_tsvector(ARRAY['1b1wsecret']) FROM messages WHERE id = %s", (message.id,))
        deleting = asyncio.ensure_future(store.delete_one(1, message.guid))
        while not place.ask("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
            await asyncio.sleep(0.01)
            assert not deleting.done()
    assert await deleting == 1
    assert place.ask("SELECT id FROM sent_words") == [(old.id,)]
    await store.close()
