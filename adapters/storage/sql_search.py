"""Searching in the Store on an SQL engine, and the filling of its index. A part of sql.py."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from adapters.storage import schema, search_terms
from adapters.storage.rows import storable
from adapters.storage.statements import ROW_COLUMNS
from service.messages import first_id
from service.search import Wanted

if TYPE_CHECKING:
    from adapters.storage.sql import Engine

_RECEIVED = tuple(schema.received.c.keys())
_COLUMNS = {
    "sent": (ROW_COLUMNS.index("recipient"), ROW_COLUMNS.index("text")),
    "received": (_RECEIVED.index("sender"), _RECEIVED.index("text")),
}
_CHARACTERS_AT_ONCE = 50_000
"""so that a few long texts do not keep everybody waiting either"""


class SqlSearch:
    """A service.ports.SearchStore, and what the lists with a keyword come from."""

    engine: Engine

    async def index(self, before: datetime, limit: int) -> int:
        return sum([await self._index(kind, first_id(before), limit) for kind in _COLUMNS])

    async def _index(self, kind: str, before_id: int, limit: int) -> int:
        mark = await self.engine.read("ask", "search_mark", {"kind": kind})
        block, upto_id, filed = mark[0] if mark else (1, 0, 0)
        span = {"after_id": upto_id, "before_id": before_id, "limit": limit}
        rows = _portion(await self.engine.read("ask", f"unindexed_{kind}", span))
        if not rows:
            return 0
        if filed >= search_terms.BLOCK_ROWS:
            block, filed = block + 1, 0
        words = await asyncio.to_thread(_words, block, rows)
        moved = {"kind": kind, "block": block, "upto_id": rows[-1][0], "rows": filed + len(rows), "from_id": upto_id}
        return len(rows) if await self.engine.write("index", moved, words) else 0

    async def _search(self, kind: str, keyword: str, asked: dict[str, Any]) -> list[Any]:
        keyword = storable(keyword)
        wanted = Wanted.of(keyword)
        if wanted.is_nothing:
            return []
        query = search_terms.query(wanted, asked["account_id"], self.engine.grammar)
        return list(await self.engine.read("search", kind, asked, keyword, query, _COLUMNS[kind]))


def _portion(rows: Sequence[Any]) -> Sequence[Any]:
    """The first ones, at least one."""
    characters = 0
    for count, (*_, text) in enumerate(rows):
        characters += len(text)
        if characters > _CHARACTERS_AT_ONCE:
            return rows[: count or 1]
    return rows


def _words(block: int, rows: Sequence[Any]) -> tuple[dict[str, Any], ...]:
    return tuple({"id": id, "words": search_terms.terms(block, account_id, number, text)} for id, account_id, number, text in rows)
