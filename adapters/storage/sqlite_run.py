"""Runs transactions on a connection of SQLite: a batch in one commit for the writer, a single one for the readers.

One bad row cannot fail its neighbours: a batch in which something is raised is rolled back and done again with a savepoint around each
operation, still in one commit. What is wrong with the database itself (full, locked, read-only) fails the whole batch at once.
Imported by the writing process: the standard library only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Any

from adapters.storage.transactions import OPERATIONS, Transaction
from service.errors import Refused

RawStatement = tuple[str, tuple[str, ...], dict[str, Any], bool]
"""text, names of the parameters, those that never change, whether it has rows"""
Batch = Sequence[tuple[str, tuple[Any, ...]]]
"""names in OPERATIONS and their arguments"""
Outcome = tuple[str, Any]
"""("", result), or the name of one of service.errors and its arguments"""

CACHE_KIB = 16_384
"""of pages, for the writer; it counts towards what a server with a full queue may use"""
CHECKPOINT_PAGES = 4_000
BUSY_MS = 5_000
_TAKEN = frozenset({sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID})
_OF_THE_ROW = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError)


def open_for_writing(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=256)
    pragmas = (
        f"busy_timeout={BUSY_MS}",
        "journal_mode=WAL",
        # the promise: when a commit returns, it is on the disk, not in the kernel's memory
        "synchronous=FULL",
        "foreign_keys=ON",
        f"cache_size=-{CACHE_KIB}",
        f"wal_autocheckpoint={CHECKPOINT_PAGES}",
    )
    try:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def open_for_reading(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    connection.execute("PRAGMA query_only=ON")
    return connection


_WHAT_IS_WRONG = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_BUSY: "another program has locked the database",
    sqlite3.SQLITE_LOCKED: "another program has locked the database",
    sqlite3.SQLITE_READONLY: "the database cannot be written: check its owner, its mode and how its disk is mounted",
    sqlite3.SQLITE_CANTOPEN: "the database cannot be opened: check its folder, its owner and its mode",
    sqlite3.SQLITE_CORRUPT: "the database is damaged: restore a backup",
    sqlite3.SQLITE_NOTADB: "the file is not a database",
    sqlite3.SQLITE_IOERR: "the disk failed",
}


class Runner:
    def __init__(self, connection: sqlite3.Connection, statements: Mapping[str, RawStatement]) -> None:
        self.connection = connection
        self._cursor = connection.cursor()
        self._statements = {
            name: (text, _binder(names, constants), has_rows) for name, (text, names, constants, has_rows) in statements.items()
        }

    def run(self, batch: Batch) -> list[Outcome] | Outcome:
        """All in one transaction, committed; or, when the database itself fails, one outcome for all."""
        with suppress(Exception):  # whatever one of them raised, the others are still to be done
            return self._try(batch, self._outcome)
        return self._try(batch, self._outcome_alone)

    def _try(self, batch: Batch, outcome: Callable[[str, tuple[Any, ...]], Outcome]) -> list[Outcome] | Outcome:
        try:
            return self._commit(batch, outcome)
        except sqlite3.DatabaseError as error:
            if isinstance(error, _OF_THE_ROW):
                raise
            return _broken(error)

    def _commit(self, batch: Batch, outcome: Callable[[str, tuple[Any, ...]], Outcome]) -> list[Outcome]:
        execute = self._cursor.execute
        execute("BEGIN IMMEDIATE")
        try:
            outcomes = [outcome(name, arguments) for name, arguments in batch]
            execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                execute("ROLLBACK")
            raise
        return outcomes

    def _outcome(self, name: str, arguments: tuple[Any, ...]) -> Outcome:
        try:
            return "", self.drive(OPERATIONS[name](*arguments))
        except Refused as refused:
            return type(refused).__name__, refused.args

    def _outcome_alone(self, name: str, arguments: tuple[Any, ...]) -> Outcome:
        execute = self._cursor.execute
        execute("SAVEPOINT one")
        try:
            outcome = self._outcome(name, arguments)
            execute("RELEASE one")
            return outcome
        except Exception as error:
            if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, _OF_THE_ROW):
                raise
            execute("ROLLBACK TO one")
            execute("RELEASE one")
            return _of_the_row(error)

    def drive(self, transaction: Transaction) -> Any:
        """Run one transaction to its end and give what it returns."""
        cursor, answer = self._cursor, None
        try:
            while True:
                name, sets = transaction.send(answer)  # type: ignore[arg-type]
                text, bind, has_rows = self._statements[name]
                if has_rows:
                    answer = [cursor.execute(text, bind(one)).fetchall() for one in sets]
                else:
                    answer = []
                    cursor.executemany(text, map(bind, sets))
        except StopIteration as done:
            return done.value


def what_is_wrong(error: sqlite3.Error) -> str:
    """For the operator: our words, then SQLite's."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return f"{_WHAT_IS_WRONG.get(code, 'the database failed')} ({getattr(error, 'sqlite_errorname', error)})"


def _broken(error: sqlite3.Error) -> Outcome:
    # after a failed write or fsync nobody can say what of the commit is on the disk
    in_doubt = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_IOERR
    return "InDoubt" if in_doubt else "Unavailable", (what_is_wrong(error),)


def _of_the_row(error: Exception) -> Outcome:
    if getattr(error, "sqlite_errorcode", None) in _TAKEN:
        return "IdTaken", ()
    # its class only: its words may hold a message's text
    return "Unavailable", (f"the database did not take this ({type(error).__name__})",)


def _binder(names: tuple[str, ...], constants: dict[str, Any]) -> Callable[[Any], Sequence[Any]]:
    """Named parameters in the order of the place-holders; a tuple is in it already."""
    if not names:
        return lambda one: ()
    pick = itemgetter(*names) if len(names) > 1 else lambda one: (one[names[0]],)
    if constants:
        return lambda one: pick({**constants, **one})
    return lambda one: one if type(one) is tuple else pick(one)
