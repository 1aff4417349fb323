"""The revisions lead to the very tables of schema.py, on both engines, and no older program opens a newer database."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, create_engine, inspect

from adapters.storage import open_store, schema
from adapters.storage.migrating import migrate
from service.accounts import Account
from service.errors import Unavailable
from tests.conformance.stores import Log, database
from tests.fakes import on_the_loop


def _sqlite(path: Path) -> Engine:
    return create_engine(f"sqlite:///{path}")


def _postgres(url: str) -> Engine:
    return create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    return _sqlite(tmp_path / "a.db") if request.param == "sqlite" else _postgres(database("migrations"))


def test_the_migrated_tables_are_those_of_the_schema(engine: Engine) -> None:
    with engine.begin() as connection:
        migrate(connection)
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), schema.metadata) == []
        partial = {i["name"]: i["dialect_options"] for i in inspect(connection).get_indexes("messages") if i["dialect_options"]}
        wheres = {name: str(value) for name, options in partial.items() for key, value in options.items() if key.endswith("where")}
    engine.dispose()
    assert {name: where.strip("()") for name, where in wheres.items()} == {
        "ix_messages_waiting": "due IS NOT NULL",
        "ix_messages_expiring": "due IS NOT NULL",
        "ix_messages_reported": "device_message_id IS NOT NULL",
        "ix_messages_leased": "leased_until IS NOT NULL",
        "ix_messages_taken": "taken IS NOT NULL",
        "ix_messages_silent": "taken IS NOT NULL",
        "ix_messages_sent": "sent IS NOT NULL",
        "ix_messages_sent_to": "sent IS NOT NULL",
    }


def test_migrating_twice_does_nothing(engine: Engine) -> None:
    for _ in range(2):
        with engine.begin() as connection:
            migrate(connection)
    engine.dispose()


@on_the_loop
async def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    store = open_store("", tmp_path, log=Log())
    await store.open()
    await store.create_account(Account(id=0, name="kept"))
    await store.close()
    connection = sqlite3.connect(tmp_path / "dragoman.db")
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(Unavailable, match=r"written by a newer version of dragoman.*9999"):
        await store.open()


@on_the_loop
async def test_a_failed_migration_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "dragoman.db"
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("CREATE TABLE pulse (x)")  # the last table to be made is in the way
    connection.close()
    with pytest.raises(Unavailable):
        await open_store("", tmp_path, log=Log()).open()
    engine = _sqlite(path)
    assert inspect(engine).get_table_names() == ["pulse"]
    engine.dispose()


def test_every_column_says_what_it_is() -> None:
    assert [str(c) for table in schema.metadata.tables.values() for c in table.columns if not c.comment] == []
