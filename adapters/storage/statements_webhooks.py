"""The statements of webhooks; see statements.py. What writes most rows of webhook_deliveries are the triggers of the revisions."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Executable,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    update,
)

from adapters.storage import schema
from service.events import DeliveryState, WebhookState

w, s, d = schema.webhooks.c, schema.webhook_subscriptions.c, schema.webhook_deliveries.c
WEBHOOK_COLUMNS = tuple("".join(c.name) for c in w)
DELIVERY_COLUMNS = tuple("".join(c.name) for c in d if c.name != "leased_by")
_EVENT_COLUMNS = ("account_id", "type", "subject", "number", "text", "device", "sim", "error", "occurred", "created")


def _p(name: str, like: ColumnElement[Any]) -> ColumnElement[Any]:
    return bindparam(name, type_=like.type)


def _word(state: DeliveryState | WebhookState) -> ColumnElement[str]:
    return literal_column(f"'{state.value}'", Text)


def statements() -> dict[str, Executable]:
    return {**_keeping(), **_noting(), **_claiming(), **_settling(), **_tidying()}


def _keeping() -> dict[str, Executable]:
    one = w.id == _p("id", w.id)
    given = [c for c in w if c.name != "id"]
    return {
        "add_webhook": insert(schema.webhooks).values({c.name: _p(c.name, c) for c in given}).returning(w.id),
        "subscribe": insert(schema.webhook_subscriptions).values({c.name: _p(c.name, c) for c in s}),
        "webhooks": select(*w).where(w.account_id == _p("account_id", w.account_id)).order_by(w.id),
        "all_webhooks": select(*w).order_by(w.id),
        "unsubscribe": delete(schema.webhook_subscriptions).where(
            s.account_id == select(w.account_id).where(one).scalar_subquery(), s.webhook_id == _p("id", w.id)
        ),
        "remove_webhook": delete(schema.webhooks).where(one),
        "remove_deliveries": delete(schema.webhook_deliveries).where(d.webhook_id == _p("id", w.id)),
        "set_secrets": update(schema.webhooks)
        .values(secret=_p("secret", w.secret), next_secret=_p("next_secret", w.next_secret), rotates=_p("rotates", w.rotates))
        .where(one),
        "activate": update(schema.webhooks)
        .values(state=_word(WebhookState.ACTIVE), failures=0, failing_since=null(), paused=null(), probe=null(), why=null())
        .where(one, or_(w.failures > 0, w.state != _word(WebhookState.ACTIVE))),
        "all_due": update(schema.webhook_deliveries)
        .values(due=0)
        .where(d.webhook_id == _p("id", w.id), d.due.is_not(None), d.leased_by.is_(None)),
    }


def _noting() -> dict[str, Executable]:
    values = [_p(name, d[name]).label(name) for name in _EVENT_COLUMNS]
    wanting = select(s.webhook_id, *values).where(s.account_id == _p("account_id", d.account_id), s.type == _p("type", d.type))
    return {
        "note_event": insert(schema.webhook_deliveries).from_select(["webhook_id", *_EVENT_COLUMNS], wanting),
        "note_event_for": insert(schema.webhook_deliveries).values({name: _p(name, d[name]) for name in ("webhook_id", *_EVENT_COLUMNS)}),
    }


def _claiming() -> dict[str, Executable]:
    now = bindparam("now", type_=BigInteger)
    earlier = schema.webhook_deliveries.alias("earlier").c
    blocked_until = (
        select(func.max(earlier.due))
        .where(earlier.webhook_id == d.webhook_id, earlier.subject == d.subject, earlier.id < d.id, earlier.due.is_not(None))
        .scalar_subquery()
    )
    first = select(d.due).where(d.webhook_id == w.id, d.due.is_not(None)).order_by(d.due).limit(1).scalar_subquery()
    one = d.id == _p("id", d.id)
    zone = func.coalesce(schema.devices.c.time_zone, schema.accounts.c.time_zone)
    return {
        "webhooks_due": select(*w).where(first <= now).order_by(w.id),
        "take_probe": update(schema.webhooks)
        .values(probe=_p("next_probe", w.probe))
        .where(w.id == _p("id", w.id), w.state == _word(WebhookState.PAUSED), w.probe <= now)
        .returning(w.id),
        "delivery_due": select(d.id, d.due, blocked_until)
        .where(d.webhook_id == _p("webhook_id", d.webhook_id), d.due <= now)
        .order_by(d.due, d.id)
        .limit(bindparam("limit", type_=Integer)),
        "take_delivery": update(schema.webhook_deliveries)
        .values(due=_p("leased_until", d.due), leased_by=_p("leased_by", d.leased_by), attempts=d.attempts + 1)
        .where(one, d.due == _p("due", d.due))
        .returning(*[d[name] for name in DELIVERY_COLUMNS]),
        "block_delivery": update(schema.webhook_deliveries)
        .values(due=_p("until", d.due), leased_by=null())
        .where(one, d.due == _p("due", d.due)),
        "zone": select(zone)
        .select_from(schema.accounts.outerjoin(schema.devices, schema.devices.c.id == _p("device", schema.devices.c.id)))
        .where(schema.accounts.c.id == _p("account_id", schema.accounts.c.id)),
    }


def _settling() -> dict[str, Executable]:
    one, now = d.id == _p("id", d.id), bindparam("now", type_=BigInteger)
    mine = and_(one, d.state == _word(DeliveryState.WAITING), d.attempts == _p("attempts", d.attempts))
    told: dict[str, Any] = {"status": _p("status", d.status), "answer": _p("answer", d.answer), "leased_by": null()}
    failing_since = func.coalesce(w.failing_since, now)
    most, before = bindparam("most", type_=Integer), bindparam("before", type_=BigInteger)
    is_over = and_(w.failures + 1 >= most, failing_since <= before)
    pauses = and_(is_over, w.state == _word(WebhookState.ACTIVE))

    def finish(state: DeliveryState) -> dict[str, Any]:
        return {**told, "state": _word(state), "due": null(), "finished": now}

    return {
        # delivered is delivered, whoever has claimed it since
        "delivery_done": update(schema.webhook_deliveries).values(finish(DeliveryState.DONE)).where(one).returning(d.id),
        "delivery_dead": update(schema.webhook_deliveries).values(finish(DeliveryState.DEAD)).where(mine).returning(d.id),
        "delivery_waiting": update(schema.webhook_deliveries).values({**told, "due": _p("due", d.due)}).where(mine).returning(d.id),
        "unblock": update(schema.webhook_deliveries)
        .values(due=literal_column("0"))  # not a parameter: what it is asked with has a `due` of its own
        .where(
            d.webhook_id == _p("webhook_id", d.webhook_id),
            d.subject == _p("subject", d.subject),
            d.id > _p("id", d.id),
            d.due.is_not(None),
            d.leased_by.is_(None),
        ),
        "webhook_failed": update(schema.webhooks)
        .values(
            failures=w.failures + 1,
            failing_since=failing_since,
            state=case((is_over, _word(WebhookState.PAUSED)), else_=w.state),
            paused=case((pauses, now), else_=w.paused),
            probe=case((pauses, _p("probe", w.probe)), else_=w.probe),
            why=case((is_over, _p("why", w.why)), else_=w.why),
        )
        .where(w.id == _p("webhook_id", w.id)),
    }


def _tidying() -> dict[str, Executable]:
    limit, webhook = bindparam("limit", type_=Integer), d.webhook_id == _p("webhook_id", d.webhook_id)
    listed = select(*[d[name] for name in DELIVERY_COLUMNS]).where(webhook).order_by(d.id.desc()).limit(limit)
    state = bindparam("state", type_=Text)
    again: dict[str, Any] = {"state": _word(DeliveryState.WAITING), "due": 0, "attempts": 0, "finished": null(), "leased_by": null()}
    replay = update(schema.webhook_deliveries).values(again).where(webhook).returning(d.id)
    old = bindparam("before", type_=BigInteger)
    given_up = {"state": _word(DeliveryState.DEAD), "due": null(), "finished": bindparam("now", type_=BigInteger), "leased_by": null()}

    def waits_in_vain(columns: Any) -> Select[Any]:
        paused = select(w.id).where(w.paused <= old)
        return select(columns).where(d.webhook_id.in_(paused), d.due.is_not(None)).limit(limit)

    return {
        "deliveries": listed,
        "deliveries_in": listed.where(d.state == state),
        "replay_one": replay.where(d.id == _p("id", d.id), d.finished.is_not(None)),
        "replay_dead": replay.where(d.state == _word(DeliveryState.DEAD)),
        "give_up_deliveries": update(schema.webhook_deliveries).values(given_up).where(d.id.in_(waits_in_vain(d.id))).returning(d.id),
        "erase_deliveries": delete(schema.webhook_deliveries)
        .where(d.id.in_(select(d.id).where(d.state == state, d.finished <= old).limit(limit)))
        .returning(d.id),
    }
