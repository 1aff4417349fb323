"""Answers that go on: the open end of each, and all of them together, which keeps them from falling silent.

    pipe.write(b"event: MessageEnqueued\\ndata: null\\n\\n")      ->      33\\r\\nevent: ...\\r\\n    (HTTP/1.1, chunked)

There is no task and no timer for a stream: the front door's sweep asks once a second who has been silent for too long. What an API
hands in (`Stream.opened` and what that returns) may fail without harm to anybody else's stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from adapters.call import Stream

_LAST_CHUNK = b"0\r\n\r\n"
_AT_ONCE = 100
"""keepalives that a sweep may always write; of very many streams it writes a tenth, so that those which came together part"""


class Wire(Protocol):
    """What a stream needs of its connection."""

    @property
    def is_blocked(self) -> bool:
        """Whether the client has left more than 64 KiB unread."""
        ...

    def send(self, data: bytes) -> None: ...
    def finish(self, last: bytes) -> None:
        """Send the last bytes and close."""
        ...

    def abort(self) -> None: ...


class OpenStream:
    """A call.Pipe."""

    __slots__ = ("_is_chunked", "_streams", "_wire", "gone", "keepalive", "request_id")

    def __init__(self, wire: Wire, streams: Streams, keepalive: bytes, request_id: str, *, is_chunked: bool) -> None:
        self._wire: Wire | None = wire
        self._streams = streams
        self._is_chunked = is_chunked
        self.keepalive = keepalive
        self.request_id = request_id
        self.gone: Callable[[], None] | None = None

    @property
    def is_open(self) -> bool:
        return self._wire is not None

    def write(self, data: bytes) -> None:
        wire = self._wire
        if wire is None or not data:
            return
        if wire.is_blocked:
            self.end()
            return wire.abort()
        self._streams.spoke(self)
        wire.send(b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data)

    def close(self) -> None:
        wire = self._wire
        if wire is not None:
            self.end()
            wire.finish(_LAST_CHUNK if self._is_chunked else b"")

    def end(self) -> None:
        """Nothing is written any more, and the API is told so; not at once, because it may be in the middle of writing to all."""
        if self._wire is not None:
            self._wire = None
            self._streams.ended(self)


class Streams:
    """All that are open in a process."""

    def __init__(self, seconds: Callable[[], float], on_failure: Callable[[str, Exception], object]) -> None:
        """`on_failure` is told the request's id and what an API's function raised."""
        self._seconds = seconds
        self._on_failure = on_failure
        self._silent_since: dict[OpenStream, float] = {}
        """the one that has been silent longest comes first"""

    def begin(self, wire: Wire, reply: Stream, request_id: str, *, is_chunked: bool) -> OpenStream:
        stream = OpenStream(wire, self, reply.keepalive, request_id, is_chunked=is_chunked)
        self._silent_since[stream] = self._seconds()
        stream.write(reply.body)
        try:
            stream.gone = reply.opened(stream)
        except Exception as failure:  # the head is out, so all that the client can be told is that it ends
            self._on_failure(request_id, failure)
            stream.end()
            wire.abort()
        else:
            if not stream.is_open:
                self._tell(stream)
        return stream

    def spoke(self, stream: OpenStream) -> None:
        del self._silent_since[stream]
        self._silent_since[stream] = self._seconds()

    def ended(self, stream: OpenStream) -> None:
        del self._silent_since[stream]
        self._tell(stream)

    def keep_alive(self, after_s: float) -> None:
        """Let those speak that have been silent for so long."""
        most, limit = max(_AT_ONCE, len(self._silent_since) // 10), self._seconds() - after_s
        due: list[OpenStream] = []
        for stream, since in self._silent_since.items():
            if since > limit or len(due) == most:
                break
            due.append(stream)
        for stream in due:
            stream.write(stream.keepalive)

    def _tell(self, stream: OpenStream) -> None:
        gone, stream.gone = stream.gone, None
        if gone is not None:
            asyncio.get_running_loop().call_soon(self._say_gone, gone, stream.request_id)

    def _say_gone(self, gone: Callable[[], None], request_id: str) -> None:
        try:
            gone()
        except Exception as failure:
            self._on_failure(request_id, failure)
