"""The statements about what waits for a device, what it has sent, and pinned messages; a part of statements.py."""

from __future__ import annotations

from sqlalchemy import BigInteger, Executable, Text, bindparam, cast, false, func, literal_column, null, select, update

from adapters.storage import schema
from adapters.storage.statements import _lane, _p, m


def statements() -> dict[str, Executable]:
    return {**_counting(), **_pinning()}


def _counting() -> dict[str, Executable]:
    some = select(m.id).where(*_lane(), m.due <= _p("now", m.due)).limit(bindparam("limit")).subquery()
    device, since = m.device == _p("device", m.device), _p("since", m.sent)
    return {
        "count_due": select(func.count()).select_from(some),
        # by the index of the account: one of the device's own would cost each message, and this is asked when a worker begins
        "sent_since": select(m.sim, m.sent, m.queue).where(m.account_id == _p("account_id", m.account_id), m.sent > since, device),
        "taken_since": select(m.sim, m.taken, m.queue).where(device, m.taken > since),
        "leased_now": select(m.sim, cast(_p("now", m.sent), BigInteger), m.queue).where(m.leased_until.is_not(None), device),
    }


def _pinning() -> dict[str, Executable]:
    pool = literal_column("'pool-'", Text).concat(cast(m.account_id, Text))
    free = update(schema.messages).values(queue=pool, pinned_until=null()).where(m.in_doubt.is_(false()), m.due.is_not(None))
    pinned_until = _p("until", m.pinned_until)
    return {
        "pin": update(schema.messages)
        .values(queue=_p("device", m.queue), sim=_p("sim", m.sim), pinned_until=pinned_until)
        .where(m.id == _p("id", m.id)),
        "release_ended": free.where(m.pinned_until <= _p("now", m.pinned_until)).returning(m.account_id),
        "release_of_device": free.where(m.pinned_until.is_not(None), m.queue == _p("device", m.queue)).returning(m.account_id),
    }
