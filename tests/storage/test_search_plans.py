"""Searching costs what it finds: by the index of words, then by the id of each row; nothing is read from end to end.

Asked for on the connections that read, as they are, with statistics and while the planner still believes the tables to be empty.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, create_engine, insert, text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import dialect as sqlite_dialect

from adapters.storage import schema
from adapters.storage.migrating import migrate
from adapters.storage.postgres_link import _OPTIONS, _READING, _WRITING
from adapters.storage.postgres_sql import FILE_WORDS
from adapters.storage.search_terms import FTS5, TSQUERY, Grammar, query, terms
from adapters.storage.statements import Statement, compiled
from service.search import Wanted
from tests.conformance.stores import database

Plan = Callable[[str], str]

ROWS = 20_000
KINDS = ["sent", "received"]
INDEX = {
    "newer_sent": "ix_messages_account",
    "newer_received": "ix_received_account",
    "unindexed_sent": "pk_messages",
    "unindexed_received": "pk_received",
    "search_blocks": "pk_search_blocks",
    "search_mark": "pk_search_marks",
}


def _fill(filling: Connection, words: str) -> None:
    mt = {"guid": "g", "key_id": 1, "api": "x", "segments": 1, "status": "delivered", "queue": "done", "recipient": "1", "text": "x"}
    mo = {"device": "d", "sender": "1", "text": "x", "guid": "g", "is_read": False}
    ids = [{"id": i, "account_id": i % 5, "created": i} for i in range(1, ROWS)]
    filling.execute(insert(schema.messages), [{**mt, **row, "expires": 1, "due": None} for row in ids])
    filling.execute(insert(schema.received), [{**mo, **row, "received": row["id"]} for row in ids])
    filling.execute(insert(schema.search_blocks), [{"kind": kind, "number": i, "after_id": i} for kind in KINDS for i in range(50)])
    filling.execute(insert(schema.search_marks), [{"kind": kind, "block": 50, "upto_id": ROWS, "rows": 1} for kind in KINDS])
    filed = [{"id": row["id"], "words": terms(1 + row["id"] // 400, row["account_id"], "+3247", f"word {row['id']}")} for row in ids]
    for kind in KINDS:
        filling.execute(text(words.format(kind=kind)), filed)


def _parameters(statement: Statement, grammar: Grammar) -> list[Any]:
    match = query(Wanted.of("wor 47 1234"), 7, grammar)[0].format(5)
    values = {**dict.fromkeys(statement.parameters, 7), "match": match, "kind": "sent", "device": None, "unread": None}
    values |= {"refused": None, "failed": None, "upto_id": ROWS, "before_id": ROWS, "from_id": 0, "limit": 200}
    return [{**values, **statement.constants}[name] for name in statement.parameters]


@pytest.fixture(scope="module")
def sqlite_plan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plan]:
    path = tmp_path_factory.mktemp("plans") / "plans.db"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as filling:
        migrate(filling)
        _fill(filling, "INSERT INTO {kind}_words (rowid, words) VALUES (:id, :words)")
    engine.dispose()
    statements = compiled(sqlite_dialect(paramstyle="qmark"))
    opened = sqlite3.connect(path)

    def plan(name: str) -> str:
        found = opened.execute("EXPLAIN QUERY PLAN " + statements[name].text, _parameters(statements[name], FTS5))
        return "\n".join(row[3] for row in found)

    yield plan
    opened.close()


@pytest.mark.parametrize("kind", KINDS)
def test_sqlite_finds_by_words_and_then_by_id(sqlite_plan: Plan, kind: str) -> None:
    words, rows = sqlite_plan(f"find_{kind}").splitlines()
    # M is MATCH, < the end of the range of ids; the order comes with it, newest first
    assert re.match(rf"SCAN {kind}_words VIRTUAL TABLE INDEX [0-9]+:M[0-9]*<", words)
    assert rows == f"SEARCH {'messages' if kind == 'sent' else 'received'} USING INTEGER PRIMARY KEY (rowid=?)"


@pytest.mark.parametrize("name", INDEX)
def test_sqlite_scans_nothing_beside(sqlite_plan: Plan, name: str) -> None:
    plan = sqlite_plan(name)
    own = {"pk_messages": "INTEGER PRIMARY KEY", "pk_received": "INTEGER PRIMARY KEY", "pk_search_blocks": "PRIMARY KEY"}
    assert {**own, "pk_search_marks": "sqlite_autoindex_search_marks_1"}.get(INDEX[name], INDEX[name]) in plan
    assert "TEMP B-TREE" not in plan
    assert "SCAN" not in plan


@pytest.fixture(scope="module", params=["analyzed", "young"])
def postgres_url(request: pytest.FixtureRequest) -> str:
    url = database(f"search-plans-{request.param}")
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url))
    with engine.begin() as filling:
        migrate(filling)
        _fill(filling, "INSERT INTO {kind}_words VALUES (:id, array_to_tsvector(string_to_array(:words, ' ')))")
    engine.dispose()
    if request.param == "analyzed":
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ANALYZE")
    return url


def _explain(url: str, words: str, parameters: Any, settings: dict[str, str]) -> str:
    options = " ".join(f"-c {name}={value}" for name, value in {**_OPTIONS, **settings, "plan_cache_mode": "force_generic_plan"}.items())
    with psycopg.connect(url, autocommit=True, options=options) as connection:
        return "\n".join(row[0] for row in connection.execute(f"EXPLAIN {words}".encode(), parameters))


@pytest.fixture
def postgres_plan(postgres_url: str) -> Plan:
    statements = compiled(PGDialect_psycopg(paramstyle="format"))  # type: ignore[no-untyped-call]
    return lambda name: _explain(postgres_url, statements[name].text, _parameters(statements[name], TSQUERY), _READING)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_postgresql_finds_by_words_and_then_by_id(postgres_plan: Plan, kind: str) -> None:
    plan = postgres_plan(f"find_{kind}")
    assert f"Bitmap Index Scan on ix_{kind}_words" in plan
    # by the primary key, or by the account and the id: as good
    assert f"(id = (({kind}_words.id + 0)))" in plan
    assert "Seq Scan" not in plan


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in INDEX if not name.startswith("search")])
def test_postgresql_scans_nothing_beside(postgres_plan: Plan, name: str) -> None:
    plan = postgres_plan(name)
    assert INDEX[name] in plan
    assert "Seq Scan" not in plan


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_postgresql_looks_for_each_message_that_it_files_by_its_id(postgres_url: str, kind: str) -> None:
    plan = _explain(postgres_url, FILE_WORDS[f"insert_{kind}_words"].decode(), ('[{"id": 1, "words": "a"}]',), _WRITING)
    assert f"using pk_{'messages' if kind == 'sent' else 'received'}" in plan
    assert "Index Cond: (id = new.id)" in plan
