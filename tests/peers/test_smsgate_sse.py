"""The stream reader, split at every byte, and what a foreign client (httpx-sse) reads of the same bytes."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
import httpx_sse
import pytest

from tests.peers.smsgate_sse import Event, EventReader


@dataclass(frozen=True, kw_only=True)
class Row:
    """`foreign` is what httpx-sse reads where that is something else; an event without a type is a "message" to it."""

    frames: bytes
    events: tuple[Event, ...]
    foreign: tuple[Event, ...] | None = None


A = Event("MessageEnqueued", "null")
B = Event("WebhooksUpdated", "{}")
ROWS = {
    "one": Row(frames=b"event: MessageEnqueued\ndata: null\n\n", events=(A,)),
    "two": Row(frames=b"event: MessageEnqueued\ndata: null\n\nevent: WebhooksUpdated\ndata: {}\n\n", events=(A, B)),
    "crlf": Row(frames=b"event: MessageEnqueued\r\ndata: null\r\n\r\nevent: WebhooksUpdated\r\ndata: {}\r\n\r\n", events=(A, B)),
    "cr": Row(frames=b"data: null\r\rdata: {}\r\r\n", events=(Event(None, "null"), Event(None, "{}"))),
    # OkHttp ends the line of an event's name at LF only
    "cr after a name": Row(
        frames=b"event: MessageEnqueued\rdata: null\r\r\ndata: {}\n\n",
        events=(Event("MessageEnqueued\rdata: null\r", "{}"),),
        foreign=(A, Event(None, "{}")),
    ),
    "comments": Row(frames=b":keepalive\n\n:\n\n: x\nevent: MessageEnqueued\n: y\ndata: null\n\n", events=(A,)),
    "lines": Row(frames=b"data: 1\ndata:2\ndata:  3\ndata\ndata: \n\n", events=(Event(None, "1\n2\n 3\n\n"),)),
    "no blank": Row(frames=b"event:MessageEnqueued\ndata:null\n\n", events=(A,)),
    "no event": Row(frames=b"data: null\n\n", events=(Event(None, "null"),)),
    "empty event": Row(
        frames=b"event: x\nevent\ndata: null\n\nevent: y\nevent:\ndata: {}\n\n", events=(Event(None, "null"), Event(None, "{}"))
    ),
    # the HTML standard dispatches no event without data; httpx-sse does
    "no data": Row(
        frames=b"event: MessageEnqueued\n\ndata: {}\n\n",
        events=(Event(None, "{}"),),
        foreign=(Event("MessageEnqueued", ""), Event(None, "{}")),
    ),
    "empty data": Row(frames=b"event: MessageEnqueued\ndata:\n\n", events=(Event("MessageEnqueued", ""),)),
    "id and retry": Row(frames=b"id: 7\nretry: 100\nevent: MessageEnqueued\ndata: null\n\n", events=(A,)),
    "unknown field": Row(frames=b"events: x\nDATA: y\nevent: MessageEnqueued\ndata: null\n\n", events=(A,)),
    "mark": Row(frames=b"\xef\xbb\xbfevent: MessageEnqueued\ndata: null\n\n", events=(Event(None, "null"),)),
    "letters": Row(frames="data: l'été 😀\n\n".encode(), events=(Event(None, "l'été 😀"),)),
    "unfinished": Row(frames=b"event: MessageEnqueued\ndata: null\n", events=()),
}
each_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)


def read(*pieces: bytes) -> tuple[Event, ...]:
    reader = EventReader()
    return tuple(event for piece in pieces for event in reader.feed(piece))


@each_row
def test_it_reads_the_same_however_the_stream_is_split(row: Row) -> None:
    """OkHttp, ServerSentEventReader.kt"""
    assert read(row.frames) == row.events
    assert read(*(bytes([byte]) for byte in row.frames)) == row.events
    for split in range(len(row.frames)):
        assert read(row.frames[:split], row.frames[split:]) == row.events, split


@each_row
def test_a_foreign_client_reads_the_same_but_where_said(row: Row) -> None:
    for pieces in ([row.frames], [bytes([byte]) for byte in row.frames]):
        response = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=iter(pieces))
        found = tuple(Event(None if sse.event == "message" else sse.event, sse.data) for sse in httpx_sse.EventSource(response).iter_sse())
        assert found == (row.events if row.foreign is None else row.foreign)
