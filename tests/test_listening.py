"""The front door on real sockets: what only a kernel and foreign clients can show. Time is still a fake clock."""

from __future__ import annotations

import asyncio
import http.client
import select
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from typing import TypeVar

import pytest
import requests
from twisted.internet import reactor, threads
from twisted.internet.defer import Deferred

from adapters.web import Limits
from tests.http_peer import Answer, House, answers, on_the_loop
from tests.test_web import BROKEN, get, post

MB = 1024 * 1024
T = TypeVar("T")


@asynccontextmanager
async def listening(limits: Limits | None = None) -> AsyncIterator[tuple[House, int]]:
    house = House(limits)
    port = reactor.listenTCP(0, house.door, interface="127.0.0.1")
    yield house, port.getHost().port
    await asyncio.ensure_future(of(port.stopListening()))
    done = asyncio.ensure_future(house.door.drain(1))
    while not done.done():  # a client that has not closed yet is given up, not waited for
        await asyncio.sleep(0)
        house.clock.advance(1)


def of(deferred: Deferred[T] | None) -> asyncio.Future[T]:
    assert deferred is not None
    return deferred.asFuture(asyncio.get_running_loop())


def in_thread(client: Callable[..., T], *args: object) -> asyncio.Future[T]:
    return of(threads.deferToThread(client, *args))


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def read_all(sock: socket.socket) -> list[Answer]:
    data = b""
    while piece := sock.recv(65536):
        data += piece
    return list(answers(data))


def say(port: int, data: bytes) -> list[Answer]:
    """Everything that comes back until the server closes."""
    with closing(connect(port)) as sock:
        sock.sendall(data)
        return read_all(sock)


@on_the_loop
async def test_http_client_keeps_its_connection() -> None:
    def client(port: int) -> list[tuple[int, bytes]]:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
            found = []
            for method, path, body in [("POST", "/echo", b"x" * 3), ("GET", "/a/b", None), ("HEAD", "/a/b", None), ("POST", "/a/b/", b"e")]:
                connection.request(method, path, body)
                local = connection.sock.getsockname()
                answer = connection.getresponse()
                found.append((answer.status, answer.read()[:20]))
                assert connection.sock is not None and connection.sock.getsockname() == local
            return found

    async with listening() as (_, port):
        assert await in_thread(client, port) == [(200, b"POST /echo||xxx"), (200, b"x" * 20), (200, b""), (200, b"POST /a/b||e")]


@on_the_loop
async def test_requests_sends_forms_json_and_files() -> None:
    def client(port: int) -> list[str]:
        with requests.Session() as session:
            url = f"http://127.0.0.1:{port}/form/?q=1"
            fields = {"to": "+3247", "text": "hé €😀 <b>&amp; x"}
            form = session.post(url, data=fields)
            json = session.post(url, json=fields)
            multipart = session.post(url, files={name: (None, value) for name, value in fields.items()} | {"f": ("a.txt", b"x")})
            chunked = session.post(
                url, data=iter([b"to=%2B3247", b"&text=x"]), headers={"Content-Type": "application/x-www-form-urlencoded"}
            )
            return [answer.text for answer in (form, json, multipart, chunked)]

    async with listening() as (_, port):
        same = "{'q': '1', 'to': '+3247', 'text': 'hé €😀 <b>&amp; x'}"
        assert await in_thread(client, port) == [same, same, same, "{'q': '1', 'to': '+3247', 'text': 'x'}"]


@on_the_loop
async def test_http_1_0_is_closed_and_pipelined_requests_are_answered_in_order() -> None:
    async with listening() as (_, port):
        (old,) = await in_thread(say, port, b"GET /echo?old HTTP/1.0\r\n\r\n")
        assert old.body == b"GET /echo|old|"
        many = b"".join(get(f"/echo?{n}") for n in range(2000)) + get("/echo?last", "Connection: close\r\n")
        found = await in_thread(say, port, many)
        assert [answer.body for answer in found[:-1]] == [b"GET /echo|%d|" % n for n in range(2000)]
        assert found[-1].body == b"GET /echo|last|"


