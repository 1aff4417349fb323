"""The statements about invitations, the secrets of devices, and passwords; a part of statements.py."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Executable, bindparam, delete, insert, literal_column, select

from adapters.storage import schema
from adapters.storage.statements_keys import ACCOUNT_COLUMNS
from service.grants import BY_PASSWORD

_accounts, _invitations = schema.accounts.c, schema.enrolments.c
_secrets, _passwords = schema.device_secrets.c, schema.passwords.c


def statements(upsert: Any) -> dict[str, Executable]:
    return {**_inviting(), **_joining(upsert), **_about_passwords(upsert), **_preferring(upsert)}


def _p(name: str, like: ColumnElement[Any]) -> ColumnElement[Any]:
    return bindparam(name, type_=like.type)


def _is(kind: str) -> ColumnElement[bool]:
    return _invitations.kind == literal_column(f"'{kind}'", _invitations.kind.type)


def _inviting() -> dict[str, Executable]:
    this = _invitations.digest == _p("digest", _invitations.digest)
    account = [_accounts[name] for name in ACCOUNT_COLUMNS]
    tokens = select(schema.enrolments).where(_is("token")).order_by(_invitations.created, _invitations.digest)
    return {
        "invite": insert(schema.enrolments).values({c.name: _p(c.name, c) for c in _invitations}),
        "forget_invitations": delete(schema.enrolments).where(_invitations.expires <= _p("now", _invitations.expires)),
        "find_private_token": select(*account)
        .select_from(schema.enrolments.join(schema.accounts, _accounts.id == _invitations.account_id))
        .where(this, _is("token")),
        "take_code": delete(schema.enrolments)
        .where(this, _is("code"), _invitations.expires > _p("now", _invitations.expires))
        .returning(_invitations.account_id),
        "private_tokens": tokens.where(_invitations.account_id == _p("account_id", _invitations.account_id)),
        "all_private_tokens": tokens,
        "revoke_private_token": delete(schema.enrolments).where(this, _is("token")).returning(_invitations.account_id),
    }


def _joining(upsert: Any) -> dict[str, Executable]:
    device, sealed = schema.devices.c, _p("sealed", _secrets.sealed)
    # a device that exists; its row is where its account is known
    kept = upsert(schema.device_secrets).from_select(
        ["device_id", "account_id", "sealed"], select(device.id, device.account_id, sealed).where(device.id == _p("device_id", device.id))
    )
    return {
        "add_device_secrets": insert(schema.device_secrets).values({c.name: _p(c.name, c) for c in _secrets}),
        "find_device": select(schema.devices)
        .join(schema.device_secrets, _secrets.device_id == device.id)
        .where(_secrets.token_digest == _p("token_digest", _secrets.token_digest)),
        "device_secrets": select(_secrets.sealed).where(_secrets.device_id == _p("device_id", _secrets.device_id)),
        "keep_device_secrets": kept.on_conflict_do_update(
            index_elements=[_secrets.device_id], set_={"sealed": kept.excluded.sealed}
        ).returning(_secrets.device_id),
        "delete_device_secrets": delete(schema.device_secrets).where(_secrets.device_id == _p("device", _secrets.device_id)),
    }


def _about_passwords(upsert: Any) -> dict[str, Executable]:
    add = upsert(schema.passwords).values({c.name: _p(c.name, c) for c in _passwords})
    return {
        "first_password": add.on_conflict_do_nothing(index_elements=[_passwords.account_id]).returning(_passwords.account_id),
        "set_password": add.on_conflict_do_update(index_elements=[_passwords.account_id], set_={"hash": add.excluded.hash}),
        "end_grants_by_password": delete(schema.grants).where(
            schema.grants.c.account_id == _p("account_id", schema.grants.c.account_id), schema.grants.c.key_id == BY_PASSWORD
        ),
        "password_of": select(_passwords.hash).where(_passwords.account_id == _p("account_id", _passwords.account_id)),
    }


def _preferring(upsert: Any) -> dict[str, Executable]:
    kept = schema.preferences.c
    add = upsert(schema.preferences).values({c.name: _p(c.name, c) for c in kept})
    changed = {c.name: add.excluded[c.name] for c in kept if not c.primary_key}
    return {
        "preferences": select(kept.phones, kept.signing_key).where(kept.account_id == _p("account_id", kept.account_id)),
        "set_preferences": add.on_conflict_do_update(index_elements=[kept.account_id], set_=changed),
    }
