"""The front door behind TLS, on real sockets, with certificates as `dragoman tls init` makes them. Time is still a fake clock."""

from __future__ import annotations

import asyncio
import http.client
import select
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

import pytest
import requests

from adapters import authority, reactor
from adapters.reactor import utc_now
from adapters.tls import LOOK_S, ServerCertificate
from adapters.web import Limits
from tests.fakes import RecordingLog
from tests.http_peer import Answer, House, answers, on_the_loop
from tests.test_listening import MB, connect, in_thread, read_all, say
from tests.test_web import get, post


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    authority.make(folder, ["gateway.lan", "192.168.7.7"], now=utc_now())
    return folder


class Secured(House):
    """The house, with the certificate of a folder."""

    def __init__(self, folder: Path, limits: Limits | None = None) -> None:
        super().__init__(limits)
        self.told = RecordingLog()
        self.certificate = ServerCertificate(folder / "server.pem", folder / "server.key", log=self.told, seconds=self.clock.seconds)


@asynccontextmanager
async def listening(folder: Path, limits: Limits | None = None) -> AsyncIterator[tuple[Secured, int]]:
    house = Secured(folder, limits)
    port = reactor.listen("127.0.0.1:0", house.door, tls=house.certificate)
    yield house, int(port.address.rpartition(":")[2])
    await port.stop()
    done = asyncio.ensure_future(house.door.drain(1))
    while not done.done():
        await asyncio.sleep(0)
        house.clock.advance(1)


def trusting(folder: Path) -> ssl.SSLContext:
    """A client that trusts this CA alone, and is as strict as Python's ssl can be."""
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def secured(port: int, context: ssl.SSLContext, name: str = "127.0.0.1") -> ssl.SSLSocket:
    plain = connect(port)
    try:
        return context.wrap_socket(plain, server_hostname=name)
    except BaseException:
        plain.close()
        raise


def say_secured(port: int, context: ssl.SSLContext, data: bytes, name: str = "127.0.0.1") -> list[Answer]:
    with closing(secured(port, context, name)) as sock:
        sock.sendall(data)
        return read_all(sock)


def refusal(port: int, context: ssl.SSLContext, name: str = "127.0.0.1") -> str:
    """Why there is no connection, in OpenSSL's word, read off the first answer where the handshake still seemed to succeed."""
    with pytest.raises(ssl.SSLError) as refused, closing(secured(port, context, name)) as sock:
        sock.recv(1)
    return str(refused.value.reason)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "gateway.lan", "192.168.7.7"])
@on_the_loop
async def test_who_trusts_the_ca_alone_is_answered(folder: Path, name: str) -> None:
    async with listening(folder) as (house, port):
        (answer,) = await in_thread(say_secured, port, trusting(folder), get("/echo", "Connection: close\r\n"), name)
        assert answer.body == b"GET /echo||"
        assert house.shop.calls[0].scheme == "https"


@on_the_loop
async def test_who_trusts_another_ca_or_wants_another_name_goes_away(folder: Path, tmp_path: Path) -> None:
    authority.make(tmp_path, [], now=utc_now())
    async with listening(folder) as (house, port):
        assert await in_thread(refusal, port, trusting(tmp_path)) == "CERTIFICATE_VERIFY_FAILED"
        assert await in_thread(refusal, port, trusting(folder), "other.lan") == "CERTIFICATE_VERIFY_FAILED"
        assert house.shop.calls == []


