"""SQLite, the default: a file, one writing process (sqlite_link.py, sqlite_writer.py), and readers in this one.

A commit is on disk (WAL, synchronous=FULL). Only one server may use a file: the lock on FILE.lock is inherited by the writing process,
so that a new server cannot start before the last batch of a killed one has ended.
"""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.dialects.sqlite.pysqlite import dialect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from adapters.storage.batches import Batches, Log
from adapters.storage.migrating import migrate
from adapters.storage.search_terms import FTS5
from adapters.storage.sqlite_link import WritingProcess
from adapters.storage.sqlite_lock import FileLock
from adapters.storage.sqlite_run import RawStatement, Runner, open_for_reading, open_for_writing, what_is_wrong
from adapters.storage.statements import compiled
from adapters.storage.statements_mailbox import INBOX
from adapters.storage.transactions import OPERATIONS
from service.errors import Unavailable

LOCK_WAIT_S = 5.0
SLOW = frozenset({"sent", "sent_lately", "received_lately", "sent_page", "sent_to", "received_from", "search", "unindexed_sent"})
SLOW |= {*INBOX.values(), "unindexed_received", "newest_submits", "oldest_submits", "count_submits", "many_messages"}
"""what may read many rows, so that it has a thread"""
_OLDEST = (3, 35)
"""the first with RETURNING"""


class Sqlite:
    """An Engine on one file."""

    settings: tuple[str, ...] = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    grammar = FTS5

    def __init__(self, path: Path, *, log: Log) -> None:
        self._path = path.absolute()
        self._lock = FileLock(self._path)
        self._statements: dict[str, RawStatement] = {
            name: statement.raw() for name, statement in compiled(dialect(paramstyle="qmark")).items()
        }
        self._link = WritingProcess(str(self._path), self._lock, self._statements)
        self._batches = Batches(self._link, log=log)

    async def open(self) -> None:
        if sqlite3.sqlite_version_info < _OLDEST:
            raise Unavailable(f"SQLite {sqlite3.sqlite_version} is too old: 3.35 is needed")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            await self._lock.acquire(LOCK_WAIT_S)
            self._path.touch(mode=0o600)
        except OSError as error:
            self._lock.release()
            raise Unavailable(f"{self._path} cannot be used: {error.strerror}") from error
        try:
            await asyncio.to_thread(self._migrate)
            await self._batches.open()
            self._reader, self._slow_reader = self._open_reader(), self._open_reader()
        except BaseException:
            await self._batches.close()
            self._lock.release()
            raise
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store reader")

    async def close(self) -> None:
        await self._batches.close()
        self._thread.shutdown()
        for runner in (self._reader, self._slow_reader):
            runner.connection.close()
        self._lock.release()

    def write(self, operation: str, *arguments: Any) -> asyncio.Future[Any]:
        return self._batches.write(operation, *arguments)

    async def read(self, operation: str, *arguments: Any) -> Any:
        try:
            if (arguments[0] if operation == "ask" else operation) not in SLOW:
                # shorter than the way to a thread and back
                return self._reader.drive(OPERATIONS[operation](*arguments))
            transaction = OPERATIONS[operation](*arguments)
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._slow_reader.drive, transaction)
        except sqlite3.Error as error:
            raise Unavailable(what_is_wrong(error)) from error

    def _open_reader(self) -> Runner:
        return Runner(open_for_reading(str(self._path)), self._statements)

    def _migrate(self) -> None:
        engine = create_engine("sqlite://", creator=lambda: open_for_writing(str(self._path)), poolclass=NullPool)
        try:
            with engine.connect() as connection:
                # the driver would begin only at the first INSERT, and half a migration is worse than none
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                migrate(connection)
                connection.exec_driver_sql("COMMIT")
        except sqlite3.Error as error:
            raise Unavailable(what_is_wrong(error)) from error
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None)
            raise Unavailable(what_is_wrong(cause) if isinstance(cause, sqlite3.Error) else str(error)) from error
        finally:
            engine.dispose()
