"""The event stream as the SMSGate app's library reads it (OkHttp 4.10, ServerSentEventReader.kt): bytes in, events out, no socket.

    event: MessageEnqueued\\n
    data: null\\n
    \\n

Where the app's library leaves the HTML standard, so does this file: an `event:` or `id:` line ends at LF only (a lone CR is part of
the value), a byte order mark makes the first line an unknown field, and an `id` does not make an event.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NEWLINE = re.compile(rb"[\r\n]")
_TO_LF = (b"event:", b"id:", b"retry:")


@dataclass(frozen=True)
class Event:
    type: str | None
    """None when the stream names none: the app takes that for MessageEnqueued"""
    data: str


class EventReader:
    """Feed it the stream in any pieces."""

    def __init__(self) -> None:
        self._kept = b""
        self._type: str | None = None
        self._data: list[str] = []

    def feed(self, piece: bytes) -> list[Event]:
        self._kept += piece
        events: list[Event] = []
        while (line := self._take_line()) is not None:
            if line:
                self._take_field(line)
            else:
                if self._data:
                    events.append(Event(self._type, "\n".join(self._data)))
                self._type, self._data = None, []
        return events

    def _take_line(self) -> bytes | None:
        """Without its end; None when more is needed. A CR at the end waits, since LF may follow."""
        if self._kept.startswith(_TO_LF):
            end = self._kept.find(b"\n")
            line, after = self._kept[:end].removesuffix(b"\r"), end + 1
        else:
            found = _NEWLINE.search(self._kept)
            end = -1 if found is None else found.start()
            line, after = self._kept[:end], end + 1
            if end == len(self._kept) - 1 and self._kept[-1:] == b"\r":
                end = -1
            elif self._kept[end:after] == b"\r" and self._kept[after : after + 1] == b"\n":
                after += 1
        if end == -1:
            return None
        self._kept = self._kept[after:]
        return line

    def _take_field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        text = value.removeprefix(b" ").decode("utf-8", "replace")
        if name == b"data":
            self._data.append(text)
        elif name == b"event":
            self._type = text or None
