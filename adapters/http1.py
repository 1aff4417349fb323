"""One HTTP/1.0 or 1.1 connection: bytes in, Calls out, Replies back, in order and one at a time. It knows no path and no API.

The grammar is llhttp's (strict: no bare LF, no folded header, no length beside chunks); what llhttp leaves open is refused here.
Time comes from the door's clock; `overdue`, asked about once a second, is all there is of time-outs. A refused request is answered
once everything before it is, then the connection is closed slowly: a client still sending would otherwise see a reset, not the answer.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import httptools
from twisted.internet import protocol
from twisted.internet.interfaces import IConsumer, IHalfCloseableProtocol, IPushProducer, ISSLTransport, ITCPTransport
from twisted.internet.tcp import Server
from twisted.python.failure import Failure
from zope.interface import implementer

from adapters.call import Call, Reply, Stream, Trouble
from adapters.http_head import BODILESS, answer_head, quoted, target
from adapters.http_stream import OpenStream, Streams

_SLICE = 4096
# two of these are two readings of one request, ours and a proxy's
_SINGLE = frozenset({b"host", b"content-length", b"content-type", b"transfer-encoding", b"authorization"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one client may take of us. Sizes in bytes, times in seconds."""

    body: int = 1024 * 1024
    request_line: int = 8 * 1024
    head: int = 16 * 1024
    """names and values of all headers"""
    headers: int = 100
    connections: int = 16_000
    request_s: float = 20
    """from the first byte of a request to its last"""
    stall_s: float = 10
    """without any byte of a begun request"""
    idle_s: float = 75
    """between requests"""
    unread_s: float = 60
    """for a client to take in the answers that it has asked for, or what is streamed to it"""
    keepalive_s: float = 15
    """that a stream may be silent"""
    linger_s: float = 10
    """for a refused client to stop sending"""
    linger: int = 32 * 1024 * 1024
    """how much of what it still sends is read and dropped"""


class Door(Protocol):
    """What a connection needs of the house behind it."""

    limits: Limits
    seconds: Callable[[], float]
    date: str
    draining: bool
    streams: Streams
    notes_from: int
    """the lowest status that `note` wants to hear of"""

    def opened(self, connection: Connection) -> Trouble | None: ...
    def closed(self, connection: Connection) -> None: ...
    def new_id(self) -> str: ...
    def serve(self, connection: Connection, call: Call) -> None:
        """Sees to it that `connection.answer` is called once."""
        ...

    def refuse(self, call: Call, trouble: Trouble) -> Reply: ...
    def note(self, call: Call, status: int, took_s: float) -> None: ...


class Transport(ITCPTransport, IConsumer, IPushProducer):
    """What Twisted's TCP and TLS transports are, all in one."""


