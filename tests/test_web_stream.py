"""Answers that go on, over connections in memory: how they are framed, kept alive, ended, and by whom."""

from __future__ import annotations

import asyncio

import pytest

from adapters.web import Limits
from tests.http_peer import House, Peer, on_the_loop
from tests.test_web import draining, get

OLD = b"GET /events%b HTTP/1.0\r\n%b\r\n"


async def said(peer: Peer) -> bytes:
    """What the server has sent since the last time."""
    for _ in range(10):
        await asyncio.sleep(0)
    data = peer.wire.value()
    peer.wire.clear()
    return data


async def streaming(house: House, request: bytes = get("/events?silent")) -> Peer:
    """A client whose stream is open, and who has read the head."""
    peer = house.peer()
    peer.connection.dataReceived(request)
    await said(peer)
    return peer


@on_the_loop
async def test_a_stream_is_chunked_and_its_first_piece_comes_with_the_head() -> None:
    house = House()
    peer = house.peer()
    peer.connection.dataReceived(get("/events"))
    head, _, body = (await said(peer)).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 200 OK"
    assert {b"Transfer-Encoding: chunked", b"Connection: close", b"Content-Type: text/event-stream", b"Cache-Control: no-store"} < set(
        lines
    )
    assert b"Content-Length" not in head
    assert body == b"5\r\nfirst\r\n"
    house.shop.pipes[0].write(b"event: x\ndata: null\n\n")
    house.shop.pipes[0].write(b"")
    assert await said(peer) == b"15\r\nevent: x\ndata: null\n\n\r\n"
    assert peer.wire.keeps_alive
    assert not peer.closed
    house.shop.pipes[0].close()
    house.shop.pipes[0].close()
    house.shop.pipes[0].write(b"late")
    assert await said(peer) == b"0\r\n\r\n"
    assert peer.closed
    assert house.shop.gone == house.shop.pipes


@pytest.mark.parametrize("more", [b"", b"Connection: keep-alive\r\n"])
@on_the_loop
async def test_http_1_0_gets_it_unframed_until_the_end(more: bytes) -> None:
    house = House()
    peer = house.peer()
    peer.connection.dataReceived(OLD % (b"", more))
    head, _, body = (await said(peer)).partition(b"\r\n\r\n")
    assert b"Transfer-Encoding" not in head and b"Content-Length" not in head and b"Connection: close" in head
    assert body == b"first"
    house.shop.pipes[0].write(b"second")
    house.shop.pipes[0].close()
    assert await said(peer) == b"second"
    assert peer.closed


@pytest.mark.parametrize("request_", [get("/events", method="HEAD"), b"HEAD /events HTTP/1.0\r\n\r\n"])
@on_the_loop
async def test_head_gets_the_head_alone_and_opens_nothing(request_: bytes) -> None:
    house = House()
    peer = house.peer()
    peer.connection.dataReceived(request_)
    head, _, body = (await said(peer)).partition(b"\r\n\r\n")
    assert b"Content-Type: text/event-stream" in head and body == b""
    assert house.shop.pipes == []
    assert peer.closed


@on_the_loop
async def test_a_silent_stream_is_kept_alive_and_never_idle() -> None:
    house = House(Limits(idle_s=20, keepalive_s=15))
    peer = await streaming(house)
    house.clock.pump([1] * 14)
    assert await said(peer) == b""
    house.clock.advance(1)
    assert await said(peer) == b"c\r\n:keepalive\n\n\r\n"
    house.clock.pump([1] * 10)
    house.shop.pipes[0].write(b"x")
    await said(peer)
    house.clock.pump([1] * 14)
    assert await said(peer) == b"", "it has just spoken"
    house.clock.pump([1] * 106)
    assert (await said(peer)).count(b":keepalive") == 8
    assert not peer.closed
    assert house.shop.gone == []


@on_the_loop
async def test_very_many_streams_do_not_all_speak_at_once() -> None:
    house = House()
    peers = [await streaming(house) for _ in range(250)]
    counts = []
    for _ in range(20):
        house.clock.advance(1)
        counts.append(sum(bool(peer.wire.value()) for peer in peers))
        for peer in peers:
            peer.wire.clear()
    assert counts[13:18] == [0, 100, 100, 50, 0]


@on_the_loop
async def test_a_client_that_goes_is_told_of_once_and_written_to_no_more() -> None:
    house = House()
    peer, other = await streaming(house), await streaming(house)
    peer.goes()
    assert house.shop.gone == [], "not from within whatever ended it"
    house.shop.pipes[0].write(b"x")
    house.shop.pipes[0].close()
    assert await said(peer) == b""
    assert house.shop.gone == [house.shop.pipes[0]]
    house.clock.pump([1] * 15)
    assert (await said(peer), await said(other)) == (b"", b"c\r\n:keepalive\n\n\r\n")


