"""What the store does about keys and access tokens in more than one statement; a part of transactions.py, and as free of I/O."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

Row = tuple[Any, ...]
Transaction = Generator[Any, Any, Any]


def find_key(digest: bytes) -> Generator[Any, Any, tuple[str, Row] | None]:
    """By what it was found, and the row. Nearly every secret is an API key, so that is asked first."""
    for statement in ("find_key", "find_token", "find_rotated_key"):
        [found] = yield statement, [{"digest": digest}]
        if found:
            return statement, found[0]
    return None


def create_token(token: dict[str, Any]) -> Transaction:
    yield "forget_tokens", [{"now": token["created"]}]
    yield "create_token", [token]


def give(grants: list[dict[str, Any]]) -> Transaction:
    yield "forget_grants", [{"now": grants[0]["created"]}]
    yield "give", grants


def find_grant(digest: bytes, key_id: int) -> Generator[Any, Any, tuple[Row, Row | None] | None]:
    """The grant with its account, and its key; `key_id` is that column's place in the row. None also for one whose key is revoked."""
    [found] = yield "find_grant", [{"digest": digest}]
    if not found:
        return None
    if not found[0][key_id]:
        return found[0], None
    [keys] = yield "key_of_grant", [{"id": found[0][key_id]}]
    return (found[0], keys[0]) if keys else None


OPERATIONS: Mapping[str, Callable[..., Transaction]] = {
    "find_key": find_key,
    "create_token": create_token,
    "give": give,
    "find_grant": find_grant,
}
