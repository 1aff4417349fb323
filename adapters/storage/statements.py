"""Every statement of the store, by the name under which transactions.py asks for it, compiled once for an engine.

Each guards itself (its WHERE says what must still be true), so that transactions may be interleaved and processes may compete.
SQLAlchemy writes the text at start-up and is not met again: run by it, an accept on PostgreSQL cost 24 to 48 µs more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Dialect,
    Executable,
    ScalarSelect,
    Text,
    Update,
    and_,
    bindparam,
    case,
    cast,
    delete,
    false,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert_postgresql
from sqlalchemy.dialects.sqlite import insert as upsert_sqlite
from sqlalchemy.sql.compiler import SQLCompiler

from adapters.storage import schema, statements_enrolment, statements_keys, statements_quotas, statements_webhooks
from adapters.storage.statements_links import linking
from service.lifecycle import Status, advance
from service.messages import WHATSAPP_QUEUE

m = schema.messages.c


class Statement(NamedTuple):
    text: str
    parameters: tuple[str, ...]
    """their names, in the order of the place-holders"""
    constants: dict[str, Any]
    """those that have the same value at each call"""
    has_rows: bool
    """whether it answers with rows"""

    def raw(self) -> tuple[str, tuple[str, ...], dict[str, Any], bool]:
        """For another process."""
        return self.text, self.parameters, self.constants, self.has_rows


def compiled(dialect: Dialect) -> dict[str, Statement]:
    """`dialect` has a positional paramstyle."""
    return {name: _compile(element, dialect) for name, element in _all(dialect.name).items()}


def _compile(element: Executable, dialect: Dialect) -> Statement:
    made = element.compile(dialect=dialect)  # type: ignore[attr-defined]
    assert isinstance(made, SQLCompiler)
    has_rows = bool(made.effective_returning) or not (made.isinsert or made.isupdate or made.isdelete)
    constants = {name: value for name, value in made.construct_params({}, _check=False).items() if value is not None}
    names = tuple("".join(name) for name in made.positiontup or ())
    return Statement(made.string, names, {"".join(name): value for name, value in constants.items()}, has_rows)


def _all(dialect: str) -> Mapping[str, Executable]:
    upsert = upsert_postgresql if dialect == "postgresql" else upsert_sqlite
    always = {
        **_accepting(upsert),
        **_sending(),
        **_taking(),
        **_reporting(),
        **_reading(),
        **_receiving(upsert),
        **_owning(upsert),
    }
    from adapters.storage import (  # they use the words of this file
        statements_audience,
        statements_limits,
        statements_mailbox,
        statements_optouts,
        statements_search,
        statements_submits,
    )

    always |= statements_quotas.statements(upsert)
    always |= {**statements_limits.statements(), **linking(), **statements_keys.statements(upsert), **statements_mailbox.statements(upsert)}
    always |= {**statements_search.statements(upsert, dialect), **statements_enrolment.statements(upsert)}
    always |= statements_submits.statements(upsert)
    always |= {**statements_optouts.statements(upsert, dialect), **statements_audience.statements(upsert, dialect)}
    return {**always, **_asking(upsert, dialect), **statements_webhooks.statements()}


def _p(name: str, like: ColumnElement[Any]) -> ColumnElement[Any]:
    return bindparam(name, type_=like.type)


def _word(status: Status) -> ColumnElement[str]:
    return literal_column(f"'{status.value}'", Text)


def _may_become(told: Status) -> ColumnElement[bool]:
    """`advance` as a condition: the current status is one that `told` changes."""
    return m.status.in_([_word(s) for s in Status if s is not told and advance(s, told) is told])


def _waits(told: Status) -> ColumnElement[bool]:
    """The message still waits, and `told` may follow.

    Said by the status and not by `due`: PostgreSQL took `due IS NOT NULL` beside `id = ...` as a reason to walk the whole index of
    waiting messages, since it believed the young table to be empty.
    """
    return m.status.in_([_word(s) for s in Status if s.is_waiting and advance(s, told) is told])


def _accepting(upsert: Any) -> dict[str, Executable]:
    accounts, kept = schema.accounts.c, schema.idempotency.c
    used = accounts.trial_sent + bindparam("count", type_=accounts.trial_sent.type)
    remember = upsert(schema.idempotency).values({c.name: _p(c.name, c) for c in kept})
    return {
        "insert_messages": insert(schema.messages).values({name: _p(name, m[name]) for name in MESSAGE_COLUMNS}),
        "count_trial": update(schema.accounts)
        .values(trial_sent=used)
        .where(accounts.id == _p("account_id", accounts.id), used <= bindparam("most", type_=accounts.trial_sent.type))
        .returning(accounts.trial_sent),
        # whether it has ended is seen there: asked for here, it had PostgreSQL read all later ones by the index of `created`
        "remembered": select(kept.fingerprint, kept.created, kept.receipt, kept.trial_sent).where(
            kept.account_id == _p("account_id", kept.account_id), kept.key == _p("key", kept.key)
        ),
        "remember": remember.on_conflict_do_update(
            index_elements=[kept.account_id, kept.key],
            set_={c.name: remember.excluded[c.name] for c in kept if not c.primary_key},
            where=kept.created <= _p("ended", kept.created),
        ).returning(kept.key),
        "forget": delete(schema.idempotency).where(
            tuple_(kept.account_id, kept.key).in_(
                select(kept.account_id, kept.key).where(kept.created <= _p("ended", kept.created)).limit(bindparam("limit"))
            )
        ),
    }


# plain texts, since other processes and JSON are told: SQLAlchemy's own kind of text is not taken there
_LATER = ("resends", "taken", "in_doubt", "sim", "failures")
_OF_THE_QUEUE = ("leased", "pinned")
MESSAGE_COLUMNS = tuple("".join(c.name) for c in schema.messages.c if c.name not in _LATER and not c.name.startswith(_OF_THE_QUEUE))
"""those that are given when a message is accepted"""
ROW_COLUMNS = (*MESSAGE_COLUMNS, *_LATER)
"""those that a message is read from"""


_NO_LEASE: dict[str, Any] = {"leased_until": null(), "leased_by": null()}
_KNOWN: dict[str, Any] = {"taken": null(), "in_doubt": false()}
"""what a device's own word on a message ends"""


