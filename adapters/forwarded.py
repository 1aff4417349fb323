"""Who a call is from when a proxy hands it over: X-Forwarded-For and X-Forwarded-Proto, believed from trusted proxies only.

    X-Forwarded-For: 198.51.100.7, 203.0.113.9, 10.0.0.2        each proxy appends whom it has it from
    X-Forwarded-Proto: https

Read from the right: what trusted proxies wrote is true, what stands before that the caller may have made up. No path and no API here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from service.accounts import Network, address_of, is_within

UNKNOWN = "unknown"
"""an address that no network has"""
_PORT = re.compile(r"\[(.*)\](?::\d+)?|([\d.]+):\d+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Proxies:
    """The proxies that are believed."""

    networks: tuple[Network, ...] = ()

    def trusts(self, peer: str) -> bool:
        return bool(self.networks) and is_within(peer, self.networks)

    def caller(self, peer: str, headers: Mapping[bytes, bytes]) -> str:
        """The last address that is not a trusted proxy's, or the first one; `peer`, a trusted one, where there is none at all."""
        named = headers.get(b"x-forwarded-for", b"").decode("latin-1")
        for hop in reversed([hop for hop in named.split(",") if hop.strip()]):
            peer = _bare(hop.strip())
            if not self.trusts(peer):
                break
        return peer

    def scheme(self, headers: Mapping[bytes, bytes], otherwise: str) -> str:
        """As the nearest proxy names it."""
        said = headers.get(b"x-forwarded-proto", b"").decode("latin-1").rpartition(",")[2].strip().lower()
        return said if said in ("http", "https") else otherwise


def _bare(hop: str) -> str:
    """Without a port and brackets, which some proxies add; UNKNOWN when it is no address."""
    port = _PORT.fullmatch(hop)
    address = address_of((port[1] or port[2]) if port else hop)
    return UNKNOWN if address is None else str(address)
