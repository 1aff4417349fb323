"""Hostile and broken input over the wire, against a running server: each row gets its status and code and costs little, none reaches
the front door's catch-all, the server neither grows nor stumbles, and a good call afterwards is answered as ever.
"""

from __future__ import annotations

import json
import os
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.apis.hostile_soap import ROWS as SOAP_ROWS
from tests.test_server import KEY, Server

pytestmark = pytest.mark.slow

CPU_MOST_S = 0.05
GROWTH_MOST = 20 * 1024 * 1024
THIRTY_MB = 30_000_000
INTERNALS = (b"Traceback", b"lxml", b"libxml", b"xmlParse", b"spyne", b".py", b"Error:")
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
PARTS = "multipart/form-data; boundary=b"
TO = "apikey=" + KEY + "&recipients=+32470000001"


@dataclass(frozen=True)
class FormRow:
    name: str
    kind: str
    body: bytes
    content_type: str = FORM
    status: int = 400
    code: str = "invalid_parameter"
    path: str = "/sendsms/"
    announced: int | None = None
    """a Content-Length that is not the body's"""


def form(rest: str | bytes) -> bytes:
    return f"{TO}&".encode() + (rest.encode() if isinstance(rest, str) else rest)


def in_json(rest: str) -> bytes:
    return f'{{"apikey":"{KEY}","recipients":"+32470000001",{rest}}}'.encode()


def part(name: str, value: str) -> str:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'


HELLO = "message=hi&"
BAD_FIELD = {"content_type": JSON, "code": "invalid_field"}
NUL = {"code": "invalid_character"}
ROWS = [
    FormRow("percent without digits", "percent", form(HELLO + "port=%zz")),
    FormRow("percent at the end", "percent", form(HELLO + "port=1%")),
    FormRow("percent and one digit", "percent", form(HELLO + "schedule_timestamp=%4")),
    FormRow("percent in the number", "percent", f"apikey={KEY}&recipients=%2x3247&message=a".encode(), code="invalid_recipient"),
    FormRow("overlong UTF-8 in a number field", "encodings", form(HELLO.encode() + b"port=\xc0\xb1")),
    FormRow("UTF-16 body", "encodings", form("message=hi").decode().encode("utf-16"), **NUL),
    FormRow("Latin-1 where a number stands", "encodings", form(HELLO.encode() + b"validity_s=\xe9")),
    FormRow("UTF-7 number", "encodings", form(HELLO + "port=%2BADE-")),
    FormRow("NUL in the text", "NUL", form("message=a%00b"), **NUL),
    FormRow("raw NUL in the text", "NUL", form(b"message=a\0b"), **NUL),
    FormRow("NUL in a name", "NUL", form("mess%00age=b"), **NUL),
    FormRow("NUL in JSON", "NUL", in_json(r'"message":"a\u0000"'), content_type=JSON, **NUL),
    FormRow("NUL in multipart", "NUL", (part("apikey", KEY) + part("message", "a\0b") + "--b--").encode(), PARTS, **NUL),
    FormRow("half a pair in JSON", "surrogates", in_json(r'"message":"\ud83d"'), content_type=JSON, **NUL),
    FormRow("the other half", "surrogates", in_json(r'"message":"a\ude00b"'), content_type=JSON, **NUL),
    FormRow("a pair the wrong way round", "surrogates", in_json(r'"message":"\ude00\ud83d"'), content_type=JSON, **NUL),
    FormRow("half a pair as CESU-8 in a number", "surrogates", form(HELLO.encode() + b"port=\xed\xa0\xbd")),
    FormRow("a number too large to be exact", "huge numbers", in_json('"message":"a","validity_s":123456789012345678901'), **BAD_FIELD),
    FormRow("empty form", "empty", b"", code="missing_apikey"),
    FormRow("empty JSON", "empty", b"", JSON, code="missing_apikey"),
    FormRow("only separators", "empty", b"&&&===&", code="missing_apikey"),
    FormRow("empty multipart", "empty", b"--b--\r\n", PARTS, code="missing_apikey"),
    FormRow("nothing but a key", "empty", f"apikey={KEY}".encode(), code="missing_parameter"),
    FormRow("no text", "empty", form("message="), code="missing_parameter"),
    FormRow("5,000 digits", "huge numbers", form(HELLO + "schedule_timestamp=" + "9" * 5000)),
    FormRow("a year beyond the calendar", "huge numbers", form(HELLO + "schedule_timestamp=99999999999")),
    FormRow("2 to the 64th", "huge numbers", form(HELLO + "validity_s=18446744073709551616")),
    FormRow("an exponent", "huge numbers", in_json('"message":"a","validity_s":1e400'), content_type=JSON, code="invalid_json"),
    FormRow(
        "a million digits in JSON", "huge numbers", in_json(f'"message":"a","port":{"9" * 900_000}'), content_type=JSON, code="invalid_json"
    ),
    FormRow(
        "a long number to send to", "huge numbers", f"apikey={KEY}&message=a&recipients={'3' * 9000}".encode(), code="invalid_recipient"
    ),
    FormRow("a word for a SIM", "wrong types", form(HELLO + "port=first")),
    FormRow("a negative SIM", "wrong types", form(HELLO + "port=-1")),
    FormRow("an object for a text", "wrong types", in_json('"message":{"a":1}'), **BAD_FIELD),
    FormRow("lists in a list", "wrong types", in_json('"message":"a","port":[[1]]'), **BAD_FIELD),
    FormRow("a list for an answer", "wrong types", b"[1,2,3]", JSON, code="invalid_json"),
    FormRow("a deep list", "wrong types", b'{"a":' + b"[" * 100_000 + b"}", JSON, code="invalid_json"),
    FormRow("XML for a form", "wrong types", b"<a/>", "text/xml", code="missing_apikey"),
    FormRow("a date for a time", "wrong types", form(HELLO + "schedule_timestamp=2026-11-22")),
    FormRow("10,000 fields", "floods", "&".join(f"a{n}=1" for n in range(10_000)).encode(), code="too_many_fields"),
    FormRow("a field name of 10,000 letters", "floods", b"a" * 10_000 + b"=1", code="invalid_field"),
    FormRow("2,000 parts", "floods", ("".join(part(f"a{n}", "b") for n in range(2000)) + "--b--").encode(), PARTS, code="too_many_fields"),
    FormRow("1,001 recipients", "floods", f"apikey={KEY}&message=a&recipients={'%2B32470000001,' * 1001}".encode()),
    FormRow("a text of 300 segments", "floods", form("message=" + "a" * 46_000)),
    FormRow("30 MB form", "30 MB", form("message=" + "a" * THIRTY_MB), status=413, code="too_large"),
    FormRow("30 MB of JSON", "30 MB", in_json(f'"message":"{"a" * THIRTY_MB}"'), JSON, status=413, code="too_large"),
    FormRow("30 MB of separators", "30 MB", b"&" * THIRTY_MB, status=413, code="too_large"),
    FormRow("30 MB announced, nothing sent", "30 MB", b"", status=413, code="too_large", announced=THIRTY_MB),
    FormRow("no boundary", "multipart", part("message", "a").encode(), "multipart/form-data", code="invalid_multipart"),
    FormRow("no last boundary", "multipart", part("message", "a").encode(), PARTS, code="invalid_multipart"),
    FormRow(
        "a part without a name", "multipart", b"--b\r\nContent-Disposition: form-data\r\n\r\na\r\n--b--", PARTS, code="invalid_multipart"
    ),
    FormRow("a guid that is none", "log", f"apikey={KEY}&before=zzz".encode(), path="/log/sent/sms/"),
]