def _lane() -> list[ColumnElement[bool]]:
    return [m.queue == _p("queue", m.queue), m.wanted_sim == _p("sim", m.wanted_sim)]


def _sending() -> dict[str, Executable]:
    now = _p("now", m.due)
    one = m.id == _p("id", m.id)
    is_leased = and_(one, m.leased_until == _p("leased_until", m.leased_until), m.status == _word(Status.SENDING))
    leased = select(m.id, m.guid, m.device, m.queue, m.leased_until, schema.accounts.c.resend_unknown).join(
        schema.accounts, schema.accounts.c.id == m.account_id, isouter=True
    )
    return {
        "due_in_lane": select(m.id, m.due, m.expires).where(*_lane(), m.due <= now).order_by(m.due, m.id).limit(bindparam("limit")),
        "first_due": select(m.due).where(*_lane(), m.due.is_not(None)).order_by(m.due).limit(1),
        "first_in_lanes": _first_in_lanes(),
        "take": update(schema.messages)
        .values(
            status=_word(Status.SENDING),
            due=null(),
            device=_p("device", m.device),
            device_message_id=null(),
            attempts=m.attempts + 1,
            leased_until=_p("leased_until", m.leased_until),
            leased_by=_p("leased_by", m.leased_by),
        )
        .where(one, _waits(Status.SENDING))
        .returning(*[m[name] for name in ROW_COLUMNS]),
        "expire": update(schema.messages)
        .values(
            status=case((m.in_doubt, _word(Status.OUTCOME_UNKNOWN)), else_=_word(Status.EXPIRED)),
            due=null(),
            finished=case((m.in_doubt, null()), else_=now),
            in_doubt=false(),
        )
        .where(one, m.expires <= now, _waits(Status.EXPIRED))
        .returning(m.id),
        "ended": select(m.id).where(m.due.is_not(None), m.expires <= now).limit(bindparam("limit")),
        "leased_by": leased.where(m.leased_until.is_not(None), m.leased_by == _p("leased_by", m.leased_by)),
        "lease_ended": leased.where(m.leased_until <= now),
        "requeue": update(schema.messages)
        .values(status=_word(Status.QUEUED), due=now, queue=_p("queue", m.queue), in_doubt=_p("in_doubt", m.in_doubt), **_NO_LEASE)
        .where(is_leased)
        .returning(m.guid),
        "give_up": update(schema.messages)
        .values(status=_word(Status.OUTCOME_UNKNOWN), in_doubt=false(), **_NO_LEASE)
        .where(is_leased)
        .returning(m.guid),
        **{f"settle_{told.value}": _settle(told) for told in (Status.SENT, Status.QUEUED, Status.FAILED, Status.OUTCOME_UNKNOWN)},
    }


