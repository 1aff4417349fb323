"""The statements of the opt-out ledger; a part of statements.py."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    Text,
    bindparam,
    cast,
    delete,
    false,
    insert,
    literal_column,
    null,
    or_,
    select,
    text,
    update,
)

from adapters.storage import schema
from adapters.storage.postgres_lock import OPTOUT_LOCK
from adapters.storage.statements import _p, _waits, _word, m
from service.lifecycle import Status
from service.optouts import API

_o, _h = schema.optouts.c, schema.optout_history.c


def statements(upsert: Any, dialect: str) -> dict[str, Executable]:
    return {**_ledger(upsert, dialect), **_history(), **_replying(upsert)}


def _one() -> list[ColumnElement[bool]]:
    return [_o.account_id == _p("account_id", _o.account_id), _o.number == _p("number", _o.number)]


def _ledger(upsert: Any, dialect: str) -> dict[str, Executable]:
    sender, code, out = cast(bindparam("sender"), Text), _p("code", _o.code), upsert(schema.optouts)
    lock = "SELECT 1" if dialect == "sqlite" else f"SELECT pg_advisory_xact_lock({OPTOUT_LOCK})"
    # not by the index of the account, which has all that it ever sent: what waits is a short range of another
    is_theirs = [m.due.is_not(None), m.expires > 0, m.account_id + 0 == _p("account_id", m.account_id)]
    waiting = select(m.id).where(*is_theirs, m.recipient == _p("number", m.recipient), m.in_doubt.is_(false()))
    of_code = or_(
        cast(bindparam("code"), Text) == literal_column("''", Text), m.sender.is_(None), m.sender == cast(bindparam("code"), Text)
    )
    return {
        "lock_optouts": text(lock),
        "opted_out": select(_o.number)
        .where(*_one(), or_(_o.code == literal_column("''", Text), sender.is_(None), _o.code == sender))
        .limit(1),
        "opt_out": out.values({c.name: _p(c.name, c) for c in _o})
        .on_conflict_do_nothing(index_elements=[_o.account_id, _o.number, _o.code])
        .returning(_o.code),
        "opt_in": delete(schema.optouts).where(*_one(), _o.code == code).returning(_o.code),
        "opt_in_everywhere": delete(schema.optouts).where(*_one()).returning(_o.code),
        "cancel_waiting_for": update(schema.messages)
        .values(status=_word(Status.CANCELLED), due=null(), finished=_p("at", m.finished))
        .where(m.id.in_(waiting), m.api != literal_column(f"'{API}'", Text), of_code, _waits(Status.CANCELLED)),
    }


def _history() -> dict[str, Executable]:
    mine, older = _h.account_id == _p("account_id", _h.account_id), _h.id < _p("before_id", _h.id)
    number = _p("number", _h.number)
    limit: ColumnElement[int] = bindparam("limit")
    after = or_(_o.number > _p("after", _o.number), (_o.number == _p("after", _o.number)) & (_o.code > _p("after_code", _o.code)))
    ledger = select(schema.optouts).where(_o.account_id == _p("account_id", _o.account_id), _o.number >= _p("after", _o.number), after)
    history = select(schema.optout_history).where(mine, older).order_by(_h.id.desc()).limit(limit)
    return {
        "note_optout": insert(schema.optout_history).values({c.name: _p(c.name, c) for c in _h if c.name != "id"}),
        "optouts": ledger.order_by(_o.number, _o.code).limit(limit),
        "optouts_of": select(schema.optouts).where(*_one()).order_by(_o.number, _o.code).limit(limit),
        "optout_history": history,
        "optout_history_of": history.where(_h.number == number),
    }


def _replying(upsert: Any) -> dict[str, Executable]:
    replies, replied = schema.replies, schema.replied
    set_reply = upsert(replies).values({c.name: _p(c.name, c) for c in replies.c})
    note = upsert(replied).values({c.name: _p(c.name, c) for c in replied.c})
    return {
        "set_reply": set_reply.on_conflict_do_update(
            index_elements=[replies.c.account_id, replies.c.word], set_={"text": set_reply.excluded.text}
        ),
        "replies": select(replies.c.word, replies.c.text).where(replies.c.account_id == _p("account_id", replies.c.account_id)),
        "note_reply": note.on_conflict_do_update(
            index_elements=[replied.c.account_id, replied.c.number, replied.c.word],
            set_={"at": note.excluded["at"]},
            where=replied.c["at"] <= _p("before", replied.c["at"]),
        ).returning(replied.c.word),
    }
