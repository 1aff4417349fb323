"""What the store does about named submits in more than one statement; a part of transactions.py, and as free of I/O."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from service.errors import Conflict

Transaction = Generator[Any, Any, Any]


def operations(accept: Callable[..., Transaction], again: type[Exception]) -> Mapping[str, Callable[..., Transaction]]:
    """`accept` keeps the messages; `again` has it all run anew."""

    def accept_named(*given: Any) -> Transaction:
        *asked, named = given
        [known] = yield "find_submit", [named]
        if known:
            raise Conflict("another message has this id")
        first, used = yield from accept(*asked)
        if first is None:
            [kept] = yield "name_submit", [named]
            if not kept:
                raise again
        return first, used

    return {"accept_named": accept_named, "messages_of": messages_of}


def messages_of(how_many: str, asked: Sequence[dict[str, Any]]) -> Transaction:
    """`how_many` is for the engine: "many_messages" are read without keeping others waiting."""
    found = yield "message", asked
    return [rows[0] for rows in found if rows]
