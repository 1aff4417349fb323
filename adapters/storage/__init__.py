"""Where everything is kept. `open_store` chooses the engine by its address; nothing else outside this folder is called.

Nothing heavy is imported here: SQLite's writing process passes through this file, and is to stay small.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapters.storage.batches import Log
    from adapters.storage.sql import SqlStore


def open_store(database_url: str, data: Path, *, log: Log) -> SqlStore:
    """The store at `database_url`: sqlite:///FILE, postgresql://USER@HOST/DATABASE, or "" for SQLite in the data folder.

    It is not opened yet. Raises ValueError for another kind of address.
    """
    from adapters.storage.sql import SqlStore

    if database_url.startswith("postgresql://"):
        from adapters.storage.postgres import Postgres

        return SqlStore(Postgres(database_url, log=log))
    if database_url and not database_url.startswith("sqlite:///"):
        raise ValueError("the database must be sqlite:///FILE or postgresql://USER@HOST/DATABASE")
    from adapters.storage.sqlite import Sqlite

    path = Path(database_url.removeprefix("sqlite:///")) if database_url else data / "dragoman.db"
    return SqlStore(Sqlite(path, log=log))