def _first_in_lanes() -> Executable:
    """From one lane to the next by the index, so that neither the rows of a lane nor lanes without any are read."""
    found, after = schema.messages.alias("found"), schema.messages.alias("after_it")
    order = (after.c.queue, after.c.wanted_sim, after.c.due, after.c.id)
    first = select(after.c.id).where(after.c.due.is_not(None)).order_by(*order).limit(1)
    columns = select(found.c.queue, found.c.wanted_sim, found.c.due)
    lanes = columns.where(found.c.id == first.scalar_subquery()).cte("lanes", recursive=True)
    # said at once as a pair of columns, SQLite would read the whole lane
    same_queue = first.where(after.c.queue == lanes.c.queue, after.c.wanted_sim > lanes.c.wanted_sim)
    next_queue = first.where(after.c.queue > lanes.c.queue)
    following = func.coalesce(same_queue.correlate(lanes).scalar_subquery(), next_queue.correlate(lanes).scalar_subquery())
    lanes = lanes.union_all(columns.select_from(lanes.join(found, found.c.id == following)))
    return select(lanes.c.queue, lanes.c.wanted_sim, lanes.c.due)


def _settle(told: Status) -> Update:
    same_device, given_back = cast(bindparam("same_device"), Boolean), cast(bindparam("given_back"), Boolean)
    keeps = and_(same_device, m.device.is_not(None))
    is_whatsapp = m.queue.like(literal_column(f"'%{WHATSAPP_QUEUE}'", Text))
    suffix = case((is_whatsapp, literal_column(f"'{WHATSAPP_QUEUE}'", Text)), else_=literal_column("''", Text))
    own = func.coalesce(m.wanted_device, literal_column("'pool-'", Text).concat(cast(m.account_id, Text)))
    status: ColumnElement[Any] = _word(told)
    due: ColumnElement[Any] = _p("due", m.due)
    known, may = _KNOWN, _may_become(told)
    is_free: ColumnElement[bool] = false()
    if told is Status.QUEUED:
        is_refused = and_(same_device.is_(false()), given_back.is_(false()))
        known = {"in_doubt": or_(same_device, and_(given_back, m.in_doubt)), "failures": m.failures + case((is_refused, 1), else_=0)}
        # what was in doubt was this device's alone; now that it has refused, anybody may have it
        is_free = and_(is_refused, m.pinned_until.is_(None))
        # what a device has acknowledged is not sent again, whatever became of the submit
        may = and_(may, m.taken.is_(None))
    if told is Status.OUTCOME_UNKNOWN:
        may = and_(m.status == _word(Status.SENDING), m.taken.is_(None))
        accounts = schema.accounts.c
        again = select(accounts.resend_unknown).where(accounts.id == m.account_id).scalar_subquery()
        status, due = case((again, _word(Status.QUEUED)), else_=status), case((again, _p("now", m.due)))
    return (
        update(schema.messages)
        .values(
            status=status,
            due=due,
            queue=case((keeps, m.device.concat(suffix)), (is_free, own.concat(suffix)), else_=m.queue),
            sent=func.coalesce(_p("sent", m.sent), m.sent),
            finished=_p("finished", m.finished),
            device_message_id=func.coalesce(_p("device_message_id", m.device_message_id), m.device_message_id),
            error=func.coalesce(_p("error", m.error), m.error),
            sim=func.coalesce(_p("sim", m.sim), m.sim),
            **known,
            **_NO_LEASE,
        )
        .where(m.id == _p("id", m.id), m.attempts == _p("attempts", m.attempts), may)
    )


