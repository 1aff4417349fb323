"""The statements of contacts, groups, subscriptions, stored texts and campaigns; a part of statements.py."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    Integer,
    Table,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    text,
    true,
    update,
)

from adapters.storage import schema
from adapters.storage.postgres_lock import OPTOUT_LOCK
from adapters.storage.statements import _p, _waits, _word, m
from service.lifecycle import Status

_c, _s, _g, _t = schema.contacts.c, schema.subscriptions.c, schema.contact_groups.c, schema.stored_texts.c
_k, _cm = schema.campaigns.c, schema.campaign_messages.c
GIVEN = ("id", "planned", "queued", "opted_out", "cursor")
"""of a campaign, by the store"""


def statements(upsert: Any, dialect: str) -> dict[str, Executable]:
    return {**_codes(upsert), **_audience(upsert), **_subscribing(upsert), **_campaigns(dialect), **_campaign_messages()}


def _mine(table: Table) -> ColumnElement[bool]:
    return table.c.account_id == _p("account_id", table.c.account_id)


def _values(table: Table) -> dict[str, Any]:
    return {c.name: _p(c.name, c) for c in table.c if c.name != "id"}


def _audience(upsert: Any) -> dict[str, Executable]:
    contact, group, stored = (
        upsert(table).values(_values(table)) for table in (schema.contacts, schema.contact_groups, schema.stored_texts)
    )
    contacts = select(schema.contacts).where(_mine(schema.contacts))
    return {
        "save_contact": contact.on_conflict_do_update(
            index_elements=[_c.account_id, _c.number], set_={name: contact.excluded[name] for name in ("name", "fields")}
        ).returning(_c.id),
        "contacts": contacts.where(_c.number > _p("after", _c.number)).order_by(_c.number).limit(bindparam("limit")),
        "find_contact": contacts.where(_c.number == _p("number", _c.number)),
        "save_group": group.on_conflict_do_update(index_elements=[_g.account_id, _g.name], set_={"name": group.excluded.name}).returning(
            _g.id
        ),
        "groups": select(schema.contact_groups).where(_mine(schema.contact_groups)).order_by(_g.id),
        "save_text": stored.on_conflict_do_nothing(index_elements=[_t.account_id, _t.name]).returning(_t.id),
        "texts": select(schema.stored_texts).where(_mine(schema.stored_texts)).order_by(_t.id),
    }


def _subscribing(upsert: Any) -> dict[str, Executable]:
    subscriptions = schema.subscriptions
    code, contact = _s.code_id == _p("code_id", _s.code_id), _s.contact_id == _p("contact_id", _s.contact_id)
    return {
        "add_subscription": upsert(subscriptions)
        .values(_values(subscriptions))
        .on_conflict_do_nothing(index_elements=[_s.code_id, _s.contact_id, _s.group_id])
        .returning(*subscriptions.c),
        "remove_subscriptions": delete(subscriptions).where(_mine(subscriptions), code, contact).returning(_s.id),
        "end_subscriptions": delete(subscriptions).where(code),
        "subscriptions_of": select(subscriptions).where(_mine(subscriptions), contact).order_by(_s.id),
        "count_subscribers": select(func.count(_s.contact_id.distinct())).where(code, _in_group()),
        "campaign_page": select(_s.contact_id, _c.number)
        .distinct()
        .join_from(subscriptions, schema.contacts, _c.id == _s.contact_id)
        .where(code, _in_group(), _s.contact_id > _p("cursor", _s.contact_id))
        .order_by(_s.contact_id)
        .limit(bindparam("limit")),
    }


def _in_group() -> ColumnElement[bool]:
    group = _p("group_id", _s.group_id)
    return or_(group == literal_column("0", Integer), _s.group_id == group)


def _campaigns(dialect: str) -> dict[str, Executable]:
    campaigns, running = schema.campaigns, _k.state == literal_column("'running'")
    one = _k.id == _p("id", _k.id)
    rows = select(campaigns)
    added = {c.name: _p(c.name, c) for c in campaigns.c if c.name not in GIVEN or c.name == "planned"}
    more = {name: _k[name] + bindparam(name, type_=_k[name].type) for name in ("queued", "opted_out")}
    return {
        "lock_optouts_shared": text("SELECT 1" if dialect == "sqlite" else f"SELECT pg_advisory_xact_lock_shared({OPTOUT_LOCK})"),
        "add_campaign": insert(campaigns).values(added).returning(_k.id),
        "campaigns": rows.where(_mine(campaigns)).order_by(_k.id.desc()),
        "campaigns_of_all": rows.order_by(_k.id.desc()),
        "campaigns_running": rows.where(running).order_by(_k.id.desc()),
        "campaign": rows.where(_mine(campaigns), one),
        "advance_campaign": update(campaigns)
        .values(cursor=_p("cursor", _k.cursor), changed=_p("now", _k.changed), state=_p("state", _k.state))
        .where(one, running, _k.cursor == _p("before", _k.cursor))
        .returning(_k.id),
        "count_campaign": update(campaigns).values(more).where(one),
        "cancel_campaign": update(campaigns)
        .values(state="cancelled", changed=_p("now", _k.changed))
        .where(_mine(campaigns), one, _k.state != literal_column("'cancelled'"))
        .returning(_k.id),
    }


def _campaign_messages() -> dict[str, Executable]:
    its = _cm.campaign_id == _p("campaign_id", _cm.campaign_id)
    return {
        "note_campaign_message": insert(schema.campaign_messages).values({c.name: _p(c.name, c) for c in _cm}),
        "campaign_messages": select(_cm.message_id)
        .where(its, _cm.message_id > _p("after", _cm.message_id))
        .order_by(_cm.message_id)
        .limit(bindparam("limit")),
        "campaign_counts": select(m.status, func.count())
        .join_from(schema.campaign_messages, schema.messages, m.id == _cm.message_id)
        .where(its)
        .group_by(m.status),
        "cancel_message": update(schema.messages)
        .values(status=_word(Status.CANCELLED), due=null(), finished=_p("at", m.finished))
        .where(m.id == _p("id", m.id), m.in_doubt.is_not(true()), _waits(Status.CANCELLED)),
    }


def _codes(upsert: Any) -> dict[str, Executable]:
    codes = schema.sender_codes
    c, save = codes.c, upsert(codes).values({c.name: _p(c.name, c) for c in codes.c if c.name != "id"})
    return {
        "sender_codes": select(codes).where(c.account_id == _p("account_id", c.account_id)).order_by(c.id),
        "save_sender_code": save.on_conflict_do_update(
            index_elements=[c.account_id, c.code], set_={"label": save.excluded.label, "sims": save.excluded.sims}
        ).returning(c.id),
        "remove_sender_code": delete(codes)
        .where(c.account_id == _p("account_id", c.account_id), c.code == _p("code", c.code))
        .returning(c.id),
    }
