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


OPERATIONS: Mapping[str, Callable[..., Transaction]] = {"find_key": find_key, "create_token": create_token}