def _taking() -> dict[str, Executable]:
    """A device has a message, the network not yet."""
    now = _p("now", m.taken)
    had: dict[str, Any] = {"status": _word(Status.SENDING), "taken": now, "due": null(), "in_doubt": false(), **_NO_LEASE}
    its_id = _p("device_message_id", m.device_message_id)
    resends, device = _p("resends", m.resends), _p("device", m.device)
    its_try = and_(m.id == _p("id", m.id), m.guid == _p("guid", m.guid), m.resends == resends, m.device == device)
    not_yet = [_word(s) for s in Status if advance(s, Status.SENDING) is Status.SENDING]
    silent = select(m.id).where(m.taken.is_not(None), m.expires <= _p("before", m.expires)).limit(bindparam("limit"))
    return {
        "settle_sending": update(schema.messages)
        .values(**had, device_message_id=func.coalesce(its_id, m.device_message_id), sim=func.coalesce(_p("sim", m.sim), m.sim))
        .where(m.id == _p("id", m.id), m.attempts == _p("attempts", m.attempts), m.status == _word(Status.SENDING)),
        "acknowledge": update(schema.messages)
        .values(**had, device_message_id=its_id)
        .where(its_try, m.device_message_id.is_(None), m.status.in_(not_yet))
        .returning(m.id),
        "acknowledged": select(m.id).where(its_try),
        "taken_before": select(*[m[name] for name in ROW_COLUMNS])
        .where(
            m.device == device, m.taken < _p("before", m.taken), tuple_(m.taken, m.id) > tuple_(_p("after", m.taken), _p("after_id", m.id))
        )
        .order_by(m.taken, m.id)
        .limit(bindparam("limit")),
        "silence": update(schema.messages)
        .values(status=_word(Status.OUTCOME_UNKNOWN), taken=null())
        .where(m.id.in_(silent), m.taken.is_not(None))
        .returning(m.id),
    }


def _newest_reported() -> ScalarSelect[Any]:
    """A device's own ids may come round again; the newest message is meant."""
    device, its_id = _p("device", m.device), _p("device_message_id", m.device_message_id)
    return select(m.id).where(m.device == device, m.device_message_id == its_id).order_by(m.id.desc()).limit(1).scalar_subquery()


def _reporting() -> dict[str, Executable]:
    def moved(told: Status) -> Executable:
        when = "sent" if told is Status.SENT else "finished"
        return (
            update(schema.messages)
            .values(
                {
                    "status": _word(told),
                    when: _p("at", m.sent),
                    "error": func.coalesce(_p("error", m.error), m.error),
                    **_KNOWN,
                    **_NO_LEASE,
                }
            )
            .where(m.id == _newest_reported(), _may_become(told))
            .returning(m.id)
        )

    reports = {f"report_{told.value}": moved(told) for told in (Status.SENT, Status.DELIVERED, Status.FAILED)}
    return {**reports, "reported": select(_newest_reported())}


def _reading() -> dict[str, Executable]:
    mine = m.account_id == _p("account_id", m.account_id)
    rows = select(*[m[name] for name in ROW_COLUMNS]).where(mine, is_sent_asked())
    return {
        "sent": rows.where(m.id < _p("before_id", m.id)).order_by(m.id.desc()).limit(bindparam("limit")),
        "sent_one": rows.where(m.id == _p("id", m.id), m.id < _p("before_id", m.id), m.guid == _p("guid", m.guid)),
        "exists": select(m.id).where(m.id == _p("id", m.id)),
    }


def is_sent_asked() -> ColumnElement[bool]:
    refused, failed = cast(bindparam("refused"), Boolean), cast(bindparam("failed"), Boolean)
    is_failed = and_(m.status == _word(Status.FAILED), m.refusal.is_(None))
    return and_(or_(refused.is_(None), m.refusal.is_not(None) == refused), or_(failed.is_(None), is_failed == failed))


def _receiving(upsert: Any) -> dict[str, Executable]:
    known = schema.receptions.c
    return {
        "note_reception": upsert(schema.receptions)
        .values({c.name: _p(c.name, c) for c in known})
        .on_conflict_do_nothing(index_elements=[known.device, known.fingerprint])
        .returning(known.received_id),
        "insert_received": insert(schema.received).values({c.name: _p(c.name, c) for c in schema.received.c}),
    }


def _owning(upsert: Any) -> dict[str, Executable]:
    devices = schema.devices
    save = upsert(devices).values({c.name: _p(c.name, c) for c in devices.c})
    return {
        "save_device": save.on_conflict_do_update(
            index_elements=[devices.c.id], set_={c.name: save.excluded[c.name] for c in devices.c if c.name != "id"}
        ),
        "devices": select(devices).order_by(devices.c.id),
    }


def _asking(upsert: Any, dialect: str) -> dict[str, Executable]:
    """Whether the store can commit, and how it does."""
    beat = upsert(schema.pulse).values(id=1, beats=1)
    asked = {
        "sqlite": {name: f"PRAGMA {name}" for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")},
        "postgresql": {name: f"SHOW {name}" for name in ("synchronous_commit", "enable_seqscan")},
    }
    beats = schema.pulse.c.beats
    return {
        "beat": beat.on_conflict_do_update(index_elements=[schema.pulse.c.id], set_={"beats": beats + 1}),
        **{f"setting_{name}": text(words) for name, words in asked[dialect].items()},
    }