@on_the_loop
async def test_30_mb_are_refused_before_they_are_sent() -> None:
    async with listening() as (house, port):
        (answer,) = await in_thread(say, port, get("/echo", f"Content-Length: {30 * MB}\r\n", "POST"))
        assert (answer.status, house.shop.calls) == (413, [])


@on_the_loop
async def test_clients_that_send_30_mb_first_see_the_answer_and_no_reset() -> None:
    def plain(port: int) -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
            connection.request("POST", "/echo", b"x" * (30 * MB))
            answer = connection.getresponse()
            return answer.status, answer.read()[:16]

    def with_requests(port: int) -> tuple[int, bytes]:
        answer = requests.post(f"http://127.0.0.1:{port}/echo", data=b"x" * (30 * MB))
        return answer.status_code, answer.content[:16]

    def chunked(port: int) -> tuple[int, bytes]:
        answer = requests.post(f"http://127.0.0.1:{port}/echo", data=(b"x" * MB for _ in range(30)))
        return answer.status_code, answer.content[:16]

    async with listening() as (house, port):
        for client in (plain, with_requests, chunked):
            assert await in_thread(client, port) == (413, b"shop: too_large:")
        assert house.shop.calls == []


@on_the_loop
async def test_what_is_broken_is_refused_on_a_real_socket_too() -> None:
    def client(port: int) -> dict[int, list[int]]:
        return {row: [answer.status for answer in say(port, data)] for row, (data, _) in enumerate(rows)}

    rows = [(parameters.values[0], parameters.values[1]) for parameters in BROKEN]
    async with listening() as (house, port):
        assert await in_thread(client, port) == {row: [status] for row, (_, status) in enumerate(rows)}
        assert house.shop.calls == []


@on_the_loop
async def test_a_slow_sender_is_answered_408() -> None:
    async with listening(Limits(stall_s=10)) as (house, port):
        with closing(await in_thread(connect, port)) as sock:
            sock.sendall(get("/echo", "Content-Length: 2\r\nExpect: 100-continue\r\n", "POST"))
            assert (await in_thread(sock.recv, 100)).startswith(b"HTTP/1.1 100")
            house.clock.pump([1] * 11)
            (answer,) = await in_thread(read_all, sock)
            assert (answer.status, answer.headers["connection"]) == (408, "close")


@on_the_loop
async def test_an_idle_connection_is_closed() -> None:
    async with listening(Limits(idle_s=75)) as (house, port):
        with closing(await in_thread(connect, port)) as sock:
            sock.sendall(get("/echo"))
            assert (await in_thread(sock.recv, 1000)).startswith(b"HTTP/1.1 200")
            house.clock.pump([1] * 76)
            assert await in_thread(sock.recv, 1000) == b""


@on_the_loop
async def test_a_client_that_never_reads_is_dropped() -> None:
    def wait_for_reset(sock: socket.socket) -> int:
        poll = select.poll()
        poll.register(sock, select.POLLHUP)
        return poll.poll(20_000)[0][1]

    async with listening(Limits(unread_s=60)) as (house, port):
        with closing(await in_thread(connect, port)) as sock:
            sock.sendall(get("/a/b") * 50)  # 50 MB of answers
            reset = in_thread(wait_for_reset, sock)
            while not reset.done():
                house.clock.advance(1)
                await asyncio.sleep(0)
            assert await reset & select.POLLHUP


@on_the_loop
async def test_a_large_answer_arrives_whole_before_the_close() -> None:
    async with listening() as (_, port):
        (answer,) = await in_thread(say, port, get("/a/b", "Connection: close\r\n"))
        assert answer.body == b"x" * 1_000_000


