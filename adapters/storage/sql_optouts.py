"""The OptOutStore on an SQL engine; see sql.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from adapters.storage import rows
from adapters.storage.rows import ms, when
from service.messages import Ids
from service.optouts import REPLY_EVERY, OptOut, OptOutChange, Reaction, Source, Word

if TYPE_CHECKING:
    from adapters.storage.sql import Engine

LAST_ID = (1 << 63) - 1
Reacted = tuple[dict[str, Any] | None, tuple[Any, ...] | None, dict[str, Any]]


class SqlOptOuts:
    """A service.optouts.OptOutStore."""

    engine: Engine

    async def change_optouts(self, changes: Sequence[OptOutChange]) -> int:
        return int(await self.engine.write("change_optouts", tuple(map(_row_of, changes))))

    async def opted_out(self, account_id: int, numbers: Sequence[str], code: str | None) -> list[str]:
        return list(await self.engine.read("opted_out", account_id, tuple(numbers), code))

    async def optouts(self, account_id: int, *, number: str | None = None, after: tuple[str, str] = ("", ""), limit: int) -> list[OptOut]:
        asked = {"account_id": account_id, "number": number, "after": after[0], "after_code": after[1], "limit": limit}
        return [_optout_of(row) for row in await self.engine.read("ask", "optouts" if number is None else "optouts_of", asked)]

    async def optout_history(
        self, account_id: int, *, number: str | None = None, before_id: int | None = None, limit: int
    ) -> list[OptOutChange]:
        before = LAST_ID if before_id is None else before_id
        asked = {"account_id": account_id, "number": number, "before_id": before, "limit": limit}
        return [
            _change_of(row) for row in await self.engine.read("ask", "optout_history" if number is None else "optout_history_of", asked)
        ]

    async def set_reply(self, account_id: int, word: Word, text: str) -> None:
        await self.engine.write("tell", "set_reply", {"account_id": account_id, "word": word.value, "text": text})

    async def replies(self, account_id: int) -> dict[Word, str]:
        found = await self.engine.read("ask", "replies", {"account_id": account_id})
        return {Word(word): text for word, text in found if text}


def reacted(reaction: Reaction | None, ids: Ids, now: datetime) -> Reacted | None:
    """As transactions_optouts.react takes it, the answer under an id of its own."""
    if reaction is None:
        return None
    reply = None
    if reaction.reply is not None:
        id, guid = ids.new(now)
        reply = rows.row_of(replace(reaction.reply, id=id, guid=guid))
    replied = {"account_id": reaction.account_id, "number": reaction.number, "word": reaction.word.value}
    return _row_of(reaction.change) if reaction.change else None, reply, {**replied, "at": ms(now), "before": ms(now - REPLY_EVERY)}


def _row_of(change: OptOutChange) -> dict[str, Any]:
    fields = {name: getattr(change, name) for name in OptOutChange.__slots__ if name != "id"}
    return {**fields, "source": change.source.value, "at": ms(change.at)}


def _optout_of(row: Sequence[Any]) -> OptOut:
    account_id, number, code, source, by, at = row
    return OptOut(account_id=account_id, number=number, code=code, source=Source(source), by=by, at=when(at))


def _change_of(row: Sequence[Any]) -> OptOutChange:
    id, account_id, number, code, is_out, source, by, at = row
    known = {"id": id, "account_id": account_id, "number": number, "code": code, "by": by}
    return OptOutChange(**known, is_out=bool(is_out), source=Source(source), at=when(at))