def exchange(port: int, path: str, body: bytes, content_type: str, announced: int | None) -> tuple[int, bytes]:
    """(status, body) of the answer; sends on until the server has answered, as a client that does not listen meanwhile would."""
    length = len(body) if announced is None else announced
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
        peer.sendall(head.encode())
        if body:
            peer.sendall(body)
        answer = b""
        while piece := peer.recv(65536):
            answer += piece
    top, _, rest = answer.partition(b"\r\n\r\n")
    return int(top.split()[1]), rest


def code_of(answer: bytes) -> str:
    if answer.startswith(b"{"):
        return str(json.loads(answer)["result"]["error"])
    return answer.partition(b'<code xmlns="urn:sendSms">')[2].partition(b"<")[0].decode()


def family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def cpu_s(pids: list[int]) -> float:
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(pids: list[int]) -> int:
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("hostile") / "data", DRAGOMAN_SIMULATOR="1", DRAGOMAN_BOOTSTRAP_API_KEY=KEY)
    try:
        yield started.wait_ready()
    finally:
        started.process.kill()
        started.process.wait(10)


def good_call(server: Server) -> None:
    answer = server.get("/sendsms", {"recipients": "+32470000001", "message": "good", "apikey": KEY})
    assert answer["result"]["error"] == 0


def test_the_table_is_broad() -> None:
    kinds = Counter((type(row).__name__, row.kind) for row in [*SOAP_ROWS, *ROWS])
    assert sum(kinds.values()) >= 60
    named = {"percent", "encodings", "NUL", "surrogates", "empty", "huge numbers", "wrong types", "30 MB"}
    assert all(kinds["FormRow", kind] >= 3 for kind in named), kinds
    assert all(count >= 3 for (table, _), count in kinds.items() if table == "Row"), kinds


def test_every_row_gets_its_answer_at_little_cost(server: Server) -> None:
    good_call(server)
    pids = family(server.process.pid)
    before = memory(pids)
    wrong: list[str] = []
    for row in [*SOAP_ROWS, *ROWS]:
        path = row.path if isinstance(row, FormRow) else "/sendsms/soap"
        announced = row.announced if isinstance(row, FormRow) else None
        began = cpu_s(pids)
        status, answer = exchange(server.port, path, row.body, row.content_type, announced)
        took = cpu_s(pids) - began
        if (status, code_of(answer)) != (row.status, row.code):
            wrong.append(f"{row.name}: {status} {code_of(answer)}, not {row.status} {row.code}")
        if took > CPU_MOST_S:
            wrong.append(f"{row.name}: {took:.3f} s of CPU")
        if any(word in answer for word in INTERNALS):
            wrong.append(f"{row.name}: internals in the answer")
    assert not wrong, "\n".join(wrong)
    assert memory(pids) - before < GROWTH_MOST
    log = server.log.read_text()
    assert "handler failed" not in log and "Traceback" not in log
    good_call(server)
