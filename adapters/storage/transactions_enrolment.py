"""What the store does about invitations and joining in more than one statement; a part of transactions.py, and as free of I/O."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

Transaction = Generator[Any, Any, Any]


def invite(invitation: dict[str, Any]) -> Transaction:
    yield "forget_invitations", [{"now": invitation["created"]}]
    yield "invite", [invitation]


def take_code(digest: bytes, now: int) -> Transaction:
    """The account's row, for the one who takes it first."""
    [taken] = yield "take_code", [{"digest": digest, "now": now}]
    if not taken:
        return None
    [[account]] = yield "account", [{"id": taken[0][0]}]
    return account


def enrol(device: dict[str, Any], token_digest: bytes, sealed: bytes, password: str | None) -> Transaction:
    """Whether the password is the account's first."""
    yield "save_device", [device]
    secrets = {"device_id": device["id"], "account_id": device["account_id"], "token_digest": token_digest, "sealed": sealed}
    yield "add_device_secrets", [secrets]
    if password is None:
        return False
    [first] = yield "first_password", [{"account_id": device["account_id"], "hash": password}]
    return bool(first)


def change_password(change: dict[str, Any]) -> Transaction:
    yield "set_password", [change]
    yield "end_grants_by_password", [{"account_id": change["account_id"]}]


OPERATIONS: Mapping[str, Callable[..., Transaction]] = {
    "invite": invite,
    "take_code": take_code,
    "enrol": enrol,
    "change_password": change_password,
}