@pytest.mark.parametrize("host", ["sms.example.org", "203.0.113.9"])
@on_the_loop
async def test_the_ca_is_held_to_its_bounds_by_openssl(folder: Path, tmp_path: Path, host: str) -> None:
    """A certificate that its stolen key could sign, for a name outside."""
    for name in ("ca.pem", "ca.key"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    ca, key = authority.read(folder / "ca.pem"), authority._read_key(folder / "ca.key")
    authority._write_server(tmp_path, ca, key, authority._names([host]), utc_now())
    async with listening(tmp_path) as (_, port):
        with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
            await in_thread(secured, port, trusting(folder), host)


@on_the_loop
async def test_a_connection_is_kept_and_pipelined_requests_are_answered_in_order(folder: Path) -> None:
    def client(port: int) -> list[tuple[int, bytes]]:
        with closing(http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=trusting(folder))) as connection:
            found = []
            for method, path, body in [("POST", "/echo", b"x" * 3), ("GET", "/a/b", None), ("HEAD", "/a/b", None), ("POST", "/a/b/", b"e")]:
                connection.request(method, path, body)
                local = connection.sock.getsockname()
                answer = connection.getresponse()
                found.append((answer.status, answer.read()[:20]))
                assert connection.sock is not None and connection.sock.getsockname() == local
            return found

    async with listening(folder) as (_, port):
        assert await in_thread(client, port) == [(200, b"POST /echo||xxx"), (200, b"x" * 20), (200, b""), (200, b"POST /a/b||e")]
        many = b"".join(get(f"/echo?{n}") for n in range(2000)) + get("/echo?last", "Connection: close\r\n")
        found = await in_thread(say_secured, port, trusting(folder), many)
        assert [answer.body for answer in found] == [*(b"GET /echo|%d|" % n for n in range(2000)), b"GET /echo|last|"]


@on_the_loop
async def test_a_large_answer_and_one_after_another_for_a_slow_reader_arrive_whole(folder: Path) -> None:
    def slow(port: int) -> list[Answer]:
        with closing(socket.socket()) as plain:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            plain.settimeout(20)
            plain.connect(("127.0.0.1", port))
            with closing(trusting(folder).wrap_socket(plain, server_hostname="127.0.0.1")) as sock:
                sock.sendall(get("/a/b") * 4 + get("/a/b", "Connection: close\r\n"))
                data = b""
                while piece := sock.recv(700):
                    data += piece
                return list(answers(data))

    async with listening(folder) as (_, port):
        assert [answer.body for answer in await in_thread(slow, port)] == [b"x" * 1_000_000] * 5


@on_the_loop
async def test_a_client_that_never_reads_is_dropped(folder: Path) -> None:
    def wait_for_end(sock: ssl.SSLSocket) -> int:
        poll = select.poll()
        poll.register(sock, select.POLLHUP)
        return poll.poll(20_000)[0][1]

    async with listening(folder, Limits(unread_s=60)) as (house, port):
        with closing(await in_thread(secured, port, trusting(folder))) as sock:
            await in_thread(sock.sendall, get("/a/b") * 50)
            dropped = in_thread(wait_for_end, sock)
            while not dropped.done():
                house.clock.advance(1)
                await asyncio.sleep(0)
            assert await dropped & select.POLLHUP


@on_the_loop
async def test_who_sends_30_mb_first_sees_the_answer(folder: Path) -> None:
    def client(port: int) -> tuple[int, bytes]:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(f"https://127.0.0.1:{port}/echo", data=b"x" * (30 * MB), verify=str(folder / "ca.pem"))
            return answer.status_code, answer.content[:16]

    async with listening(folder) as (house, port):
        assert await in_thread(client, port) == (413, b"shop: too_large:")
        assert house.shop.calls == []


@on_the_loop
async def test_a_body_in_pieces_and_a_body_that_stalls(folder: Path) -> None:
    def in_pieces(port: int) -> list[Answer]:
        data = post("/echo", b"0123456789", "Connection: close\r\n")
        with closing(secured(port, trusting(folder))) as sock:
            for start in range(0, len(data), 7):
                sock.sendall(data[start : start + 7])
            return read_all(sock)

    async with listening(folder, Limits(stall_s=10)) as (house, port):
        (answer,) = await in_thread(in_pieces, port)
        assert answer.body == b"POST /echo||0123456789"
        with closing(await in_thread(secured, port, trusting(folder))) as sock:
            await in_thread(sock.sendall, get("/echo", "Content-Length: 2\r\nExpect: 100-continue\r\n", "POST"))
            assert (await in_thread(sock.recv, 100)).startswith(b"HTTP/1.1 100")
            house.clock.pump([1] * 11)
            (answer,) = await in_thread(read_all, sock)
            assert (answer.status, answer.headers["connection"]) == (408, "close")


