"""Named submits on an SQL engine; a part of sql.py."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from adapters.storage import rows
from adapters.storage.rows import ms, storable
from service.mailbox_queries import Span
from service.messages import MtMessage, first_id, id_of
from service.submits import NamedSubmit, SubmitQuery

if TYPE_CHECKING:
    from adapters.storage.sql import Engine

_FEW = 10
_NEAR = 4
"""two processes may have given ids in one millisecond: then the submit before is not yet the right one"""


class SqlSubmits:
    """A service.submits.SubmitStore."""

    engine: Engine

    async def find_submit(self, account_id: int, name: str) -> NamedSubmit | None:
        found = await self.engine.read("ask", "find_submit", {"account_id": account_id, "name": storable(name)})
        return _submit(found[0]) if found else None

    async def submit_of(self, account_id: int, guid: str) -> NamedSubmit | None:
        """A submit's ids follow one another, so it is one of those that begin at the message or shortly before."""
        id = id_of(guid)
        found = await self.engine.read("ask", "submits_until", {"account_id": account_id, "id": id, "limit": _NEAR}) if id else []
        return next((each for each in map(_submit, found) if guid in each.guids), None)

    async def submits(self, query: SubmitQuery) -> list[NamedSubmit]:
        asked = {**_within(query.account_id, query.span), "limit": query.limit, "offset": query.offset}
        found = await self.engine.read("ask", "oldest_submits" if query.oldest_first else "newest_submits", asked)
        return [_submit(row) for row in found]

    async def count_submits(self, account_id: int, span: Span) -> int:
        return int((await self.engine.read("ask", "count_submits", _within(account_id, span)))[0][0])

    async def messages_of(self, account_id: int, guids: Sequence[str]) -> list[MtMessage]:
        asked = [{"account_id": account_id, "guid": guid, "id": id} for guid in guids if (id := id_of(guid)) is not None]
        if not asked:
            return []
        found = await self.engine.read("messages_of", "many_messages" if len(asked) > _FEW else "few_messages", asked)
        return [rows.message_of(row) for row in found]

    async def cancel(self, account_id: int, guid: str, now: datetime) -> bool:
        id = id_of(guid)
        change = {"account_id": account_id, "guid": guid, "id": id, "now": ms(now)}
        return id is not None and bool(await self.engine.write("ask", "cancel", change))


def named_row(account_id: int, name: str, messages: Sequence[MtMessage]) -> dict[str, Any]:
    return {"account_id": account_id, "name": name, "first_id": messages[0].id, "guids": json.dumps([m.guid for m in messages])}


def _within(account_id: int, span: Span) -> dict[str, int]:
    return {"account_id": account_id, "from_id": first_id(span.since), "until_id": first_id(span.until)}


def _submit(row: Sequence[Any]) -> NamedSubmit:
    account_id, name, first, guids = row
    return NamedSubmit(account_id=account_id, name=name, first_id=first, guids=tuple(json.loads(guids)))
