"""The statements about accounts, keys and access tokens; a part of statements.py."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Executable, Select, bindparam, delete, insert, null, or_, select, update

from adapters.storage import schema

_accounts, _keys, _tokens = schema.accounts.c, schema.api_keys.c, schema.tokens.c

ACCOUNT_COLUMNS = tuple("".join(c.name) for c in _accounts if c.name != "trial_sent")
KEY_COLUMNS = tuple("".join(c.name) for c in _keys)
GRANT_COLUMNS = tuple("".join(c.name) for c in schema.grants.c)


def statements(upsert: Any) -> dict[str, Executable]:
    return {**_about_accounts(upsert), **_finding(), **_changing(), **_about_tokens(), **_about_grants()}


def _p(name: str, like: ColumnElement[Any]) -> ColumnElement[Any]:
    return bindparam(name, type_=like.type)


def _picked(columns: Any, names: Iterable[str]) -> list[ColumnElement[Any]]:
    return [columns[name] for name in names]


def _about_accounts(upsert: Any) -> dict[str, Executable]:
    given = _picked(_accounts, (name for name in ACCOUNT_COLUMNS if name != "id"))
    changeable = _picked(_accounts, (name for name in ACCOUNT_COLUMNS if name not in ("id", "name")))
    rows = select(*_picked(_accounts, ACCOUNT_COLUMNS))
    return {
        "create_account": upsert(schema.accounts)
        .values({c.name: _p(c.name, c) for c in given})
        .on_conflict_do_nothing(index_elements=[_accounts.name])
        .returning(_accounts.id),
        "find_account": rows.where(_accounts.name == _p("name", _accounts.name)),
        "accounts": rows.order_by(_accounts.name),
        "change_account": update(schema.accounts)
        .values({c.name: _p(c.name, c) for c in changeable})
        .where(_accounts.id == _p("id", _accounts.id))
        .returning(_accounts.id),
    }


def _with_account(*more: ColumnElement[Any]) -> Select[Any]:
    columns = [*_picked(_keys, KEY_COLUMNS), *_picked(_accounts, ACCOUNT_COLUMNS), *more]
    return select(*columns).select_from(schema.api_keys.join(schema.accounts, _accounts.id == _keys.account_id))


def _finding() -> dict[str, Executable]:
    digest = _p("digest", _keys.digest)
    works = [_keys.revoked.is_(None), _keys.client_id.is_(None)]
    tokens = _with_account(_tokens.scopes, _tokens.expires).join(schema.tokens, _tokens.key_id == _keys.id)
    mine = _p("account_id", _keys.account_id)
    return {
        "find_key": _with_account().where(_keys.digest == digest, *works),
        "find_rotated_key": _with_account().where(_keys.former_digest == digest, *works),
        "find_token": tokens.where(_tokens.digest == digest, _keys.revoked.is_(None)),
        "find_client": _with_account().where(_keys.client_id == _p("client_id", _keys.client_id)),
        "keys": select(*_picked(_keys, KEY_COLUMNS)).where(_keys.account_id == mine).order_by(_keys.id),
        "all_keys": select(*_picked(_keys, KEY_COLUMNS)).order_by(_keys.id),
    }


def _changing() -> dict[str, Executable]:
    one = [_keys.id == _p("id", _keys.id), _keys.revoked.is_(None)]
    changeable = _picked(_keys, ("label", "scopes", "expires", "networks", "quotas"))
    used = _p("used", _keys.used)
    return {
        "create_key": insert(schema.api_keys)
        .values({name: _p(name, _keys[name]) for name in KEY_COLUMNS if name != "id"})
        .returning(_keys.id),
        "change_key": update(schema.api_keys).values({c.name: _p(c.name, c) for c in changeable}).where(*one).returning(_keys.id),
        "rotate_key": update(schema.api_keys)
        .values(digest=_p("new_digest", _keys.digest), former_digest=_keys.digest, former_ends=_p("former_ends", _keys.former_ends))
        .where(*one, _keys.digest == _p("digest", _keys.digest))
        .returning(_keys.id),
        "revoke_key": update(schema.api_keys)
        .values(revoked=_p("now", _keys.revoked), former_digest=null())
        .where(*one)
        .returning(_keys.id),
        "note_used": update(schema.api_keys)
        .values(used=used)
        .where(_keys.id == _p("id", _keys.id), or_(_keys.used.is_(None), _keys.used < used)),
    }


def _about_tokens() -> dict[str, Executable]:
    of_client = _tokens.key_id == _p("key_id", _tokens.key_id)
    return {
        "create_token": insert(schema.tokens).values({c.name: _p(c.name, c) for c in _tokens}),
        "drop_token": delete(schema.tokens).where(_tokens.digest == _p("digest", _tokens.digest), of_client).returning(_tokens.key_id),
        "forget_tokens": delete(schema.tokens).where(_tokens.expires <= _p("now", _tokens.expires)),
    }


def _about_grants() -> dict[str, Executable]:
    kept = schema.grants.c
    found = select(*kept, *_picked(_accounts, ACCOUNT_COLUMNS)).join_from(schema.grants, schema.accounts, _accounts.id == kept.account_id)
    return {
        "give": insert(schema.grants).values({c.name: _p(c.name, c) for c in kept}),
        "find_grant": found.where(kept.digest == _p("digest", kept.digest)),
        "key_of_grant": select(*_picked(_keys, KEY_COLUMNS)).where(_keys.id == _p("id", _keys.id), _keys.revoked.is_(None)),
        "end_grant": delete(schema.grants)
        .where(kept.account_id == _p("account_id", kept.account_id), kept.id == _p("id", kept.id))
        .returning(kept.digest),
        "forget_grants": delete(schema.grants).where(kept.expires <= _p("now", kept.expires)),
    }
