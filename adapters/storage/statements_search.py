"""The statements of searching, where the engines differ most: FTS5 on SQLite, tsvector with GIN on PostgreSQL. A part of statements.py.

What is filed are the terms of search_terms.py, as they are: no engine splits or folds a text. A message that is deleted leaves the index
by a trigger (see the revisions), so that no statement can forget it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Executable,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    column,
    exists,
    func,
    insert,
    lateral,
    literal_column,
    or_,
    select,
    table,
    true,
)
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR

from adapters.storage import schema
from adapters.storage.statements import ROW_COLUMNS, _p, is_sent_asked, m

_r, _marks, _blocks = schema.received.c, schema.search_marks.c, schema.search_blocks.c
_SENT = [m[name] for name in ROW_COLUMNS]


def statements(upsert: Any, dialect: str) -> dict[str, Executable]:
    found = _found_on_postgresql if dialect == "postgresql" else _found_on_sqlite
    filing = {} if dialect == "postgresql" else _filing()
    return {
        **_marking(upsert),
        **filing,
        "newer_sent": _newer(m, _SENT, is_sent_asked()),
        "newer_received": _newer(_r, [*_r], _is_received_asked()),
        "find_sent": found("sent", schema.messages, _SENT, is_sent_asked()),
        "find_received": found("received", schema.received, [*_r], _is_received_asked()),
        **{f"count_{kind}": _count(kind, dialect) for kind in ("sent", "received")},
    }


def _marking(upsert: Any) -> dict[str, Executable]:
    marks, blocks = schema.search_marks, schema.search_blocks
    move = upsert(marks).values({c.name: _p(c.name, c) for c in marks.c})
    kind = _p("kind", _marks.kind)
    return {
        "search_mark": select(_marks.block, _marks.upto_id, _marks.rows).where(_marks.kind == kind),
        "move_search_mark": move.on_conflict_do_update(
            index_elements=[_marks.kind],
            set_={name: move.excluded[name] for name in ("block", "upto_id", "rows")},
            where=_marks.upto_id == _p("from_id", _marks.upto_id),
        ).returning(_marks.block),
        "begin_search_block": upsert(blocks)
        .values(kind=kind, number=_p("block", _blocks.number), after_id=_p("from_id", _blocks.after_id))
        .on_conflict_do_nothing(index_elements=[_blocks.kind, _blocks.number]),
        "search_blocks": select(_blocks.number)
        .where(_blocks.kind == kind, _blocks.after_id < _p("before_id", _blocks.after_id))
        .order_by(_blocks.number.desc()),
        "unindexed_sent": _unindexed(m, m.recipient),
        "unindexed_received": _unindexed(_r, _r.sender),
    }


def _unindexed(c: Any, number: ColumnElement[str]) -> Executable:
    span = [c.id > _p("after_id", c.id), c.id < _p("before_id", c.id)]
    return select(c.id, c.account_id, number, c.text).where(*span).order_by(c.id).limit(bindparam("limit"))


def _newer(c: Any, columns: list[Any], asked: ColumnElement[bool]) -> Executable:
    span = [c.account_id == _p("account_id", c.account_id), c.id > _p("after_id", c.id), c.id < _p("before_id", c.id)]
    return select(*columns).where(*span, asked).order_by(c.id.desc()).limit(bindparam("limit"))


def _is_received_asked() -> ColumnElement[bool]:
    device, unread = bindparam("device", type_=Text), cast(bindparam("unread"), Boolean)
    # said of what was read, not of the row's number in the index: it is no better way there
    since = _p("from_id", _r.id)
    return and_(_r.id >= since, or_(device.is_(None), _r.device == device), or_(unread.is_(None), _r.is_read != unread))


def _filing() -> dict[str, Executable]:
    """PostgreSQL has it in words of its own, see postgres_sql.py."""

    def filed(name: str, c: Any) -> Executable:
        words = table(f"{name}_words", column("rowid"), column("words"))
        id = _p("id", c.id)
        still_there = exists(select(c.id).where(c.id == id))
        return insert(words).from_select(["rowid", "words"], select(id, bindparam("words", type_=Text)).where(still_there))

    return {"insert_sent_words": filed("sent", m), "insert_received_words": filed("received", _r)}


def _match(kind: str, dialect: str) -> ColumnElement[bool]:
    if dialect == "postgresql":
        return literal_column("words", TSVECTOR).op("@@")(cast(bindparam("match"), TSQUERY))
    return literal_column(f"{kind}_words", Text).op("MATCH")(bindparam("match", type_=Text))


def _count(kind: str, dialect: str) -> Executable:
    return select(func.count()).select_from(table(f"{kind}_words")).where(_match(kind, dialect))


def _found_on_sqlite(kind: str, of: Table, columns: list[Any], asked: ColumnElement[bool]) -> Executable:
    words = table(f"{kind}_words", column("rowid", BigInteger))
    id, match = words.c.rowid, _match(kind, "sqlite")
    span = [id <= _p("upto_id", of.c.id), id < _p("before_id", of.c.id), of.c.account_id == _p("account_id", of.c.account_id)]
    return (
        select(*columns).select_from(words.join(of, of.c.id == id)).where(match, *span, asked).order_by(id.desc()).limit(bindparam("limit"))
    )


def _found_on_postgresql(kind: str, of: Table, columns: list[Any], asked: ColumnElement[bool]) -> Executable:
    words = table(f"{kind}_words", column("id", BigInteger))
    # a sum, or for its order it would be tempted to read the primary key backwards, all of it for what is rare
    id = words.c.id + literal_column("0", BigInteger)
    match = _match(kind, "postgresql")
    span = [id <= _p("upto_id", of.c.id), id < _p("before_id", of.c.id)]
    filed = select(id.label("id")).where(match, *span).order_by(id.desc()).offset(literal_column("0")).subquery("filed")
    # LIMIT keeps the row's own id the only way to it
    mine = [of.c.id == filed.c.id, of.c.account_id == _p("account_id", of.c.account_id)]
    row = lateral(select(*columns).where(*mine, asked).limit(literal_column("1")), "found")
    return select(*row.c).select_from(filed.join(row, true())).order_by(filed.c.id.desc()).limit(bindparam("limit"))
