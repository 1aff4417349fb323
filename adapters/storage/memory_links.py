"""Short links and sealed texts in memory: the part of memory.py that is about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from service.links import ShortLink
from service.sealed import SealedText


@dataclass
class MemoryLinks:
    """A service.links.LinkStore."""

    _links: dict[str, ShortLink] = field(default_factory=dict)
    _sealed: dict[str, SealedText] = field(default_factory=dict)

    def _link(self, links: Iterable[ShortLink], sealed: SealedText | None) -> None:
        self._links.update((link.code, link) for link in links)
        if sealed is not None:
            self._sealed[sealed.code] = sealed

    async def find_link(self, code: str) -> ShortLink | None:
        return self._links.get(code)

    async def find_sealed(self, code: str) -> SealedText | None:
        return self._sealed.get(code)

    async def count_clicks(self, clicks: Mapping[str, int]) -> None:
        for code, count in clicks.items():
            if link := self._links.get(code):
                self._links[code] = replace(link, clicks=link.clicks + count)

    async def forget_links(self, now: datetime, limit: int) -> bool:
        ended = [c for c, link in self._links.items() if link.expires <= now][:limit]
        unsealed = [c for c, text in self._sealed.items() if text.expires <= now][:limit]
        for code in ended:
            del self._links[code]
        for code in unsealed:
            del self._sealed[code]
        return limit in (len(ended), len(unsealed))