@on_the_loop
async def test_a_client_that_stops_sending_has_gone() -> None:
    house = House()
    peer = await streaming(house)
    peer.connection.readConnectionLost()
    assert await said(peer) == b"0\r\n\r\n"
    assert peer.closed
    peer.goes()
    await said(peer)
    assert house.shop.gone == house.shop.pipes


@pytest.mark.parametrize("behind", [get("/echo"), b"G"])
@on_the_loop
async def test_what_is_asked_behind_a_stream_ends_it(behind: bytes) -> None:
    house = House()
    together, later = house.peer(), await streaming(house)
    together.connection.dataReceived(get("/events") + behind)
    assert (await said(together)).endswith(b"5\r\nfirst\r\n0\r\n\r\n")
    assert together.closed
    later.connection.dataReceived(behind)
    assert await said(later) == b"0\r\n\r\n"
    assert later.wire.half_closed, "a reset would take the end of the stream away"
    assert len(house.shop.gone) == 2
    assert house.shop.calls == []


@on_the_loop
async def test_an_empty_line_behind_a_request_is_nothing() -> None:
    house = House()
    peer = await streaming(house)
    peer.connection.dataReceived(b"\r\n")
    assert await said(peer) == b""
    assert house.shop.gone == []


@on_the_loop
async def test_a_client_that_does_not_read_is_ended_by_what_is_written_next() -> None:
    house = House()
    peer = await streaming(house)
    house.shop.pipes[0].write(b"x" * 100)
    peer.connection.pauseProducing()
    assert not peer.wire.disconnected
    await said(peer)
    house.shop.pipes[0].write(b"y")
    assert peer.wire.disconnected
    assert await said(peer) == b""
    assert house.shop.gone == house.shop.pipes


@on_the_loop
async def test_a_client_that_does_not_read_is_ended_by_time() -> None:
    house = House(Limits(unread_s=60, keepalive_s=1000))
    peer = await streaming(house)
    peer.connection.pauseProducing()
    house.clock.pump([1] * 60)
    assert not peer.wire.disconnected
    house.clock.pump([1] * 2)
    assert peer.wire.disconnected
    peer.goes()
    await said(peer)
    assert house.shop.gone == house.shop.pipes


@on_the_loop
async def test_a_stop_ends_streams_at_once() -> None:
    house = House()
    peer, stuck = await streaming(house), await streaming(house)
    stuck.connection.pauseProducing()
    drained = await draining(house, 30)
    assert await said(peer) == b"0\r\n\r\n"
    assert peer.closed
    assert stuck.wire.disconnected
    peer.goes()
    stuck.goes()
    assert await drained is True
    await said(peer)
    assert set(house.shop.gone) == set(house.shop.pipes)


@on_the_loop
async def test_a_stream_that_opens_during_a_stop_ends_at_once() -> None:
    house = House()
    peer = house.peer()
    peer.connection.dataReceived(b"GET /events HTTP/1.1\r\n")
    drained = await draining(house, 30)
    peer.connection.dataReceived(b"Host: x\r\n\r\n")
    assert (await said(peer)).endswith(b"first\r\n0\r\n\r\n")
    assert house.shop.gone == house.shop.pipes
    peer.goes()
    assert await drained is True


@on_the_loop
async def test_a_stream_may_be_closed_as_soon_as_it_is_opened() -> None:
    house = House()
    peer = house.peer()
    peer.connection.dataReceived(get("/events?opened=closes"))
    assert (await said(peer)).endswith(b"5\r\nfirst\r\n3\r\nall\r\n0\r\n\r\n")
    assert peer.closed
    assert house.shop.gone == house.shop.pipes


@on_the_loop
async def test_an_api_that_fails_ends_its_own_stream_and_no_other() -> None:
    house = House()
    failing, going, other = house.peer(), house.peer(), await streaming(house)
    failing.connection.dataReceived(get("/events?opened=fails"))
    going.connection.dataReceived(get("/events?gone=fails"))
    await said(failing)
    assert failing.wire.disconnected
    going.goes()
    await said(going)
    assert [event for event, _ in house.log.lines] == ["handler failed"] * 2
    assert "SECRET" not in str(house.log.lines)
    house.clock.pump([1] * 15)
    assert await said(other) == b"c\r\n:keepalive\n\n\r\n"


@on_the_loop
async def test_a_stream_counts_as_a_connection_and_is_in_the_log_once() -> None:
    house = House(Limits(connections=1), log_all=True)
    peer = await streaming(house)
    (refused,) = await house.peer().hear()
    assert refused.status == 503
    assert [fields["path"] for _, fields in house.log.lines] == ["/events", ""]
    peer.goes()
