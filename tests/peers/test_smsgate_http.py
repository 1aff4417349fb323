"""The light HTTP client on real sockets, and the program: what only a kernel can show."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import zlib
from pathlib import Path

import pytest

from tests.fakes import on_the_loop
from tests.peers.scripted_gateway import ScriptedGateway, answer, on_a_socket
from tests.peers.smsgate_faults import Reception
from tests.peers.smsgate_house import NUMBER, message
from tests.peers.smsgate_http import Internet, Patience, Request

SOON = Patience(connect_s=5, idle_s=5, total_s=10)


async def serve(*replies: bytes) -> tuple[asyncio.Server, str, list[int]]:
    """Each connection is given one reply for each request, piece by piece; `counts` has the requests of each."""
    counts: list[int] = []
    left = list(replies)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        place = len(counts)
        counts.append(0)
        try:
            while left and await reader.readuntil(b"\r\n\r\n"):
                counts[place] += 1
                reply = left.pop(0)
                for byte in reply:
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0)
                if b"keep" not in reply:
                    break
        except asyncio.IncompleteReadError:
            pass
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", counts


ZIPPED = zlib.compressobj(wbits=31)
GZIP = ZIPPED.compress(b"zipped") + ZIPPED.flush()


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", (200, b"abc")),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n", (200, b"abc")),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", (200, b"until the end")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", (204, b"")),
        (b"HTTP/1.1 500 \r\nContent-Length: 0\r\n\r\n", (500, b"")),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(GZIP), GZIP), (200, b"zipped")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", None),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", None),
        (b"HTTP/1.1 200", None),
        (b"", None),
    ],
)
@on_the_loop
async def test_an_answer_is_read_byte_by_byte(reply: bytes, expected: tuple[int, bytes] | None) -> None:
    server, url, _ = await serve(reply)
    network = Internet()
    try:
        if expected is None:
            with pytest.raises(ConnectionResetError):
                await network.exchange(Request(method="GET", url=url), SOON)
        else:
            found = await network.exchange(Request(method="GET", url=url), SOON)
            assert (found.status, found.body) == expected
    finally:
        network.close()
        server.close()


@on_the_loop
async def test_a_connection_is_kept_and_one_that_died_meanwhile_is_made_anew() -> None:
    """OkHttp, RetryAndFollowUpInterceptor.kt"""
    keep = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nkeep"
    server, url, counts = await serve(keep, keep, b"", keep)
    network = Internet()
    for _ in range(3):
        assert (await network.exchange(Request(method="GET", url=url), SOON)).body == b"keep"
    assert counts == [3, 1]
    network.close()
    server.close()


@on_the_loop
async def test_silence_and_refusal_are_errors_of_the_network() -> None:
    gateway = ScriptedGateway()
    network = Internet()
    impatient = Patience(idle_s=0.05)
    async with on_a_socket(gateway) as url, network.stream(Request(method="GET", url=f"{url}/events"), impatient) as stream:
        with pytest.raises(TimeoutError):
            await stream.read()
    with pytest.raises(OSError):
        await network.exchange(Request(method="GET", url=f"{url}/device"), SOON)
    network.close()


@on_the_loop
async def test_a_cut_is_told_to_who_reads() -> None:
    gateway = ScriptedGateway()
    reception = Reception(Internet())
    async with on_a_socket(gateway) as url, reception.stream(Request(method="GET", url=f"{url}/events"), SOON) as stream:
        reading = asyncio.ensure_future(stream.read())
        await asyncio.sleep(0)
        reception.cut()
        with pytest.raises(ConnectionResetError):
            await reading
    reception.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1, its own authority; and a server's side of it."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key(), serial_number=1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    certificate, private = folder / "ca.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private)
    return certificate, context


@on_the_loop
async def test_tls_is_verified(authority: tuple[Path, ssl.SSLContext]) -> None:
    certificate, context = authority
    trusting, strange = Internet(ssl.create_default_context(cafile=certificate)), Internet()
    async with on_a_socket(ScriptedGateway(), ssl=context) as url:
        assert (await trusting.exchange(Request(method="GET", url=f"{url}/device"), SOON)).status == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            await strange.exchange(Request(method="GET", url=f"{url}/device"), SOON)
        trusting.close()


ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize(("kill_at", "copies"), [("pulled", 1), ("stored", 1), ("transmitted", 2), ("sent", 1)])
@on_the_loop
async def test_the_program_killed_there_and_started_again_goes_on(kill_at: str, copies: int, tmp_path: Path) -> None:
    gateway = ScriptedGateway(messages=[message(textMessage={"text": "hé 😀"})])
    async with on_a_socket(gateway) as url:
        files = ["--memory", str(tmp_path / "phones.db"), "--air", str(tmp_path / "air")]
        program = [sys.executable, "-m", "tests.peers.smsgate_phone", "--url", url, "--private-token", "t", *files]
        first = await asyncio.create_subprocess_exec(*program, "--kill-at", kill_at, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        await first.communicate()
        assert first.returncode == -9
        assert gateway.reports() == []
        again = await asyncio.create_subprocess_exec(*program, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        assert again.stdout is not None
        assert [json.loads(await again.stdout.readline()) for _ in range(2)] == [{"phone": 0, "id": "device-1"}, {"ready": 1}]
        while ("m1", "Delivered") not in gateway.reports():
            await asyncio.sleep(0.05)
        again.kill()
        await again.communicate()
    assert (tmp_path / "air").read_text() == f"m1 {NUMBER} 29331de0885ac3ea\n" * copies


@pytest.mark.slow
@on_the_loop
async def test_the_program_is_many_phones_and_obeys(tmp_path: Path) -> None:
    hook = {"id": "h1", "event": "sms:received"}
    gateway = ScriptedGateway()
    async with on_a_socket(gateway) as url:
        gateway.hooks = [hook | {"url": f"{url}/hook"}]
        gateway.script["POST /hook"] = [answer(204)]
        program = [sys.executable, "-m", "tests.peers.smsgate_phone", "--url", url, "--private-token", "t", "--phones", "20"]
        phones = await asyncio.create_subprocess_exec(*program, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        assert phones.stdout is not None and phones.stdin is not None
        while json.loads(await phones.stdout.readline()) != {"ready": 20}:
            pass
        while len(gateway.streams) < 20 or len(gateway.named("GET /webhooks")) < 20:
            await asyncio.sleep(0.05)
        phones.stdin.write(json.dumps({"do": "receive", "phone": 7, "sender": NUMBER, "text": "Yes"}).encode() + b"\n")
        while not gateway.named("POST /hook"):
            await asyncio.sleep(0.05)
        phones.kill()
        await phones.communicate()
    assert gateway.bodies("POST /hook")[0]["payload"]["message"] == "Yes"
    assert len(gateway.tokens) == 20
