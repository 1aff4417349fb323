"""The connection of PostgreSQL that writes: hands over batches, notices its end, connects again.

Times are arguments: the database's own now() is never used. A later wake-up of other servers (LISTEN/NOTIFY) belongs here: NOTIFY
in the transaction of the accepted messages, LISTEN on a connection of its own.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.conninfo import conninfo_to_dict

from adapters.storage.batches import Operation, Outcome
from adapters.storage.postgres_run import Runner
from adapters.storage.statements import Statement
from adapters.storage.transactions import Again
from service.errors import IdTaken, InDoubt, Unavailable

CONNECT_WAIT_S = 5
_MOST_TRIES = 3
_KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}
_OPTIONS = {
    "statement_timeout": "30s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
_WRITING = {
    # the promise, whatever the server's default is
    "synchronous_commit": "on",
    # every statement of ours has its index; on a young table, or from stale statistics, the planner may think otherwise, and
    # a prepared plan then stays wrong while the table grows
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
}
_READING = {"default_transaction_read_only": "on"}
_OF_THE_ROW = (errors.IntegrityError, errors.DataError, errors.ProgrammingError, errors.DeadlockDetected)
_PRIMARY_KEYS = frozenset({"pk_messages", "pk_received"})


async def connect(url: str, options: Mapping[str, str]) -> AsyncConnection[Any]:
    """Raises Unavailable."""
    given = conninfo_to_dict(url)
    settings = " ".join(f"-c {name}={value}" for name, value in {**_OPTIONS, **options}.items())
    given["options"] = f"{given.get('options') or ''} {settings}"
    defaults: dict[str, Any] = {"connect_timeout": CONNECT_WAIT_S, "application_name": "dragoman", **_KEEPALIVE}
    try:
        return await AsyncConnection.connect(autocommit=True, prepare_threshold=1, **{**defaults, **given})
    except psycopg.Error as error:
        raise Unavailable(what_is_wrong(error)) from error


async def connect_for_reading(url: str) -> AsyncConnection[Any]:
    return await connect(url, _READING)


def what_is_wrong(error: psycopg.Error) -> str:
    """For the operator. Only the state, once we are connected: the database's words may hold a message's text."""
    if error.sqlstate is None:
        return f"the database cannot be reached: {' '.join(str(error).split())}"
    return f"the database failed ({type(error).__name__}, {error.sqlstate})"


class WritingConnection:
    """A batches.Link."""

    def __init__(self, url: str, statements: Mapping[str, Statement]) -> None:
        self._url = url
        self._statements = statements
        self._fence = secrets.randbits(62)
        self._connection: AsyncConnection[Any] | None = None
        self._may_be_committed = False

    async def open(self) -> None:
        await self.close()
        self._connection = connection = await connect(self._url, _WRITING)
        try:
            await self._wait_for_the_last_one(connection)
        except psycopg.Error as error:
            await self.close()
            raise Unavailable(what_is_wrong(error)) from error
        self._runner = Runner(connection.cursor(), self._statements)

    async def _wait_for_the_last_one(self, connection: AsyncConnection[Any]) -> None:
        """A connection that we have lost may still be committing; nothing is written or looked up before it has ended."""
        ours = "locktype = 'advisory' AND (classid::bigint << 32) + objid::bigint = %s AND pid <> pg_backend_pid()"
        await connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE {ours}".encode(), (self._fence,))
        await connection.execute("SELECT pg_advisory_lock(%s::bigint)", (self._fence,))

    @property
    def is_open(self) -> bool:
        return self._connection is not None and not self._connection.closed

    async def close(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error, OSError):
                await self._connection.close()
            self._connection = None

    async def write(self, batch: Sequence[Operation]) -> list[Outcome]:
        try:
            return await self._write(batch)
        except psycopg.Error as error:
            if self.is_open:
                raise Unavailable(what_is_wrong(error)) from error
            kind = InDoubt if self._may_be_committed else Unavailable
            raise kind("the connection to the database is lost") from error

    async def _write(self, batch: Sequence[Operation]) -> list[Outcome]:
        try:
            if _is_one_statement(batch):
                self._may_be_committed = True
                return await self._runner.run(batch)
            return await self._commit(batch, alone=False)
        except Exception as error:
            if not _is_of_the_row(error):
                raise
        # whatever one of them raised, the others are still to be done
        return await self._commit(batch, alone=True)

    async def _commit(self, batch: Sequence[Operation], *, alone: bool) -> list[Outcome]:
        self._may_be_committed = False
        cursor = self._runner.cursor
        await cursor.execute("BEGIN")
        try:
            await self._runner.lock_uses(batch)
            outcomes = [await self._alone(*operation) for operation in batch] if alone else await self._runner.run(batch)
            self._may_be_committed = True
            await cursor.execute("COMMIT")
        except BaseException:
            with suppress(psycopg.Error):  # a lost connection rolls back by itself
                await cursor.connection.rollback()
            raise
        return outcomes

    async def _alone(self, name: str, arguments: tuple[Any, ...]) -> Outcome:
        """One bad row cannot fail its neighbours."""
        cursor = self._runner.cursor
        outcome: Outcome = Unavailable("the database is too busy with the same row")
        for _ in range(_MOST_TRIES):
            await cursor.execute("SAVEPOINT one")
            try:
                outcome = await self._runner.outcome(name, arguments)
                await cursor.execute("RELEASE one")
                return outcome
            except Again:
                await cursor.execute("ROLLBACK TO one")
            except Exception as error:
                if cursor.connection.closed or not _is_of_the_row(error):
                    raise
                await cursor.execute("ROLLBACK TO one")
                return _of_the_row(error)
        return outcome


def _is_one_statement(batch: Sequence[Operation]) -> bool:
    """Then it needs no BEGIN and COMMIT, two round trips of three: one claim, or only plain accepts, or only settlements of one kind."""
    kinds = {name if name != "settle" else f"settle_{arguments[0]}" for name, arguments in batch}
    if len(kinds) > 1:
        return False
    (kind,) = kinds
    if kind == "claim":
        return len(batch) == 1
    return kind.startswith("settle_") or (kind == "accept" and all(a[2] is None and a[3] is None for _, a in batch))


def _is_of_the_row(error: Exception) -> bool:
    return isinstance(error, _OF_THE_ROW) or not isinstance(error, psycopg.Error)


def _of_the_row(error: Exception) -> Outcome:
    if isinstance(error, errors.UniqueViolation) and error.diag.constraint_name in _PRIMARY_KEYS:
        return IdTaken()
    # its class only: its words may hold a message's text
    return Unavailable(f"the database did not take this ({type(error).__name__})")
