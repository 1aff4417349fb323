"""The poster against real receivers on the loopback: whatever they do, a call ends, and it goes where it may go."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from adapters.poster import MOST_KEPT, MOST_READ, Poster, may_call
from service.errors import PostFailed
from service.ports import Answer
from tests.fakes import on_the_loop
from tests.postbox import Receiver, receiving

LOOPBACK = (ip_network("127.0.0.0/8"),)
HEADERS = (("Content-Type", "application/json"), ("X-A", "b"))


async def post(url: str, body: bytes = b"{}", poster: Poster | None = None) -> Answer:
    return await (poster or Poster(LOOPBACK)).post(url, HEADERS, body)


@on_the_loop
async def test_a_call_has_what_receivers_need() -> None:
    async with receiving(Receiver()) as receiver:
        assert await post(receiver.url, "é".encode()) == Answer(status=200, beginning="ok")
    lines = receiver.heads[0].split("\r\n")
    assert lines[0] == "POST /hook?x=1 HTTP/1.1"
    assert {f"Host: 127.0.0.1:{receiver.port}", "Content-Length: 2", "Content-Type: application/json", "X-A: b"} <= set(lines)
    assert receiver.bodies == ["é".encode()]


LONG = b"x" * (MOST_READ + 1)
ANSWERS = {
    "chunked": (b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", 202, "hi"),
    "to the end": (b"HTTP/1.0 200 OK\r\n\r\nuntil I close", 200, "until I close"),
    "no body": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
    "hints first": (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 500 No\r\nContent-Length: 1\r\n\r\n!", 500, "!"),
    "too long": (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(LONG), LONG), 200, "x" * MOST_KEPT),
    "cut off": (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf", 200, "half"),
    "redirect": (b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n", 302, ""),
}


@pytest.mark.parametrize("name", ANSWERS)
@on_the_loop
async def test_an_answer_is_read_up_to_a_bound(name: str) -> None:
    said, status, beginning = ANSWERS[name]
    async with receiving(Receiver(answer=said)) as receiver:
        assert await post(receiver.url) == Answer(status=status, beginning=beginning)
    assert receiver.connections == 1


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01", b"SSH-2.0-x\r\n", b"HTTP/1.1 200"])
@on_the_loop
async def test_what_is_no_answer_is_a_failure(said: bytes) -> None:
    async with receiving(Receiver(answer=said)) as receiver:
        with pytest.raises(PostFailed):
            await post(receiver.url)


@on_the_loop
async def test_a_receiver_that_hangs_is_left() -> None:
    never = asyncio.Event()
    async with receiving(Receiver(before_answer=never.wait)) as receiver:
        with pytest.raises(PostFailed, match="did not answer within"):
            await post(receiver.url, poster=Poster(LOOPBACK, whole_s=0.05))
        never.set()


@on_the_loop
async def test_a_receiver_that_drips_for_ever_has_answered() -> None:
    never = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1")
        await never.wait()
        writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    assert await post(url, poster=Poster(LOOPBACK, whole_s=0.05)) == Answer(status=200, beginning="1")
    never.set()
    server.close()


@on_the_loop
async def test_a_receiver_that_never_ends_is_cut_off() -> None:
    said = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal said
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while said < 100 * MOST_READ:
                said += MOST_READ
                writer.write(b"x" * MOST_READ)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    server = await asyncio.start_server(pour, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    assert await post(url) == Answer(status=200, beginning="x" * MOST_KEPT)
    server.close()
    assert said < 100 * MOST_READ


@on_the_loop
async def test_a_receiver_that_is_not_there_is_a_failure() -> None:
    async with receiving(Receiver()) as receiver:
        pass
    with pytest.raises(PostFailed, match="refused the connection"):
        await post(receiver.url)


# where it may go

PUBLIC = ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "1.1.1.1"]
INSIDE = [
    *("127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "255.255.255.255"),
    *("224.0.0.1", "239.1.1.1", "240.0.0.1", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::"),
    *("2001:0:4136:e378:8000:63bf:80ff:fffe", "2001:db8::1", "::127.0.0.1"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_called(address: str) -> None:
    assert may_call(ip_address(address), ())


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_inside_may_not(address: str) -> None:
    assert not may_call(ip_address(address), ())
    literal = f"http://[{address}]/" if ":" in address else f"http://{address}/"
    assert "is not a public address" in (Poster().objection(literal) or "")


def test_the_operator_can_allow_a_network_and_only_that() -> None:
    networks = (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))
    allowed = {a: may_call(ip_address(a), networks) for a in ("10.1.2.3", "::ffff:10.1.2.3", "fd00::1", "10.2.0.1", "127.0.0.1")}
    assert list(allowed.values()) == [True, True, True, False, False]
    assert Poster(networks).objection("http://10.1.2.3/") is None
    assert Poster().objection("http://localhost/") is None, "a name is resolved when it is called"


class Dns:
    """A resolver that answers otherwise each time, the last answer for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.mark.parametrize("url", ["http://{}/", "http://localhost:{}/", "http://2130706433:{}/", "http://0x7f.1:{}/", "http://[::1]:{}/"])
