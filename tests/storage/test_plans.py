"""Accepting, claiming, settling and reporting cost the same with ten rows and with five million: no statement of theirs scans or sorts.

The plans are asked for where it matters: many stored messages, and many waiting in another device's queue.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, create_engine, insert
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import dialect as sqlite_dialect

from adapters.storage import schema
from adapters.storage.postgres_link import _OPTIONS, _WRITING
from adapters.storage.postgres_sql import CLAIM
from adapters.storage.statements import Statement, compiled
from tests.conformance.stores import database

Plan = Callable[[str], str]
"""the plan of a statement, by its name"""

INDEX = {
    "sent_since": "ix_messages_sent",
    "leased_now": "ix_messages_leased",
    "release_ended": "ix_messages_pinned",
    "pin": "pk_messages",
    "due_in_lane": "ix_messages_waiting",
    "first_due": "ix_messages_waiting",
    "take": "pk_messages",
    "expire": "pk_messages",
    "settle_sent": "pk_messages",
    "settle_queued": "pk_messages",
    "settle_failed": "pk_messages",
    "settle_outcome_unknown": "pk_messages",
    "report_sent": "ix_messages_reported",
    "report_delivered": "ix_messages_reported",
    "report_failed": "ix_messages_reported",
    "reported": "ix_messages_reported",
    "lease_ended": "ix_messages_leased",
    "leased_by": "ix_messages_leased",
    "ended": "ix_messages_expiring",
    "settle_sending": "pk_messages",
    "acknowledge": "pk_messages",
    "acknowledged": "pk_messages",
    "taken_before": "ix_messages_taken",
    "silence": "ix_messages_silent",
    "sent": "ix_messages_account",
    "sent_one": "pk_messages",
    "exists": "pk_messages",
    "remembered": "pk_idempotency",
    "opted_out": "pk_optouts",
    "cancel_waiting_for": "ix_messages_expiring",
    "forget": "ix_idempotency_created",
    "count_trial": "pk_accounts",
    "keep_uses": "pk_quota_uses",
    "find_key": "uq_api_keys_digest",
    "find_link": "pk_links",
    "find_sealed": "pk_sealed",
    "count_clicks": "pk_links",
    "forget_links": "ix_links_expires",
    "forget_sealed": "ix_sealed_expires",
    "find_rotated_key": "ix_api_keys_former",
    "find_token": "pk_tokens",
    "find_client": "ix_api_keys_client",
    "forget_tokens": "ix_tokens_expires",
    "find_private_token": "pk_enrolments",
    "take_code": "pk_enrolments",
    "forget_invitations": "ix_enrolments_expires",
    "find_device": "ix_device_secrets_token",
    "device_secrets": "pk_device_secrets",
    "submits_until": "ix_named_submits_first",
    "newest_submits": "ix_named_submits_first",
    "oldest_submits": "ix_named_submits_first",
    "count_submits": "ix_named_submits_first",
    "end_grant": "ix_grants_id",
    "forget_grants": "ix_grants_expires",
}


MAILBOX = {
    "resend": "messages",
    "message": "messages",
    "cancel": "messages",
    "delete_sent_one": "messages",
    "sent_page": "ix_messages_sent",
    "sent_to": "ix_messages_sent_to",
    "inbox": "ix_received_account",
    "inbox_of_device": "ix_received_device",
    "inbox_unread": "ix_received_unread",
    "received_from": "ix_received_from",
    "alias": "ix_received_from",
    "received_one": "received",
    "set_read": "received",
    "set_alias": "received",
    "delete_received_one": "received",
}
"""by a column of its own, or, where only the table is named, by the id"""


def _rows(delivered: int, waiting: int) -> list[dict[str, Any]]:
    def row(id: int, **fields: Any) -> dict[str, Any]:
        always = {"id": id, "guid": str(id), "account_id": id % 5, "key_id": 1, "api": "x", "recipient": "1", "text": "x", "segments": 1}
        mt = {"status": "delivered", "created": id, "expires": id + 9, "queue": "done", "device": "d", "device_message_id": str(id)}
        nulls = {"due": None, "leased_until": None, "leased_by": None, "taken": None}
        return {**always, **mt, **nulls, **fields}

    leased = {"status": "sending", "leased_until": 5, "leased_by": "node", "device_message_id": None}
    ended = [row(i) for i in range(delivered)]
    queued = [
        row(i, status="queued", due=i, queue="another", device=None, device_message_id=None) for i in range(delivered, delivered + waiting)
    ]
    taken = [row(10**6 + i, status="sending", taken=i, device="d" if i == 7 else f"d{i % 50}") for i in range(3, 500)]
    return [*ended, *queued, *taken, *(row(10**6 + i, **leased) for i in range(3))]


def _fill_keys(filling: Connection) -> None:
    account = {"time_zone": "UTC", "validity_s": 1, "resend_unknown": False}
    filling.execute(insert(schema.accounts), [{"id": i, "name": str(i), **account} for i in range(1, 2)])
    key = {"label": "", "scopes": 1, "client_id": None}
    keys = [{**key, "id": i, "account_id": 1, "digest": b"%d" % i, "former_digest": b"-%d" % i} for i in range(1, 1001)]
    filling.execute(insert(schema.api_keys), [{**each, "client_id": str(each["id"]) if each["id"] % 2 else None} for each in keys])
    token = {"scopes": 1, "created": 1}
    filling.execute(insert(schema.tokens), [{**token, "digest": b"%d" % i, "key_id": i, "expires": i} for i in range(1, 1001)])
    mine = {"account_id": keys[0]["account_id"]}
    made = {**mine, "label": "", "created": 1}
    kinds = ("token", "code") * 500
    filling.execute(insert(schema.enrolments), [{**made, "digest": b"%d" % i, "kind": kind, "expires": i} for i, kind in enumerate(kinds)])
    phone = {**mine, "kind": "smsgate", "label": "", "sims": 1}
    filling.execute(insert(schema.devices), [{**phone, "id": str(i)} for i in range(1000)])
    secrets = {**mine, "sealed": b""}
    filling.execute(insert(schema.device_secrets), [{**secrets, "device_id": str(i), "token_digest": b"%d" % i} for i in range(1000)])


def _came(count: int) -> list[dict[str, Any]]:
    """Of 5 accounts, by 7 devices, from 100 senders; a tenth is unread."""
    always = {"text": "x", "guid": "g"}
    return [
        {
            **always,
            "id": i,
            "account_id": i % 5,
            "device": "d" if i % 7 == 0 else f"d{i % 7}",
            "sender": "d" if i // 10 % 100 == 0 else f"s{i // 10 % 100}",
            "received": i,
            "created": i,
            "is_read": i // 10 % 10 > 0,
        }
        for i in range(count)
    ]


def _parameters(statement: Statement) -> list[Any]:
    texts = {
        "queue",
        "device",
        "device_message_id",
        "leased_by",
        "key",
        "guid",
        "error",
        "fingerprint",
        "digest",
        "device_id",
        "pattern",
        "number",
        "code",
        "recipient",
        "sender",
    }
    values = {name: "d" if name in texts else 7 for name in statement.parameters}
    return [{**values, **_ODD, **statement.constants}[name] for name in statement.parameters]


_ODD: dict[str, Any] = {
    "refused": None,
    "failed": None,
    "pattern": None,
    "same_device": False,
    "given_back": False,
    "in_doubt": False,
    "digest": b"d",
    "token_digest": b"d",
    "fingerprint": b"d",
}


@pytest.fixture(scope="module")
def sqlite_plan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plan]:
    path = tmp_path_factory.mktemp("plans") / "plans.db"
    engine = create_engine(f"sqlite:///{path}")
    schema.metadata.create_all(engine)
    with engine.begin() as filling:
        filling.execute(insert(schema.messages), _rows(2000, 500))
        _fill_keys(filling)
        filling.execute(insert(schema.received), _came(2000))
    engine.dispose()
    statements = compiled(sqlite_dialect(paramstyle="qmark"))
    with sqlite3.connect(path) as connection:

        def plan(name: str) -> str:
            found = connection.execute("EXPLAIN QUERY PLAN " + statements[name].text, _parameters(statements[name]))
            return "\n".join(row[3] for row in found)

        yield plan
    connection.close()


@pytest.mark.parametrize("name", INDEX)
def test_sqlite_searches_by_the_index(sqlite_plan: Plan, name: str) -> None:
    plan = sqlite_plan(name)
    # SQLite has no name for its row number and makes up names for unnamed constraints
    expected = "INTEGER PRIMARY KEY" if INDEX[name] in ("pk_messages", "pk_accounts") else INDEX[name]
    primary = dict.fromkeys(
        (
            "pk_idempotency",
            "pk_tokens",
            "pk_links",
            "pk_sealed",
            "pk_enrolments",
            "pk_device_secrets",
            "pk_quota_uses",
            "pk_optouts",
        ),
        "PRIMARY KEY",
    )
    expected = {**primary, "uq_api_keys_digest": "sqlite_autoindex_api_keys_1"}.get(expected, expected)
    assert expected in plan
    assert "TEMP B-TREE" not in plan
    assert [line for line in plan.splitlines() if line.startswith("SCAN") and line != "SCAN CONSTANT ROW"] == []


@pytest.mark.parametrize("name", MAILBOX)
def test_sqlite_finds_what_the_mailbox_asks_for(sqlite_plan: Plan, name: str) -> None:
    plan = sqlite_plan(name)
    assert (MAILBOX[name] if MAILBOX[name].startswith("ix_") else "INTEGER PRIMARY KEY") in plan
    assert "TEMP B-TREE" not in plan
    assert "SCAN" not in plan


@pytest.mark.parametrize("name", ["due_in_lane", "count_due"])
def test_sqlite_looks_into_a_lane_by_all_of_its_key(sqlite_plan: Plan, name: str) -> None:
    assert "(queue=? AND wanted_sim=? AND due<?)" in sqlite_plan(name)


def test_sqlite_goes_from_lane_to_lane_by_the_index(sqlite_plan: Plan) -> None:
    plan = sqlite_plan("first_in_lanes")
    assert "SEARCH after_it USING COVERING INDEX ix_messages_waiting (queue=? AND wanted_sim>?)" in plan
    assert "SEARCH after_it USING COVERING INDEX ix_messages_waiting (queue>?)" in plan
    assert "TEMP B-TREE" not in plan
    scanned = [line for line in plan.splitlines() if line.startswith("SCAN") and line != "SCAN lanes"]
    assert scanned == ["SCAN after_it USING COVERING INDEX ix_messages_waiting"], "of which the first row is read"


@pytest.fixture(scope="module", params=["analyzed", "young"])
def postgres_plan(request: pytest.FixtureRequest) -> Iterator[Plan]:
    """What the planner does, both with statistics and while it still believes the tables to be empty."""
    url = database(f"plans-{request.param}")
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url))
    schema.metadata.create_all(engine)
    with engine.begin() as filling:
        filling.execute(insert(schema.messages), _rows(20_000, 5_000))
        _fill_keys(filling)
        filling.execute(insert(schema.received), _came(20_000))
    engine.dispose()
    statements = compiled(PGDialect_psycopg(paramstyle="format"))
    options = " ".join(f"-c {name}={value}" for name, value in {**_OPTIONS, **_WRITING}.items())
    with psycopg.connect(url, autocommit=True, options=options) as connection:
        if request.param == "analyzed":
            connection.execute("ANALYZE")

        def plan(name: str) -> str:
            if name == "claim":
                lanes = {"queues": ["d", "p"], "sims": [0, 0], "device": "d", "leased_by": "n"}
                found = connection.execute(b"EXPLAIN " + CLAIM, {**lanes, "now": 7, "limit": 5, "leased_until": 9})
            else:
                found = connection.execute(f"EXPLAIN {statements[name].text}".encode(), _parameters(statements[name]))
            return "\n".join(row[0] for row in found)

        yield plan


@pytest.mark.slow
def test_postgresql_goes_from_lane_to_lane_by_the_index(postgres_plan: Plan) -> None:
    plan = postgres_plan("first_in_lanes")
    assert plan.count("using ix_messages_waiting") == 3
    assert "Seq Scan" not in plan and "Sort" not in plan


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in INDEX if name not in ("due_in_lane", "take")])
def test_postgresql_searches_by_the_index(postgres_plan: Plan, name: str) -> None:
    plan = postgres_plan(name)
    # with an id, one index that begins or ends with it is as good as the other
    assert INDEX[name] in plan or (name == "sent_one" and "ix_messages_account" in plan and "(id = '7'" in plan)
    assert "Seq Scan on messages" not in plan
    assert "Sort" not in plan


@pytest.mark.slow
def test_postgresql_claims_by_the_index(postgres_plan: Plan) -> None:
    plan = postgres_plan("claim")
    lines = [line.strip() for line in plan.splitlines()]
    assert [line.split(" on ")[0] for line in lines if " on messages" in line and "Scan" in line] == [
        "->  Index Scan using ix_messages_waiting",
        "->  Index Scan using pk_messages",
        "->  Index Scan using pk_messages",
    ]
    assert "Index Cond: ((queue = lane.queue) AND (wanted_sim = lane.sim) AND (due <= '7'::bigint))" in lines


@pytest.mark.slow
@pytest.mark.parametrize("name", MAILBOX)
def test_postgresql_scans_nothing_for_the_mailbox(postgres_plan: Plan, name: str) -> None:
    plan = postgres_plan(name)
    # for an account with hardly a row all indexes that begin with the account cost the same, and it takes any of them
    assert "ix_messages_" in plan or "ix_received_" in plan or "(id = '7'" in plan
    assert "Seq Scan" not in plan
