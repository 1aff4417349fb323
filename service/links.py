"""Links in messages: short ones in place of those in a text, and the one to a sealed message (see sealed.py).

A link is made only under the configured public URL, never from what a caller says, and only where that is https or this machine
itself. Its code is random and as long as it takes to be unguessable; the link leads to what was in the message, and to nothing else.

    "See https://example.org/offer?id=1."  ->  "See https://sms.example.org/s/4fK0aZp9QxT."
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import secrets
import string
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import urlsplit

from service import sealed, segments
from service.errors import InDoubt, Missing, Unavailable
from service.messages import SealedKey, Submit
from service.sealed import Cipher, SealedText

ALPHABET = string.digits + string.ascii_letters
CODE_LENGTH = 11
"""65 random bits"""
SHORT = "/s/"
SEALED = "/m/"

_URL = re.compile(r'(?<![A-Za-z0-9+.-])https?://[^\s\x00-\x1f\x7f<>"{}|\\^`“”„«»‹›]+', re.IGNORECASE)
_SHORT_CODE = re.compile(rf"(?i:https?)://\S+?{SHORT}([0-9A-Za-z]{{{CODE_LENGTH}}})(?![0-9A-Za-z])")
_NO_END = frozenset(".,;:!?'‘’…。、，；：！？*")
"""what ends a sentence, not a link"""
_BRACKETS = {")": "(", "]": "[", "）": "（", "】": "【", "」": "「", "』": "『", "》": "《"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ShortLink:
    code: str
    account_id: int
    url: str
    """as it stood in the message"""
    created: datetime
    expires: datetime
    clicks: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Linked:
    """What is sent in place of a text, and what has to be stored with it."""

    text: str
    links: tuple[ShortLink, ...] = ()
    sealed: SealedText | None = None
    key: SealedKey | None = None
    """for the caller alone"""


class LinkStore(Protocol):
    """What is accepted with a message's links and its sealed text comes back until it is forgotten."""

    async def find_link(self, code: str) -> ShortLink | None: ...
    async def find_sealed(self, code: str) -> SealedText | None: ...
    async def count_clicks(self, clicks: Mapping[str, int]) -> None:
        """Add to the links' clicks, by code; an unknown code counts nothing."""
        ...

    async def forget_links(self, now: datetime, limit: int) -> bool:
        """Erase short links and sealed texts that have expired, at most `limit` of each; whether there may be more."""
        ...


def new_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))


def may_be_linked(public_url: str | None) -> bool:
    """Whether a recipient's browser may be sent there: by https, or on this machine."""
    if not public_url:
        return False
    parts = urlsplit(public_url)
    return parts.scheme == "https" or _is_loopback(parts.hostname or "")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def find(text: str) -> list[tuple[int, int]]:
    """(start, end) of each http or https URL, without the punctuation of the sentence around it."""
    found = []
    for match in _URL.finditer(text):
        url = _trimmed(match[0])
        if _has_host(url):
            found.append((match.start(), match.start() + len(url)))
    return found


def _trimmed(url: str) -> str:
    """A closing bracket belongs to the link if it was opened within it."""
    opened = Counter(url)
    end = len(url)
    while end:
        last = url[end - 1]
        if last not in _NO_END and not (last in _BRACKETS and opened[last] > opened[_BRACKETS[last]]):
            break
        opened[last] -= 1
        end -= 1
    return url[:end]


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


@dataclass(kw_only=True)
class Links:
    """Makes links, finds what is behind one, counts clicks."""

    store: LinkStore
    cipher: Cipher
    clock: Callable[[], datetime]
    public_url: str | None = None
    """without a trailing slash"""
    short_lifetime: timedelta = timedelta(days=365)
    sealed_lifetime: timedelta = timedelta(days=30)
    _clicks: Counter[str] = field(default_factory=Counter, repr=False)
    _counting: asyncio.Task[None] | None = field(default=None, repr=False)

    def write(self, submit: Submit, account_id: int, now: datetime) -> Linked:
        """The submit's text as it is to be sent; lifetimes run from `due`. Raises Unavailable without a public URL, Missing, Invalid."""
        if not submit.seal and not submit.shorten:
            return Linked(text=submit.text)
        if not submit.text:
            raise Missing("text")
        due = max(submit.due or now, now)
        if submit.seal:
            # no short links within: they would keep a part of the text
            return self._sealed(submit.text, account_id, now, due)
        return self._shortened(submit.text, account_id, now, due)

    def _base(self) -> str:
        if self.public_url is None or not may_be_linked(self.public_url):
            raise Unavailable("links in messages need the setting public_url (DRAGOMAN_PUBLIC_URL), an https address or this machine's own")
        return self.public_url

    def _shortened(self, text: str, account_id: int, now: datetime, due: datetime) -> Linked:
        made: dict[str, ShortLink] = {}
        pieces, done = [], 0
        for start, end in find(text):
            url, base = text[start:end], self._base()
            if url.startswith((base + SHORT, base + SEALED)):
                continue
            if url not in made:
                expires = due + self.short_lifetime
                made[url] = ShortLink(code=new_code(), account_id=account_id, url=url, created=now, expires=expires)
            pieces += [text[done:start], base, SHORT, made[url].code]
            done = end
        return Linked(text="".join(pieces) + text[done:], links=tuple(made.values()))

    def _sealed(self, text: str, account_id: int, now: datetime, due: datetime) -> Linked:
        base = self._base()
        segments.count(text)
        code, key = new_code(), sealed.new_key()
        box = sealed.seal(self.cipher, key, text, code)
        url = base + SEALED + code
        stored = SealedText(code=code, account_id=account_id, box=box, created=now, expires=due + self.sealed_lifetime)
        return Linked(text=f"Encrypted message: {url}", sealed=stored, key=SealedKey(key=key, url=url))

    async def follow(self, code: str, *, is_click: bool) -> str | None:
        """The URL behind a short link; None when there is none, or it has expired. Does not wait for the click to be counted."""
        link = await self.store.find_link(code)
        if link is None or link.expires <= self.clock():
            return None
        if is_click:
            self._count(code)
        return link.url

    async def clicks(self, account_id: int, text: str) -> int | None:
        """How often the account's short links in a text were followed, by all recipients of them; None where it has none."""
        found = [await self.store.find_link(code) for code in dict.fromkeys(_SHORT_CODE.findall(text))]
        ours = [link.clicks for link in found if link is not None and link.account_id == account_id]
        return sum(ours) if ours else None

    async def sealed_text(self, code: str) -> SealedText | None:
        """None when there is none, or it has expired."""
        found = await self.store.find_sealed(code)
        return None if found is None or found.expires <= self.clock() else found

    def _count(self, code: str) -> None:
        self._clicks[code] += 1
        if self._counting is None or self._counting.done():
            self._counting = asyncio.get_running_loop().create_task(self._write_clicks())

    async def _write_clicks(self) -> None:
        """What is clicked meanwhile goes along next. With the store away, clicks wait for the next one."""
        while self._clicks:
            clicks, self._clicks = self._clicks, Counter()
            try:
                await self.store.count_clicks(clicks)
            except InDoubt:
                return  # rather lost than counted twice
            except Unavailable:
                self._clicks.update(clicks)
                return

    async def close(self) -> None:
        """Every click is counted, if the store can."""
        if self._counting is not None:
            await self._counting
        await self._write_clicks()