@on_the_loop
async def test_nothing_inside_is_connected_to_however_it_is_written(url: str) -> None:
    async with receiving(Receiver()) as receiver:
        with pytest.raises(PostFailed, match=r"not a public address|cannot be resolved"):
            await post(url.format(receiver.port if ":{}" in url else f"127.0.0.1:{receiver.port}"), poster=Poster())
    assert receiver.connections == 0


@on_the_loop
async def test_a_name_that_leads_inside_is_refused_after_resolution() -> None:
    dns = Dns(["10.0.0.1", "169.254.169.254"])
    with pytest.raises(PostFailed, match=r"10\.0\.0\.1, 169\.254\.169\.254 is not a public address"):
        await post("http://shop.test/", poster=Poster(resolve=dns))
    assert dns.asked == [("shop.test", 80)]


@on_the_loop
async def test_a_name_is_resolved_once_and_connected_to_where_it_was_checked() -> None:
    """127.0.0.2 plays the public address; the name would lead to 127.0.0.1 the second time, where somebody listens."""
    dns = Dns(["127.0.0.2"], ["127.0.0.1"])
    async with receiving(Receiver()) as receiver:
        with pytest.raises(PostFailed, match="refused the connection"):
            await post(f"http://shop.test:{receiver.port}/", poster=Poster((ip_network("127.0.0.2/32"),), resolve=dns))
        assert (receiver.connections, len(dns.asked)) == (0, 1)
        with pytest.raises(PostFailed, match="is not a public address"):
            await post(f"http://shop.test:{receiver.port}/", poster=Poster((ip_network("127.0.0.2/32"),), resolve=dns))
        assert receiver.connections == 0


@on_the_loop
async def test_of_several_addresses_only_those_that_may_be_called_are_tried() -> None:
    async with receiving(Receiver()) as receiver:
        dns = Dns(["127.0.0.3", "127.0.0.1"])
        poster = Poster((ip_network("127.0.0.1/32"),), resolve=dns)
        assert (await post(f"http://shop.test:{receiver.port}/", poster=poster)).status == 200
    assert f"Host: shop.test:{receiver.port}" in receiver.heads[0]


@on_the_loop
async def test_a_name_server_that_hangs_is_left() -> None:
    async def hang(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(PostFailed, match="could not be reached within"):
        await post("http://shop.test/", poster=Poster(resolve=hang, connect_s=0.01))


# TLS


def certificate(folder: Path, name: str) -> Path:
    path = folder / f"{name}.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(path)]
    subprocess.run(
        [*command, "-out", f"{path}.crt", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"], check=True, capture_output=True
    )
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@on_the_loop
async def test_tls_is_verified_against_the_name(tmp_path: Path) -> None:
    good = certificate(tmp_path, "shop.test")
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context(cafile=str(good))
    server.load_cert_chain(good)
    names: list[str | None] = []
    server.sni_callback = lambda _, name, __: names.append(name)
    dns = Dns(["127.0.0.1"])
    async with receiving(Receiver(), tls=server) as receiver:
        trusting = Poster(LOOPBACK, resolve=dns, tls=client)
        assert (await post(f"https://shop.test:{receiver.port}/", poster=trusting)).status == 200
        for host, poster in (("other.test", trusting), ("shop.test", Poster(LOOPBACK, resolve=dns))):
            with pytest.raises(PostFailed, match="certificate that does not hold"):
                await post(f"https://{host}:{receiver.port}/", poster=poster)
    assert (len(receiver.bodies), names) == (1, ["shop.test", "other.test", "shop.test"])
