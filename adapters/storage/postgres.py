"""PostgreSQL: one connection that writes, in groups (postgres_link.py), a few that read. All on the loop, without threads.

Several servers on one database are one gateway: the claim skips what another has locked, and each statement guards itself. Connect
directly: a pooler in transaction mode would drop what the connections are told at their start.
"""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
from psycopg import AsyncConnection
from sqlalchemy import create_engine
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import SQLAlchemyError

from adapters.storage.batches import Batches, Log
from adapters.storage.migrating import migrate
from adapters.storage.postgres_link import WritingConnection, connect_for_reading, what_is_wrong
from adapters.storage.postgres_run import Runner
from adapters.storage.postgres_sql import OPERATIONS
from adapters.storage.search_terms import TSQUERY
from adapters.storage.statements import compiled
from service.errors import Unavailable

READERS = 4
_MIGRATION_LOCK = 0x647261676F  # "drago": servers that start together migrate one after the other


class Postgres:
    """An Engine on one database."""

    settings: tuple[str, ...] = ("synchronous_commit", "enable_seqscan")
    grammar = TSQUERY

    def __init__(self, url: str, *, log: Log) -> None:
        self._url = url
        self._statements = compiled(PGDialect_psycopg(paramstyle="format"))  # type: ignore[no-untyped-call]
        self._batches = Batches(WritingConnection(url, self._statements), log=log)
        self._idle: list[AsyncConnection[Any]] = []
        self._free = asyncio.Semaphore(READERS)

    async def open(self) -> None:
        await asyncio.to_thread(self._migrate)
        await self._batches.open()

    async def close(self) -> None:
        await self._batches.close()
        await self._drop_idle()

    def write(self, operation: str, *arguments: Any) -> asyncio.Future[Any]:
        return self._batches.write(operation, *arguments)

    async def read(self, operation: str, *arguments: Any) -> Any:
        async with self._free:
            is_fresh = not self._idle
            connection = await connect_for_reading(self._url) if is_fresh else self._idle.pop()
            try:
                answer = await Runner(connection.cursor(), self._statements).drive(OPERATIONS[operation](*arguments))
            except psycopg.Error as error:
                await connection.close()
                if is_fresh:
                    raise Unavailable(what_is_wrong(error)) from error
            except BaseException:
                await connection.close()
                raise
            else:
                self._idle.append(connection)
                return answer
        # it had ended while it was idle, and so may the others have
        await self._drop_idle()
        return await self.read(operation, *arguments)

    async def _drop_idle(self) -> None:
        while self._idle:
            await self._idle.pop().close()

    def _migrate(self) -> None:
        engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(self._url, connect_timeout=5))
        try:
            with engine.begin() as connection:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
                encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
                if encoding != "UTF8":
                    raise Unavailable(f"the database is in {encoding}: create one with ENCODING 'UTF8'")
                migrate(connection)
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None)
            raise Unavailable(what_is_wrong(cause) if isinstance(cause, psycopg.Error) else str(error)) from error
        except psycopg.Error as error:
            raise Unavailable(what_is_wrong(error)) from error
        finally:
            engine.dispose()
