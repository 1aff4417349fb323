"""The statements of the mailbox: what an account received, reads, marks, sends again and deletes. A part of statements.py.

A list is one range of an index, read backwards. Whose a row is is asked in each statement.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Executable, and_, bindparam, delete, false, func, insert, null, or_, select, true, update

from adapters.storage import schema
from adapters.storage.statements import ROW_COLUMNS, _may_become, _p, _word, m
from service.lifecycle import Status

LOOK_BACK = 10_000
"""how many of the newest messages are looked through for the latest conversations"""

INBOX = {
    (False, False): "inbox",
    (False, True): "inbox_unread",
    (True, False): "inbox_of_device",
    (True, True): "inbox_of_device_unread",
}
"""by whether a device is given, and whether only unread ones are asked for"""

_r, _parts = schema.received.c, schema.received_parts.c


def statements(upsert: Any) -> dict[str, Executable]:
    return {**_receiving(upsert), **_inbox(), **_marking(), **_listing(), **_conversations(), **_deleting(), **_again(), **_unlinking()}


def _receiving(upsert: Any) -> dict[str, Executable]:
    inboxes, parts = schema.inboxes, schema.received_parts
    group = [_parts[name] == _p(name, _parts[name]) for name in ("device", "sender", "reference", "total")]
    content = [_parts[name] for name in PART_CONTENT]
    newest = func.max(_parts.created)
    keys = [_parts[name] for name in ("account_id", "device", "sender", "reference", "total")]
    return {
        "next_number": upsert(inboxes)
        .values(account_id=_p("account_id", inboxes.c.account_id), last=1)
        .on_conflict_do_update(index_elements=[inboxes.c.account_id], set_={"last": inboxes.c.last + 1})
        .returning(inboxes.c.last),
        "parts": select(*content).where(*group).order_by(_parts.part),
        "insert_part": insert(parts).values({c.name: _p(c.name, c) for c in parts.c}),
        "take_parts": delete(parts).where(*group).returning(*content),
        "stale_parts": select(*keys).group_by(*keys).having(newest <= _p("before", _parts.created)).limit(bindparam("limit")),
    }


PART_CONTENT = ("part", "text", "sim", "received", "offset_s", "device_message_id")


def _inbox() -> dict[str, Executable]:
    def rows(of_device: bool, unread: bool) -> Executable:
        found = select(*_r).where(_r.account_id == _p("account_id", _r.account_id), _r.id >= _p("from_id", _r.id))
        found = found.where(_r.id < _p("until_id", _r.id))
        found = found.where(_r.device == _p("device", _r.device)) if of_device else found
        found = found.where(_r.is_read.is_(false())) if unread else found
        return found.order_by(_r.id.desc()).limit(bindparam("limit")).offset(bindparam("offset"))

    return {**{name: rows(*how) for how, name in INBOX.items()}, "received_one": select(*_r).where(*_one_received())}


def _one_received() -> list[ColumnElement[bool]]:
    return [_r.id == _p("id", _r.id), _r.account_id == _p("account_id", _r.account_id), _r.guid == _p("guid", _r.guid)]


def _one_sent() -> list[ColumnElement[bool]]:
    return [m.id == _p("id", m.id), m.account_id == _p("account_id", m.account_id), m.guid == _p("guid", m.guid)]


def _marking() -> dict[str, Executable]:
    received = schema.received
    return {
        "set_read": update(received).values(is_read=true()).where(*_one_received()).returning(_r.id),
        "set_alias": update(received).values(alias=_p("alias", _r.alias)).where(*_one_received()).returning(_r.id),
    }


def _listing() -> dict[str, Executable]:
    """What devices sent within a span, newest first; `before` and `before_id` say where the last page ended."""
    before, before_id = _p("before", m.sent), _p("before_id", m.id)
    accounts = schema.accounts
    return {
        "sent_page": select(*[m[name] for name in ROW_COLUMNS])
        .where(m.account_id == _p("account_id", m.account_id), m.sent >= _p("since", m.sent), m.sent <= before)
        .where(or_(m.sent < before, m.id < before_id))
        .order_by(m.sent.desc(), m.id.desc())
        .limit(bindparam("limit")),
        "account": select(*[c for c in accounts.c if c.name != "trial_sent"]).where(accounts.c.id == _p("id", accounts.c.id)),
    }


def _conversations() -> dict[str, Executable]:
    def lately(number: ColumnElement[Any], at: ColumnElement[Any], account_id: ColumnElement[Any]) -> Executable:
        span = [account_id == _p("account_id", account_id), at >= _p("since", at), at < _p("until", at)]
        newest = select(number.label("number"), at.label("at")).where(*span).order_by(at.desc()).limit(LOOK_BACK).subquery()
        last = func.max(newest.c.at)
        return select(newest.c.number).group_by(newest.c.number).order_by(last.desc(), newest.c.number).limit(bindparam("limit"))

    sent = [m.recipient == _p("number", m.recipient), m.sent >= _p("since", m.sent), m.sent < _p("until", m.sent)]
    mine = [_r.account_id == _p("account_id", _r.account_id), _r.sender == _p("number", _r.sender)]
    span = [_r.received >= _p("since", _r.received), _r.received < _p("until", _r.received)]
    return {
        "sent_lately": lately(m.recipient, m.sent, m.account_id),
        "received_lately": lately(_r.sender, _r.received, _r.account_id),
        "sent_to": select(*[m[name] for name in ROW_COLUMNS])
        .where(m.account_id == _p("account_id", m.account_id), *sent)
        .order_by(m.sent.desc(), m.id.desc())
        .limit(bindparam("limit")),
        "received_from": select(*_r).where(*mine, *span).order_by(_r.received.desc(), _r.id.desc()).limit(bindparam("limit")),
        "alias": select(_r.alias).where(*mine, _r.alias.is_not(None)).order_by(_r.received.desc(), _r.id.desc()).limit(1),
    }


def _deleting() -> dict[str, Executable]:
    at_rest = m.status != _word(Status.SENDING)
    messages, received = schema.messages, schema.received

    def span(id: ColumnElement[Any], account_id: ColumnElement[Any], *also: ColumnElement[bool]) -> Any:
        mine = [account_id == _p("account_id", account_id), id >= _p("from_id", id), id < _p("to_id", id), *also]
        return select(id).where(*mine).order_by(id).limit(bindparam("limit"))

    return {
        "delete_sent_one": delete(messages).where(*_one_sent(), at_rest).returning(m.id),
        "delete_received_one": delete(received).where(*_one_received()).returning(_r.id),
        "delete_sent": delete(messages).where(m.id.in_(span(m.id, m.account_id, at_rest)), at_rest).returning(m.id),
        "delete_received": delete(received).where(_r.id.in_(span(_r.id, _r.account_id))).returning(_r.id),
    }


def _again() -> dict[str, Executable]:
    """A new try of what has come to a bad end, for any device unless one is wanted; nothing of the old try may still report."""
    return {
        "resend": update(schema.messages)
        .values(
            status=_word(Status.QUEUED),
            due=_p("now", m.due),
            expires=_p("expires", m.expires),
            wanted_device=_p("wanted_device", m.wanted_device),
            queue=_p("queue", m.queue),
            sent=null(),
            finished=null(),
            device_message_id=null(),
            in_doubt=false(),
            failures=0,
            resends=m.resends + 1,
        )
        .where(*_one_sent(), m.refusal.is_(None), m.status != _word(Status.SENDING), _may_become(Status.QUEUED))
        .returning(m.resends)
    }


def _unlinking() -> dict[str, Executable]:
    device, pool = _p("device", m.device), _p("pool", m.queue)
    waits = [m.queue == device, m.due.is_not(None)]
    freed: dict[str, Any] = {"queue": pool, "wanted_device": null()}
    kept: dict[str, Any] = {**freed, "in_doubt": false()}
    accounts = schema.accounts
    is_resent = select(accounts.c.id).where(accounts.c.id == m.account_id, accounts.c.resend_unknown.is_(true())).exists()
    unknown = _word(Status.OUTCOME_UNKNOWN)
    return {
        "free_waiting": update(schema.messages).values(kept).where(*waits, or_(m.in_doubt.is_(false()), is_resent)),
        "give_up_waiting": update(schema.messages).values(**kept, status=unknown, due=null()).where(*waits),
        "give_up_taken": update(schema.messages).values(status=unknown, taken=null()).where(m.device == device, m.taken.is_not(None)),
        "free_leased": update(schema.messages).values(freed).where(m.leased_until.is_not(None), and_(m.device == device)),
        "delete_device": delete(schema.devices).where(schema.devices.c.id == device),
    }
