"""Short links and sealed texts on an SQL engine: the part of sql.py that is about them."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import astuple
from datetime import datetime
from typing import Any, Protocol

from adapters.storage.rows import ms, when
from service.links import ShortLink
from service.sealed import SealedText


class Engine(Protocol):
    def write(self, operation: str, *arguments: Any) -> Awaitable[Any]: ...
    def read(self, operation: str, *arguments: Any) -> Awaitable[Any]: ...


class SqlLinks:
    """A service.links.LinkStore."""

    engine: Engine

    async def find_link(self, code: str) -> ShortLink | None:
        fields = await self._find("find_link", code, ShortLink.__slots__)
        return None if fields is None else ShortLink(**fields)

    async def find_sealed(self, code: str) -> SealedText | None:
        fields = await self._find("find_sealed", code, SealedText.__slots__)
        return None if fields is None else SealedText(**{**fields, "box": bytes(fields["box"])})

    async def _find(self, statement: str, code: str, names: tuple[str, ...]) -> dict[str, Any] | None:
        found = await self.engine.read("ask", statement, {"code": code})
        if not found:
            return None
        fields = dict(zip(names, found[0], strict=True))
        return {**fields, "created": when(fields["created"]), "expires": when(fields["expires"])}

    async def count_clicks(self, clicks: Mapping[str, int]) -> None:
        # in one order, so that two servers do not wait for each other
        await self.engine.write("count_clicks", tuple(sorted(clicks.items())))

    async def forget_links(self, now: datetime, limit: int) -> bool:
        return bool(await self.engine.write("forget_links", ms(now), limit))


def row_of(one: ShortLink | SealedText) -> dict[str, Any]:
    fields = dict(zip(one.__slots__, astuple(one), strict=True))
    return {**fields, "created": ms(one.created), "expires": ms(one.expires)}
