"""The two hot statements that PostgreSQL has in words of its own, instead of those of statements.py. With what they save.

accept  the messages of a whole batch are ONE statement with ONE parameter, a JSON text: 18 µs a message at batches of 32 (client and
        server summed), against 39 by executemany and 49 by SQLAlchemy Core.
claim   one statement finds, locks and takes: 16 at a time cost 40 µs each, against 70 when they are found and taken one after the other.
        What another server has locked is skipped. The ids go by an array, so that the planner has nothing to choose but the primary key.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence

import orjson
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from adapters.storage import schema, transactions
from adapters.storage.statements import MESSAGE_COLUMNS, ROW_COLUMNS
from adapters.storage.transactions import Answer, Ask, Parameters, Row, Transaction
from service.lifecycle import Status, advance

_NAMES = ", ".join(f'"{name}"' for name in MESSAGE_COLUMNS)
_READ = ", ".join(f'"{name}"' for name in ROW_COLUMNS)


def _types() -> str:
    dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
    return ", ".join(f'"{name}" {schema.messages.c[name].type.compile(dialect)}' for name in MESSAGE_COLUMNS)


def _that_wait(told: Status) -> str:
    return ", ".join(f"'{s.value}'" for s in Status if s.is_waiting and advance(s, told) is told)


INSERT_MESSAGES = f"INSERT INTO messages ({_NAMES}) SELECT {_NAMES} FROM json_to_recordset(%s::json) AS x ({_types()})".encode()

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


def as_json(rows: Sequence[Parameters]) -> str:
    return orjson.dumps([dict(zip(MESSAGE_COLUMNS, row, strict=True)) for row in rows]).decode()


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


OPERATIONS: Mapping[str, Callable[..., Transaction]] = {**transactions.OPERATIONS, "claim": claim}
