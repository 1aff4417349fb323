"""Calls webhooks: one POST on a connection of its own, to an address that may be called, within a time.

    POST /hook HTTP/1.1                                  HTTP/1.1 200 OK
    Host: shop.example.org
    Content-Type: application/json                       thanks
    Content-Length: 143

The host is resolved here, each address is checked, and the connection is made to the very address that was checked, so that a name which
answers otherwise the next time cannot lead inside. TLS is verified against the name. No redirect is followed, no proxy is used.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httptools

from service.errors import PostFailed
from service.ports import Answer

CONNECT_S = 5.0
WHOLE_S = 15.0
MOST_READ = 64 * 1024
"""bytes of an answer; what is longer is cut off"""
MOST_KEPT = 200
"""characters of an answer that are kept for a person to read"""
RESOLVERS = 32
"""threads that wait for slow name servers, which must not be those that others wait for"""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""addresses of a host, by its name and the port"""

# these carry an IPv4 address to which a router on the way would deliver
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NOT_PUBLIC = "is not a public address, and webhook_networks does not allow it"


class Poster:
    """A service.ports.Poster."""

    def __init__(
        self,
        networks: Sequence[Network] = (),
        *,
        resolve: Resolver | None = None,
        tls: ssl.SSLContext | None = None,
        connect_s: float = CONNECT_S,
        whole_s: float = WHOLE_S,
    ) -> None:
        self._networks = networks
        self._resolve = resolve or Names()
        self._tls = tls or ssl.create_default_context()
        self._connect_s = connect_s
        self._whole_s = whole_s

    def objection(self, url: str) -> str | None:
        try:
            address = ipaddress.ip_address(urlsplit(url).hostname or "")
        except ValueError:
            return None
        return None if may_call(address, self._networks) else f"{address} {_NOT_PUBLIC}"

    async def post(self, url: str, headers: Sequence[tuple[str, str]], body: bytes) -> Answer:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        request = _request(parts.netloc, target, headers, body)
        answer = _Reading()
        try:
            async with asyncio.timeout(self._whole_s):
                reader, writer = await self._connect(host, port, is_tls=parts.scheme == "https")
                try:
                    writer.write(request)
                    await answer.read(reader)
                finally:
                    # what the other end still has to say, it says to nobody
                    writer.transport.abort()
        except TimeoutError:
            if not answer.has_status:
                raise PostFailed(f"did not answer within {self._whole_s:g} seconds") from None
        except (OSError, httptools.HttpParserError) as failed:
            if not answer.has_status:
                raise PostFailed(f"broke the connection or did not speak HTTP ({type(failed).__name__})") from None
        if not answer.has_status:
            raise PostFailed("closed the connection without an answer")
        return answer.said()

    async def _connect(self, host: str, port: int, *, is_tls: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        last: Exception | None = None
        tls = {"ssl": self._tls, "server_hostname": host} if is_tls else {}
        try:
            async with asyncio.timeout(self._connect_s):
                for address in await self._addresses(host, port):
                    try:
                        return await asyncio.open_connection(address, port, limit=MOST_READ, **tls)  # type: ignore[arg-type]
                    except OSError as failed:
                        last = failed
        except TimeoutError:
            raise PostFailed(f"could not be reached within {self._connect_s:g} seconds") from None
        raise PostFailed(_why(last))

    async def _addresses(self, host: str, port: int) -> list[str]:
        """Those that may be called, written as numbers, so that nothing resolves them again."""
        try:
            found = [ipaddress.ip_address(text.partition("%")[0]) for text in await self._resolve(host, port)]
        except (OSError, UnicodeError):
            raise PostFailed("has a name that cannot be resolved") from None
        allowed = [str(address) for address in found if may_call(address, self._networks)]
        if not allowed:
            raise PostFailed(f"{', '.join(map(str, found)) or 'it has no address: that'} {_NOT_PUBLIC}")
        return allowed


class Names:
    """The system's resolver, in threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="webhook names")

    async def __call__(self, host: str, port: int) -> list[str]:
        look_up = asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host, port)
        return await look_up


def _look_up(host: str, port: int) -> list[str]:
    return list(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


def may_call(address: Address, networks: Sequence[Network]) -> bool:
    """Whether it is a public address, or in a network that the operator allows."""
    address = _meant(address)
    if any(address in network for network in networks):
        return True
    return address.is_global and not address.is_multicast and not address.is_reserved


def _meant(address: Address) -> Address:
    """The IPv4 address within an IPv6 one, where there is one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)


def _why(failed: Exception | None) -> str:
    if isinstance(failed, ssl.SSLCertVerificationError):
        return f"has a certificate that does not hold: {failed.verify_message}"
    if isinstance(failed, ssl.SSLError):
        return "does not speak TLS as we do"
    if isinstance(failed, ConnectionRefusedError):
        return "refused the connection"
    return f"could not be reached ({type(failed).__name__})"


def _request(netloc: str, target: str, headers: Sequence[tuple[str, str]], body: bytes) -> bytes:
    lines = [f"POST {target} HTTP/1.1", f"Host: {netloc}", *(f"{name}: {value}" for name, value in headers)]
    lines += [f"Content-Length: {len(body)}", "User-Agent: dragoman", "Accept: */*", "Connection: close"]
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body


class _Reading:
    """An answer that comes in."""

    def __init__(self) -> None:
        self.has_status = False
        self._is_whole = False
        self._status = 0
        self._body = bytearray()
        self._parser = httptools.HttpResponseParser(self)

    async def read(self, reader: asyncio.StreamReader) -> None:
        taken = 0
        while not self._is_whole and taken < MOST_READ:
            data = await reader.read(16 * 1024)
            if not data:
                return
            taken += len(data)
            self._parser.feed_data(data)

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:  # not 100 Continue or 103 Early Hints
            self.has_status, self._status = True, status

    def on_body(self, data: bytes) -> None:
        self._body += data

    def on_message_complete(self) -> None:
        self._is_whole = self.has_status

    def said(self) -> Answer:
        return Answer(status=self._status, beginning=self._body[: 4 * MOST_KEPT].decode("utf-8", "replace")[:MOST_KEPT])
