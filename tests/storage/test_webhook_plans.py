"""The statements of webhooks search by their index, and the triggers that note events are there after all revisions."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.dialects.sqlite.pysqlite import dialect as sqlite_dialect

from adapters.storage.migrating import migrate
from adapters.storage.statements import compiled
from tests.conformance.stores import database

INDEX = {
    "delivery_due": "ix_webhook_deliveries_due",
    "webhooks_due": "ix_webhook_deliveries_due",
    "all_due": "ix_webhook_deliveries_due",
    "unblock": "ix_webhook_deliveries_order",
    "deliveries": "ix_webhook_deliveries_webhook",
    "remove_deliveries": "ix_webhook_deliveries_webhook",
    "erase_deliveries": "ix_webhook_deliveries_finished",
    "webhooks": "ix_webhooks_account",
}


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    path = tmp_path_factory.mktemp("plans") / "plans.db"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        migrate(connection)
    engine.dispose()
    statements = compiled(sqlite_dialect(paramstyle="qmark"))
    opened = sqlite3.connect(path)

    def plan(name: str) -> str:
        parameters = [7 for _ in statements[name].parameters]
        return "\n".join(row[3] for row in opened.execute("EXPLAIN QUERY PLAN " + statements[name].text, parameters))

    yield plan
    opened.close()


@pytest.mark.parametrize("name", INDEX)
def test_sqlite_searches_by_the_index(plan: Callable[[str], str], name: str) -> None:
    found = plan(name)
    assert INDEX[name] in found
    assert [line for line in found.splitlines() if line.startswith("SCAN") and "webhook_deliveries" in line] == []
    assert "TEMP B-TREE" not in found


def test_what_is_before_a_delivery_is_looked_up_by_its_subject(plan: Callable[[str], str]) -> None:
    assert "ix_webhook_deliveries_order (webhook_id=? AND subject=? AND id<?)" in plan("delivery_due")


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def test_the_triggers_are_there_after_all_revisions(kind: str, tmp_path: Path) -> None:
    """A revision that has a table made anew (SQLite cannot alter much) loses the triggers on it without a word."""
    url = "" if kind == "sqlite" else database("triggers")
    engine: Engine = (
        create_engine(f"sqlite:///{tmp_path / 'a.db'}")
        if kind == "sqlite"
        else create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url))
    )
    asked = {
        "sqlite": "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'",
        "postgresql": "SELECT tgname, relname FROM pg_trigger JOIN pg_class ON tgrelid = pg_class.oid WHERE NOT tgisinternal",
    }
    with engine.begin() as connection:
        migrate(connection)
        found = {tuple(row) for row in connection.exec_driver_sql(asked[kind])}
    engine.dispose()
    assert found == {
        ("webhook_accepted", "messages"),
        ("webhook_changed", "messages"),
        ("webhook_received", "received"),
        ("sent_unfiled", "messages"),
        ("received_unfiled", "received"),
    }
