"""The hot statements that PostgreSQL has in words of its own, instead of those of statements.py. With what they save.

accept  the messages of a whole batch are ONE statement with ONE parameter, a JSON text: 18 µs a message at batches of 32 (client and
        server summed), against 39 by executemany and 49 by SQLAlchemy Core.
        The same statement looks into the opt-out ledger: if one of the recipients is in it, it keeps nothing and says who, and is told
        again without that call. The look is a function (revision 0015), so that it sees what was committed before its lock was had.
claim   one statement finds, locks and takes: 16 at a time cost 40 µs each, against 70 when they are found and taken one after the other.
        What another server has locked is skipped. The ids go by an array, so that the planner has nothing to choose but the primary key.
file    the search terms of many messages are one JSON text, as for accept. Those that were deleted in the meantime are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from typing import Any

import orjson
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from adapters.storage import schema, transactions
from adapters.storage.statements import MESSAGE_COLUMNS, ROW_COLUMNS
from adapters.storage.transactions import Answer, Ask, Parameters, Row, Transaction
from adapters.storage.transactions_optouts import ACCOUNT_ID, RECIPIENT, SENDER
from service.lifecycle import Status, advance

_NAMES = ", ".join(f'"{name}"' for name in MESSAGE_COLUMNS)
_READ = ", ".join(f'"{name}"' for name in ROW_COLUMNS)


def _types() -> str:
    dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
    return ", ".join(f'"{name}" {schema.messages.c[name].type.compile(dialect)}' for name in MESSAGE_COLUMNS)


def _that_wait(told: Status) -> str:
    return ", ".join(f"'{s.value}'" for s in Status if s.is_waiting and advance(s, told) is told)


INSERT_MESSAGES = f"INSERT INTO messages ({_NAMES}) SELECT {_NAMES} FROM json_to_recordset(%s::json) AS x ({_types()})".encode()

INSERT_WANTED = f"""
WITH barred AS MATERIALIZED (
    SELECT * FROM opted_out_among(%(ids)s::bigint[], %(accounts)s::bigint[], %(recipients)s::text[], %(senders)s::text[])
), kept AS (
    INSERT INTO messages ({_NAMES}) SELECT {_NAMES} FROM json_to_recordset(%(rows)s::json) AS x ({_types()})
    WHERE NOT EXISTS (SELECT 1 FROM barred)
)
SELECT * FROM barred
""".encode()

CLAIM = f"""
WITH first AS MATERIALIZED (
    SELECT found.* FROM unnest(%(queues)s::text[], %(sims)s::int[]) AS lane (queue, sim) CROSS JOIN LATERAL (
        SELECT id, due, expires FROM messages
        WHERE messages.queue = lane.queue AND wanted_sim = lane.sim AND due <= %(now)s::bigint
        ORDER BY due, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ) AS found
    ORDER BY due, id LIMIT %(limit)s
), ended AS (
    UPDATE messages SET status = CASE WHEN in_doubt THEN 'outcome_unknown' ELSE 'expired' END, due = NULL,
        finished = CASE WHEN NOT in_doubt THEN %(now)s::bigint END, in_doubt = FALSE
    WHERE id = ANY (ARRAY (SELECT id FROM first WHERE expires <= %(now)s)) AND status IN ({_that_wait(Status.EXPIRED)})
), claimed AS (
    UPDATE messages SET status = 'sending', due = NULL, device = %(device)s, device_message_id = NULL, attempts = attempts + 1,
        leased_until = %(leased_until)s, leased_by = %(leased_by)s
    WHERE id = ANY (ARRAY (SELECT id FROM first WHERE expires > %(now)s)) AND status IN ({_that_wait(Status.SENDING)})
    RETURNING {_READ}
)
SELECT claimed.* FROM first LEFT JOIN claimed ON claimed.id = first.id ORDER BY first.due, first.id
""".encode()


_FILE = """
INSERT INTO {kind}_words (id, words) SELECT new.id, array_to_tsvector(string_to_array(new.words, ' '))
FROM json_to_recordset(%s::json) AS new (id bigint, words text)
CROSS JOIN LATERAL (SELECT 1 FROM {table} WHERE {table}.id = new.id LIMIT 1) AS still_there
"""
FILE_WORDS = {
    f"insert_{kind}_words": _FILE.format(kind=kind, table=table).encode()
    for kind, table in (("sent", "messages"), ("received", "received"))
}


def as_json(rows: Sequence[Parameters]) -> str:
    return orjson.dumps([dict(zip(MESSAGE_COLUMNS, row, strict=True)) for row in rows]).decode()


def wanted(rows: Sequence[Parameters]) -> dict[str, Any]:
    """The parameters of INSERT_WANTED."""
    plain = [row for row in rows if isinstance(row, tuple)]
    columns = {"ids": 0, "accounts": ACCOUNT_ID, "recipients": RECIPIENT, "senders": SENDER}
    return {"rows": as_json(rows), **{name: [row[i] for row in plain] for name, i in columns.items()}}


def claim(
    lanes: Sequence[tuple[str, int]], device: str, limit: int, now: int, leased_until: int, leased_by: str
) -> Generator[Ask, Answer, list[Row]]:
    """As transactions.claim."""
    claimed: list[Row] = []
    asked = {"queues": [queue for queue, _ in lanes], "sims": [sim for _, sim in lanes], "device": device, "now": now}
    while len(claimed) < limit:
        room = limit - len(claimed)
        [found] = yield "claim", [{**asked, "limit": room, "leased_until": leased_until, "leased_by": leased_by}]
        taken = [row for row in found if row[0] is not None]
        claimed += taken
        if len(found) < room or len(taken) == len(found):
            break
    return claimed


def insert_wanted(rows: Sequence[Row]) -> Generator[Ask, Answer, str | None]:
    """As transactions_optouts.insert_wanted."""
    [barred] = yield "insert_wanted", rows
    return barred[0][1] if barred else None


OPERATIONS: Mapping[str, Callable[..., Transaction]] = {
    **transactions.OPERATIONS,
    **transactions.accepting(partial(transactions.accept, insert=insert_wanted)),
    "claim": claim,
}