@on_the_loop
async def test_half_closed_clients_are_answered_and_gone_ones_are_served() -> None:
    def half(port: int) -> list[Answer]:
        with closing(connect(port)) as sock:
            sock.sendall(post("/echo", b"half"))
            sock.shutdown(socket.SHUT_WR)
            return read_all(sock)

    def gone(port: int) -> None:
        with closing(connect(port)) as sock:
            sock.sendall(post("/echo", b"gone"))

    async with listening() as (house, port):
        (answer,) = await in_thread(half, port)
        assert answer.body == b"POST /echo||half"
        await in_thread(gone, port)
        while len(house.shop.calls) < 2:
            await asyncio.sleep(0)
        assert house.shop.calls[1].body == b"gone"


@on_the_loop
async def test_the_connection_limit_is_told_to_the_client() -> None:
    async with listening(Limits(connections=1)) as (_, port):
        with closing(await in_thread(connect, port)) as first:
            first.sendall(get("/echo"))
            assert (await in_thread(first.recv, 1000)).startswith(b"HTTP/1.1 200")
            (answer,) = await in_thread(say, port, get("/echo"))
            assert answer.status == 503


@on_the_loop
async def test_drain_lets_a_call_finish_and_its_answer_leave() -> None:
    async with listening() as (house, port):
        asked = in_thread(say, port, get("/wait/1"))
        while not house.shop.calls:
            await asyncio.sleep(0)
        drained = asyncio.ensure_future(house.door.drain(30))
        await asyncio.sleep(0)
        house.shop.open("1")
        assert await drained is True
        (answer,) = await asked
        assert (answer.body, answer.headers["connection"]) == (b"1", "close")


@pytest.mark.parametrize("size", [1, 7, 1000])
@on_the_loop
async def test_segments_of_any_size(size: int) -> None:
    def client(port: int) -> list[Answer]:
        data = post("/echo", b"0123456789", "Connection: close\r\n")
        with closing(connect(port)) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for start in range(0, len(data), size):
                sock.sendall(data[start : start + size])
            return read_all(sock)

    async with listening() as (_, port):
        (answer,) = await in_thread(client, port)
        assert answer.body == b"POST /echo||0123456789"


@on_the_loop
async def test_a_stream_is_read_as_it_comes_and_its_end_and_its_reader_are_noticed() -> None:
    def follow(port: int) -> tuple[bytes, bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
            connection.request("GET", "/events")
            answer = connection.getresponse()
            return answer.read(5), answer.read()

    def leave(port: int) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
            connection.request("GET", "/events")
            connection.getresponse().read(5)

    async def until(reached: Callable[[], bool]) -> None:
        while not reached():
            await asyncio.sleep(0)

    async with listening() as (house, port):
        shop = house.shop
        followed = in_thread(follow, port)
        await until(lambda: bool(shop.pipes))
        (accepted,) = house.door._connections
        transport = accepted.transport
        assert transport.getTcpKeepAlive()
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert transport.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000  # type: ignore[attr-defined]
        shop.pipes[0].write(b" and ")
        shop.pipes[0].write(b"more")
        shop.pipes[0].close()
        assert await followed == (b"first", b" and more")
        await in_thread(leave, port)
        await until(lambda: shop.gone == shop.pipes and len(shop.gone) == 2)


@on_the_loop
async def test_a_stream_that_nobody_reads_is_ended_and_takes_no_memory() -> None:
    async with listening() as (house, port):
        with closing(await in_thread(connect, port)) as client:
            client.sendall(get("/events"))
            while not house.shop.pipes:
                await asyncio.sleep(0)
            (accepted,) = house.door._connections
            transport = accepted.transport
            for _ in range(10_000):  # the kernels take some megabytes first
                house.shop.pipes[0].write(b"x" * 4096)
                assert len(transport.dataBuffer) + transport._tempDataLen < 72 * 1024  # type: ignore[attr-defined]
                if house.shop.gone:
                    break
                await asyncio.sleep(0)
            assert house.shop.gone == house.shop.pipes
