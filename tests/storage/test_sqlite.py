"""SQLite's promises beyond those of every store: on the disk, one server a file, and a writing process that may die."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.dialects.sqlite.pysqlite import dialect

from adapters.storage import open_store, sqlite_lock
from adapters.storage.sql import SqlStore
from adapters.storage.sqlite import Sqlite
from adapters.storage.sqlite_run import Runner, open_for_writing
from adapters.storage.statements import compiled
from service.accounts import Account
from service.errors import InDoubt, Unavailable
from service.fleet import Device
from service.lifecycle import Status
from service.messages import Ids, Receipt
from service.ports import SentQuery
from tests.conformance.stores import Log, wait_for
from tests.conformance.test_store import HOUR, House
from tests.fakes import START, on_the_loop, ripple


class Place:
    """An open store with its writing process in reach."""

    def __init__(self, folder: Path) -> None:
        self.log = Log()
        self.path = folder / "dragoman.db"
        self.engine = Sqlite(self.path, log=self.log)
        self.store = SqlStore(self.engine)
        phone = Device(id="a" * 16, account_id=1, kind="simulator")
        self.house = House(self.store, Account(id=1, name="acme"), phone, phone, Ids())

    @property
    def child(self) -> int:
        pid = self.engine._link.pid
        assert pid is not None
        return pid

    async def all_texts(self) -> set[str]:
        return {m.text for m in await self.store.sent(SentQuery(account_id=1, limit=2000))}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    wait_for(made.store.open())
    yield made
    wait_for(made.store.close())


@on_the_loop
async def test_a_commit_is_on_the_disk(place: Place) -> None:
    assert await place.store.settings() == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}


@on_the_loop
async def test_what_the_writer_was_doing_when_it_died_is_in_doubt_and_the_rest_goes_on(place: Place) -> None:
    os.kill(place.child, signal.SIGSTOP)
    flying = asyncio.ensure_future(place.house.accepted("flying"))
    await ripple()
    waiting = asyncio.ensure_future(place.house.accepted("waiting"))
    await ripple()
    os.kill(place.child, signal.SIGKILL)
    with pytest.raises(InDoubt):
        await flying
    await waiting
    assert "waiting" in await place.all_texts()
    assert [event for event, _ in place.log.lines] == ["store_fails", "store_works_again"]


@on_the_loop
async def test_a_writer_that_died_in_its_sleep_is_replaced_unnoticed(place: Place) -> None:
    dead = place.child
    os.kill(dead, signal.SIGKILL)
    await asyncio.to_thread(os.waitid, os.P_PID, dead, os.WEXITED | os.WNOWAIT)
    await ripple()
    await place.house.accepted("kept")
    assert place.child != dead
    assert place.log.lines == []


@on_the_loop
async def test_the_writer_is_deaf_to_signals_for_the_server(place: Place) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(place.child, number)
    await place.house.accepted("kept")
    assert await place.all_texts() == {"kept"}


@on_the_loop
async def test_a_full_disk_is_unavailable_until_there_is_room(place: Place) -> None:
    await place.house.accepted("before")
    # a limit on the size of files stands in for a disk without room
    resource.prlimit(place.child, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    with pytest.raises(Unavailable):
        await place.house.accepted("lost")
    with pytest.raises(Unavailable):
        await place.store.ready()
    resource.prlimit(place.child, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await place.house.accepted("after")
    assert await place.all_texts() == {"before", "after"}
    assert [event for event, _ in place.log.lines] == ["store_fails", "store_works_again"]


@on_the_loop
async def test_a_row_that_cannot_be_written_fails_alone(place: Place) -> None:
    house = place.house
    mixed = [house.accept(house.message("bad" if i == 7 else str(i), recipient="\ud800" if i == 7 else "12345")) for i in range(15)]
    results = await asyncio.gather(*mixed, return_exceptions=True)
    assert isinstance(results.pop(7), Unavailable)
    assert all(isinstance(r, Receipt) for r in results)
    assert len(await place.all_texts()) == 14
    assert place.log.lines == [("store_row_refused", {"operation": "accept", "why": "the database did not take this (UnicodeEncodeError)"})]


@on_the_loop
async def test_a_text_of_an_xml_librarys_own_kind_is_taken(place: Place) -> None:
    class Result(str):
        pass

    await place.house.accepted(Result("from an XPath"))
    assert await place.all_texts() == {"from an XPath"}


@on_the_loop
async def test_idempotency_records_that_have_ended_are_erased(place: Place) -> None:
    house = place.house
    await house.accept(house.message(), key="old")
    await house.accept(house.message(created=START + HOUR), key="new")
    await place.store.expire(START + 24 * HOUR, 10)
    with closing(sqlite3.connect(place.path)) as reading:
        assert reading.execute("SELECT key FROM idempotency").fetchall() == [("new",)]


@on_the_loop
async def test_a_lease_ends_with_its_settlement_or_recovery(place: Place) -> None:
    house = place.house
    for told in (Status.SENT, Status.QUEUED, Status.FAILED, Status.OUTCOME_UNKNOWN):
        await house.settle(await house.claimed(), told, due=START + HOUR)
    await house.claimed()
    await house.store.recover(now=START, leased_by="node", deduplicating=[])
    with closing(sqlite3.connect(place.path)) as reading:
        assert reading.execute("SELECT count(*) FROM messages WHERE leased_until IS NOT NULL OR leased_by IS NOT NULL").fetchone() == (0,)


@on_the_loop
async def test_nobody_else_may_read_the_file(place: Place) -> None:
    await place.store.ready()
    assert {path.name: path.stat().st_mode & 0o077 for path in place.path.parent.iterdir()} == dict.fromkeys(
        ["dragoman.db", "dragoman.db-wal", "dragoman.db-shm", "dragoman.db.lock"], 0
    )


@on_the_loop
async def test_reads_cannot_write(place: Place) -> None:
    with pytest.raises(Unavailable):
        await place.engine.read("tell", "beat", {})


@on_the_loop
async def test_a_second_server_on_the_same_file_is_refused(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.storage.sqlite.LOCK_WAIT_S", 0.0)
    second = open_store(f"sqlite:///{place.path}", tmp_path / "elsewhere", log=Log())
    with pytest.raises(Unavailable, match=rf"another dragoman server is using {place.path} \(pid {os.getpid()}\)"):
        await second.open()
    await place.store.close()
    await second.open()
    await second.close()
    await place.store.open()


@on_the_loop
async def test_a_new_server_waits_for_the_old_ones_writer(tmp_path: Path) -> None:
    """The lock belongs to the writing process too: it is free only when the last commit of a killed server has ended."""
    lock = sqlite_lock.FileLock(tmp_path / "dragoman.db")
    await lock.acquire(0)
    with subprocess.Popen([sys.executable, "-c", "input()"], pass_fds=[lock.fd], stdin=subprocess.PIPE) as writer:
        lock.release()
        second = sqlite_lock.FileLock(tmp_path / "dragoman.db")
        with pytest.raises(Unavailable):
            await second.acquire(0)
        waiting = asyncio.ensure_future(second.acquire(5))
        await ripple()
        assert not waiting.done()
        assert writer.stdin is not None
        writer.stdin.close()
        await waiting
        second.release()


@on_the_loop
async def test_the_writer_holds_the_lock_and_ends_with_its_server(tmp_path: Path) -> None:
    program = (
        "import asyncio, pathlib, sys\n"
        "from adapters.storage import open_store\n"
        "async def main():\n"
        "    store = open_store('', pathlib.Path(sys.argv[1]), log=None)\n"
        "    await store.open()\n"
        "    await store.ready()\n"
        "    print(store.engine._link.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as server:
        try:
            assert server.stdout is not None
            child = int(await asyncio.to_thread(server.stdout.readline))
            held = [os.readlink(f"/proc/{child}/fd/{fd}") for fd in os.listdir(f"/proc/{child}/fd")]
        finally:
            server.kill()
        assert str(tmp_path / "dragoman.db.lock") in held
    store = open_store("", tmp_path, log=Log())
    await store.open()  # which waits for the lock, so for the end of that process
    await store.close()


@on_the_loop
async def test_what_cannot_be_opened_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for address, words in {
        f"sqlite:///{tmp_path}/file/dragoman.db": "cannot be used",
        f"sqlite:///{tmp_path}": "cannot be opened",
    }.items():
        with pytest.raises(Unavailable, match=words):
            await open_store(address, tmp_path, log=Log()).open()
    (tmp_path / "dragoman.db").write_bytes(b"this is no database, however long it is read" * 100)
    with pytest.raises(Unavailable, match="not a database"):
        await open_store("", tmp_path, log=Log()).open()


def test_another_kind_of_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="postgresql://"):
        open_store("mysql://localhost/x", tmp_path, log=Log())


@pytest.fixture
def runner(place: Place) -> Iterator[Runner]:
    connection = open_for_writing(str(place.path))
    yield Runner(connection, {name: s.raw() for name, s in compiled(dialect(paramstyle="qmark")).items()})
    connection.close()


BEAT = ("tell", ("beat", {}))


@pytest.mark.parametrize("limit, words", [("PRAGMA query_only=ON", "cannot be written"), ("PRAGMA max_page_count=1", "the disk is full")])
def test_a_database_that_cannot_commit_fails_the_whole_batch_at_once(runner: Runner, limit: str, words: str) -> None:
    runner.connection.execute(limit)
    big = ("ask", ("create_account", {**_ACCOUNT, "name": "x" * 1_000_000}))
    kind, (why,) = runner.run([big, BEAT])
    assert kind == "Unavailable"
    assert words in why
    assert not runner.connection.in_transaction


def test_a_batch_is_one_commit(runner: Runner, place: Place) -> None:
    with closing(sqlite3.connect(place.path)) as watching:
        seen: list[str] = []
        runner.connection.set_trace_callback(seen.append)
        assert runner.run([BEAT, BEAT, BEAT]) == [("", None)] * 3
        assert [words for words in seen if words in ("BEGIN IMMEDIATE", "COMMIT")] == ["BEGIN IMMEDIATE", "COMMIT"]
        assert watching.execute("SELECT beats FROM pulse").fetchone() == (3,)


def test_a_database_that_another_program_has_locked_is_unavailable(runner: Runner, place: Place) -> None:
    runner.connection.execute("PRAGMA busy_timeout=0")
    with closing(sqlite3.connect(place.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert runner.run([BEAT]) == ("Unavailable", ("another program has locked the database (SQLITE_BUSY)",))
        other.execute("ROLLBACK")
    assert runner.run([BEAT]) == [("", None)]


_ACCOUNT: dict[str, Any] = {
    "default_country": None,
    "time_zone": "UTC",
    "validity_s": 1,
    "trial_limit": None,
    "resend_unknown": False,
    "sticky": False,
    "quotas": None,
}


def test_the_writing_process_imports_little() -> None:
    listing = "import sys, adapters.storage.sqlite_writer; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert not {"sqlalchemy", "alembic", "twisted", "spyne", "orjson", "asyncio"} & set(loaded.stdout.split())