@implementer(IHalfCloseableProtocol, IPushProducer)
class Connection(protocol.Protocol):
    # with a dict it would take 1.6 KB more: there are more names than Python shares the keys of
    __slots__ = (
        *("_door", "_limits", "_parser", "_seconds", "connected", "peer", "transport"),
        *("_asked", "_began", "_blocked_since", "_closing_since", "_heard", "_idle_since"),
        *("_body", "_headers", "_in_body", "_old", "_size", "_unparsed", "_url"),
        *("_current", "_owes_continue", "_queue", "_stream"),
        *("_barren", "_deaf", "_dropped", "_ending", "_linger", "_reading"),
    )
    transport: Transport

    def __init__(self, door: Door) -> None:
        self._door = door
        self._limits = door.limits
        self._seconds = door.seconds
        self._parser = httptools.HttpRequestParser(self)
        self._queue: list[tuple[Call, str, Trouble | None]] = []  # a deque takes ten times the memory, and it is short
        self._current: tuple[Call, str] | None = None
        self._stream: OpenStream | None = None
        self._asked = self._heard = self._idle_since = 0.0
        self._began: float | None = None
        self._blocked_since: float | None = None
        self._closing_since: float | None = None
        self._unparsed = b""
        self._reading = True
        self._deaf = False
        self._ending = False
        self._linger = False
        self._dropped = 0
        self._barren = 0
        self._owes_continue = False
        self._start_request()

    # what the transport tells us

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)
        self.peer = str(getattr(self.transport.getPeer(), "host", ""))
        self._heard = self._idle_since = self._seconds()
        trouble = self._door.opened(self)
        if trouble is not None:
            self._refuse(trouble)

    def dataReceived(self, data: bytes) -> None:
        if self._deaf:
            return self._drop(data)
        self._heard = self._seconds()
        if self._began is None and not self._unparsed and not data.isascii():
            data = quoted(data)
        self._parse(data)

    def _parse(self, data: bytes) -> None:
        """In slices, and no further than to a request that must wait for its turn, so that little waits in memory as more than bytes."""
        data, self._unparsed = self._unparsed + data, b""  # TLS brings more after a pause, if it had it decoded
        try:
            while data and not self._queue and not self._deaf:
                data = self._feed(data[:_SLICE]) + data[_SLICE:]
        except httptools.HttpParserCallbackError as error:
            if not isinstance(error.__context__, Trouble):
                raise
            self._refuse(error.__context__)
        except httptools.HttpParserError:
            self._refuse(Trouble(400, "bad_request", "this is not a well-formed HTTP request"))
        self._unparsed = b"" if self._deaf else data

    def _feed(self, data: bytes) -> bytes:
        """Returns what has to be fed next."""
        self._barren += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            return self._without_offer() + data[offer.args[0] :]
        if self._barren > self._limits.request_line + self._limits.head:
            self._refuse(Trouble(431, "headers_too_large", f"the headers are larger than {self._limits.head} bytes"))
        return b""

    def _without_offer(self) -> bytes:
        """The head again. llhttp skips the body of a request that offers to upgrade (Java's client does, to h2c, with each POST)."""
        kept = [(name, value) for name, value in self._headers.items() if name not in (b"upgrade", b"expect")]
        lines = [b"%b %b HTTP/1.%d" % (self._parser.get_method(), self._url, not self._old), *(b"%b: %b" % each for each in kept)]
        self._parser = httptools.HttpRequestParser(self)
        self._start_request()
        return b"\r\n".join([*lines, b"\r\n"])

    def _drop(self, data: bytes) -> None:
        self._linger = True
        if self._stream is not None and data.strip(b"\r\n"):  # old clients send an empty line more than they should
            self._stream.close()
        self._dropped += len(data)
        if self._dropped > self._limits.linger:
            self.abort()

    def readConnectionLost(self) -> None:
        """The client sends no more; it may still wait for answers."""
        self._ending, self._linger, self._began = True, False, None
        if self._stream is not None:
            self._stream.close()
        elif self._closing_since is not None:
            self.transport.loseConnection()
        else:
            self._advance()

    def writeConnectionLost(self) -> None:
        pass

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:
        self._closing_since = self._closing_since or self._seconds()
        if self._stream is not None:
            self._stream.end()
        self._door.closed(self)

    def pauseProducing(self) -> None:
        """The client does not take in what we answer."""
        self._blocked_since = self._seconds()

    def resumeProducing(self) -> None:
        self._blocked_since = None
        self._advance()

    def stopProducing(self) -> None:
        pass

    # what the parser tells us: it ends the feed when one of these raises

    def _start_request(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._size = 0
        self._in_body = False

    def on_message_begin(self) -> None:
        self._began = self._heard

    def on_url(self, piece: bytes) -> None:
        self._url += piece
        if len(self._url) > self._limits.request_line:
            raise Trouble(414, "uri_too_long", f"the request line is longer than {self._limits.request_line} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body:  # a trailer; nothing that a header says may be said this late
            return
        self._size += len(name) + len(value)
        if self._size > self._limits.head or len(self._headers) >= self._limits.headers:
            raise Trouble(
                431, "headers_too_large", f"there are more than {self._limits.headers} headers or {self._limits.head} bytes of them"
            )
        name = name.lower()
        if name in self._headers:
            if name in _SINGLE:
                raise Trouble(400, "bad_request", f"the header {name.decode('ascii', 'replace')} is there twice")
            value = self._headers[name] + b", " + value
        self._headers[name] = value

    def on_headers_complete(self) -> None:
        self._in_body, self._size, self._barren = True, 0, 0
        headers = self._headers
        self._old = self._parser.get_http_version() == "1.0"
        if not self._old:
            self._require_1_1()
        if b"transfer-encoding" in headers and (self._old or headers[b"transfer-encoding"].lower() != b"chunked"):
            raise Trouble(400, "bad_request", "the only Transfer-Encoding is chunked, with HTTP/1.1")
        if int(headers.get(b"content-length", b"0")) > self._limits.body:
            raise self._too_large()
        if b"expect" in headers and not self._old:
            self._expected(headers[b"expect"])

    def _require_1_1(self) -> None:
        if self._parser.get_http_version() != "1.1":
            raise Trouble(505, "http_version", "this server speaks HTTP/1.1 and HTTP/1.0")
        if b"host" not in self._headers:
            raise Trouble(400, "bad_request", "the header Host is missing")

    def _expected(self, what: bytes) -> None:
        if what.lower() != b"100-continue":
            raise Trouble(417, "expectation_failed", "the only expectation that can be met is 100-continue")
        self._owes_continue = True
        self._advance()

    def on_body(self, piece: bytes) -> None:
        self._barren = 0
        self._size += len(piece)
        if self._size > self._limits.body:
            raise self._too_large()
        self._body.append(piece)

    def _too_large(self) -> Trouble:
        return Trouble(413, "too_large", f"the body is larger than {self._limits.body} bytes")

    def on_message_complete(self) -> None:
        if b"upgrade" in self._headers and self._parser.should_upgrade():
            return  # it comes again, see _without_offer
        call = self._call()
        if not self._parser.should_keep_alive() or call.method == "CONNECT":
            self._deaf = True
        self._began, self._barren, self._owes_continue = None, 0, False
        self._queue.append((call, "close" if self._deaf else "keep-alive" if self._old else "", None))
        self._start_request()
        self._advance()

    def _call(self) -> Call:
        """The request as far as it is known."""
        path, query = target(self._url)
        method = self._parser.get_method().decode() if path else ""
        return Call(method, path, query, self._headers, b"".join(self._body), self.peer, self._door.new_id())

    # answering

    def _refuse(self, trouble: Trouble) -> None:
        """The last answer of this connection, in its turn."""
        self._queue.append((self._call(), "close", trouble))
        self._deaf, self._linger, self._began = True, True, None
        self._advance()

    def _advance(self) -> None:
        """Do what can be done now: the next request, the close that is due, the 100 that is owed."""
        if self._unparsed:
            self._parse(b"")
        if self._current is None and self._blocked_since is None and self._closing_since is None:
            if self._queue:
                self._take(*self._queue.pop(0))
            elif self._ending:
                self._close()
            elif self._owes_continue:
                self._owes_continue = False
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._read_on()

    def _take(self, call: Call, connection: str, trouble: Trouble | None) -> None:
        self._current = call, connection
        self._asked = self._seconds()
        if trouble is None:
            self._door.serve(self, call)
        else:
            self.answer(self._door.refuse(call, trouble))

    def answer(self, reply: Reply | None) -> None:
        """Answer the request at hand; None when there will be no answer. A client that has gone is not told."""
        if self._current is None or self._closing_since is not None:
            return
        if reply is None:
            return self.abort()
        (call, connection), self._current = self._current, None
        self._idle_since = self._seconds()
        if isinstance(reply, Stream):
            return self._open_stream(reply, call, connection)
        if self._door.draining or (self._ending and not self._queue and not self._unparsed):
            connection = "close"
        head = self._head(reply, call, connection, len(reply.body))
        self.send(head if call.method == "HEAD" or reply.status in BODILESS else head + reply.body)
        self._note(reply, call)
        if connection == "close":
            self._queue.clear()
            self._deaf = self._ending = True
        self._advance()

    def _head(self, reply: Reply, call: Call, connection: str, length: int | None, *more: tuple[str, str]) -> bytes:
        ours = [("Date", self._door.date), ("X-Request-Id", call.request_id), *([("Connection", connection)] if connection else [])]
        return answer_head(reply.status, reply.content_type, length, [*ours, *more, *reply.headers])

    def _note(self, reply: Reply, call: Call) -> None:
        if reply.status >= self._door.notes_from:
            self._door.note(call, reply.status, self._idle_since - self._asked)

    def _open_stream(self, reply: Stream, call: Call, connection: str) -> None:
        """The last answer of this connection; whoever has asked for more behind it, or asks later, gets only its beginning."""
        # a later request was parsed only if this one keeps the connection, and then HTTP/1.0 has said so
        is_old = connection == "keep-alive" or (connection == "close" and self._old)
        is_cut = bool(self._door.draining or self._ending or self._queue or self._unparsed or self._began is not None)
        head = self._head(reply, call, "close", None, *(() if is_old else (("Transfer-Encoding", "chunked"),)))
        self._note(reply, call)
        self._deaf, self._began = True, None
        self._free()
        self.send(head)
        if call.method == "HEAD":
            return self.finish(b"")
        self._notice_the_dead()
        self._stream = self._door.streams.begin(self, reply, call.request_id, is_chunked=not is_old)
        if is_cut:
            self._stream.close()

    def _free(self) -> None:
        """What only requests need: a stream may be one of many, and stay for weeks."""
        self._queue.clear()
        self._unparsed = b""
        self._start_request()
        del self._parser

    def _notice_the_dead(self) -> None:
        """A client that has vanished without a word is one that does not acknowledge the keepalives."""
        self.transport.setTcpKeepAlive(True)
        connected = getattr(self.transport, "socket", None)
        if connected is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self._limits.unread_s * 1000))

    @property
    def is_blocked(self) -> bool:
        return self._blocked_since is not None

    def finish(self, last: bytes) -> None:
        """The stream is over."""
        self._stream, self._ending = None, True
        self.send(last)
        self._advance()

    def send(self, data: bytes) -> None:
        """As transport.write, which would wait for the next turn of the loop and tell epoll twice: 16 µs of 117 for an accepted form."""
        transport = self.transport
        if isinstance(transport, Server) and transport.connected and not (transport.dataBuffer or transport._tempDataBuffer):
            with suppress(OSError):  # a full buffer, or an error that the write below meets again and acts on
                data = data[transport.socket.send(data) :]
        if data:
            transport.write(data)

    def _read_on(self) -> None:
        """Read as long as the client takes its answers and nothing waits for its turn."""
        wanted = self._closing_since is not None or (self._blocked_since is None and not self._queue and not self._unparsed)
        if wanted == self._reading:
            return
        self._reading = wanted
        if wanted:
            if self._began is not None:  # the pause was ours, so it does not count against the client
                self._began = self._heard = self._seconds()
            self.transport.resumeProducing()
        else:
            self.transport.pauseProducing()

    # ending

    def overdue(self, now: float) -> None:
        """Act on whatever has taken too long."""
        limits = self._limits
        if self._closing_since is not None:
            if now - self._closing_since > limits.linger_s:
                self.abort()
        elif self._blocked_since is not None:
            if now - self._blocked_since > limits.unread_s:
                self.abort()
        elif self._began is not None and self._reading:
            if now - self._began > limits.request_s or now - self._heard > limits.stall_s:
                self._refuse(Trouble(408, "request_timeout", "the request took too long to arrive"))
        elif self._current is None and self._stream is None and now - self._idle_since > limits.idle_s:
            self._close()

    def drain(self) -> None:
        """Close now if nothing is under way; else the next answer is the last. A stream ends here."""
        if self._stream is not None:
            self.abort() if self.is_blocked else self._stream.close()
        elif self._current is None and self._began is None and self._closing_since is None:
            self._close()

    def _close(self) -> None:
        self._closing_since = self._seconds()
        self.transport.unregisterProducer()
        # TLS cannot be closed in one direction, and reads on by itself until the client has closed too
        if self._linger and not ISSLTransport.providedBy(self.transport):
            self.transport.loseWriteConnection()
        else:
            self.transport.loseConnection()

    def abort(self) -> None:
        self._closing_since = self._closing_since or self._seconds()
        self.transport.abortConnection()
