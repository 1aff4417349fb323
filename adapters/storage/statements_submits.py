"""The statements about named submits and their messages; a part of statements.py."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Executable, Select, bindparam, false, func, null, select, update

from adapters.storage import schema
from adapters.storage.statements import ROW_COLUMNS, _p, _waits, _word, m
from adapters.storage.statements_mailbox import _one_sent
from service.lifecycle import Status

_n = schema.named_submits.c


def statements(upsert: Any) -> dict[str, Executable]:
    mine = _n.account_id == _p("account_id", _n.account_id)
    within = [mine, _n.first_id >= _p("from_id", _n.first_id), _n.first_id < _p("until_id", _n.first_id)]
    listed = select(*_n).where(*within)
    first_id = _n.first_id
    return {
        "name_submit": upsert(schema.named_submits)
        .values({c.name: _p(c.name, c) for c in _n})
        .on_conflict_do_nothing(index_elements=[_n.account_id, _n.name])
        .returning(_n.name),
        "find_submit": select(*_n).where(mine, _n.name == _p("name", _n.name)),
        "submits_until": select(*_n).where(mine, first_id <= _p("id", first_id)).order_by(first_id.desc()).limit(bindparam("limit")),
        "newest_submits": _page(listed.order_by(first_id.desc())),
        "oldest_submits": _page(listed.order_by(first_id)),
        "count_submits": select(func.count()).select_from(schema.named_submits).where(*within),
        "message": select(*[m[name] for name in ROW_COLUMNS]).where(*_one_sent()),
        "cancel": update(schema.messages)
        .values(status=_word(Status.CANCELLED), due=null(), finished=_p("now", m.finished))
        .where(*_one_sent(), m.in_doubt.is_(false()), _waits(Status.CANCELLED))
        .returning(m.id),
    }


def _page(listed: Select[Any]) -> Executable:
    return listed.limit(bindparam("limit")).offset(bindparam("offset"))