@on_the_loop
async def test_the_connection_limit_is_told(folder: Path) -> None:
    async with listening(folder, Limits(connections=1)) as (_, port):
        with closing(await in_thread(secured, port, trusting(folder))) as first:
            await in_thread(first.sendall, get("/echo"))
            assert (await in_thread(first.recv, 1000)).startswith(b"HTTP/1.1 200")
            (answer,) = await in_thread(say_secured, port, trusting(folder), b"")
            assert answer.status == 503


@on_the_loop
async def test_drain_lets_a_call_finish(folder: Path) -> None:
    async with listening(folder) as (house, port):
        asked = in_thread(say_secured, port, trusting(folder), get("/wait/1"))
        while not house.shop.calls:
            await asyncio.sleep(0)
        drained = asyncio.ensure_future(house.door.drain(30))
        await asyncio.sleep(0)
        house.shop.open("1")
        assert await drained is True
        (answer,) = await asked
        assert (answer.body, answer.headers["connection"]) == (b"1", "close")


@on_the_loop
async def test_plain_http_and_silence_at_the_tls_port_are_closed_without_a_word(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async with listening(folder, Limits(idle_s=75)) as (house, port):
        assert await in_thread(say, port, get("/echo")) == []
        with closing(await in_thread(connect, port)) as silent:
            closed = in_thread(silent.recv, 1)  # there is no TLS to end with a word, so it is reset
            while not closed.done():
                house.clock.advance(1)
                await asyncio.sleep(0)
            with pytest.raises(ConnectionResetError):
                await closed
            assert house.clock.seconds() > 75
        (answer,) = await in_thread(say_secured, port, trusting(folder), get("/echo", "Connection: close\r\n"))
        assert answer.status == 200
        assert (house.log.lines, house.told.lines, len(house.shop.calls)) == ([], [], 1)
    assert capfd.readouterr() == ("", "")


def old(context: ssl.SSLContext) -> None:
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1


def weak(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES256-SHA")


@pytest.mark.parametrize(
    ("spoil", "reason"), [(old, "TLSV1_ALERT_PROTOCOL_VERSION"), (weak, "SSLV3_ALERT_HANDSHAKE_FAILURE")], ids=["TLS 1.1", "CBC"]
)
@on_the_loop
async def test_old_tls_and_weak_suites_are_refused(folder: Path, spoil: Callable[[ssl.SSLContext], None], reason: str) -> None:
    context = trusting(folder)
    spoil(context)
    async with listening(folder) as (house, port):
        assert await in_thread(refusal, port, context) == reason
        assert house.log.lines == []


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@on_the_loop
async def test_what_is_agreed_on(folder: Path, version: ssl.TLSVersion) -> None:
    context = trusting(folder)
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with listening(folder) as (_, port):
        with closing(await in_thread(secured, port, context)) as sock:
            assert (sock.version(), sock.selected_alpn_protocol()) == (version.name.replace("_", "."), "http/1.1")


def served(port: int, context: ssl.SSLContext) -> bytes:
    with closing(secured(port, context)) as sock:
        return sock.getpeercert(binary_form=True) or b""


@on_the_loop
async def test_a_renewed_certificate_is_served_without_a_restart_and_a_broken_one_is_not(tmp_path: Path) -> None:
    authority.make(tmp_path, [], now=utc_now())
    async with listening(tmp_path) as (house, port):
        first = await in_thread(served, port, trusting(tmp_path))
        authority.renew(tmp_path, [], now=utc_now())
        assert await in_thread(served, port, trusting(tmp_path)) == first, "it is not looked for at each connection"
        house.clock.advance(LOOK_S)
        second = await in_thread(served, port, trusting(tmp_path))
        assert second != first and house.told.events == ["certificate_changed"]

        (tmp_path / "server.pem").write_text("half a certif")
        for _ in range(3):
            house.clock.advance(LOOK_S)
            assert await in_thread(served, port, trusting(tmp_path)) == second
        assert house.told.events == ["certificate_changed", "certificate_unusable"], "said once"
        (tmp_path / "server.pem").unlink()
        house.clock.advance(LOOK_S)
        assert await in_thread(served, port, trusting(tmp_path)) == second

        authority.renew(tmp_path, ["10.0.0.1"], now=utc_now() + timedelta(seconds=1))
        house.clock.advance(LOOK_S)
        assert await in_thread(served, port, trusting(tmp_path)) not in (first, second)
