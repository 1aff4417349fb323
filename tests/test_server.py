"""The program as an operator meets it: started as a process, on a real port, stopped by a signal."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import ssl
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters import authority

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
KEY = "a-key-for-this-test-only"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """`python run_server.py` with settings of its own."""

    def __init__(self, data: Path, **settings: str) -> None:
        self.port = free_port()
        clean = {name: value for name, value in os.environ.items() if not name.startswith("DRAGOMAN_")}
        own = {"DRAGOMAN_LISTEN": f"127.0.0.1:{self.port}", "DRAGOMAN_DATA": str(data), "DRAGOMAN_LOG": "json", **settings}
        self.log = data.parent / f"log-{self.port}"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([sys.executable, str(ROOT / "run_server.py")], env=clean | own, stderr=log)

    def wait_ready(self) -> Server:
        for _ in range(400):
            assert self.process.poll() is None, self.log.read_text()
            try:
                assert self.get("/health")["ready"]
                return self
            except OSError:
                time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def get(self, path: str, form: dict[str, str] | None = None) -> dict:
        body = urllib.parse.urlencode(form).encode() if form else None
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", body, timeout=10) as answer:
            return json.load(answer)

    def wait_row(self, guid: str, key: str, done: str) -> dict:
        for _ in range(400):
            rows = self.get(f"/log/sent/sms?apikey={key}&guid_message={guid}")["result"]["sms"]
            if rows and rows[0][done]:
                return rows[0]
            time.sleep(0.05)
        raise AssertionError("it did not happen")

    def wait_received(self, key: str, filters: str) -> dict:
        """The newest row, once all that the simulated phone received is there."""
        for _ in range(400):
            rows = self.get(f"/getsms?apikey={key}&{filters}")["result"]["sms"]
            if rows and rows[0]["message"] == "pong":
                return rows[0]
            time.sleep(0.05)
        raise AssertionError("it did not happen")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Server]]:
    started: list[Server] = []
    yield started
    for server in started:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait(10)


def test_a_message_goes_the_whole_road_and_sigterm_ends_cleanly(tmp_path: Path, servers: list[Server]) -> None:
    data = tmp_path / "data"
    server = Server(data, DRAGOMAN_SIMULATOR="1", DRAGOMAN_BOOTSTRAP_API_KEY=KEY)
    servers.append(server)
    server.wait_ready()
    sent = server.get("/sendsms/", {"recipients": "+32470000001", "message": "a text that no log has", "apikey": KEY})["result"]
    assert sent["error"] == 0 and sent["sent"] == "1" and sent["note"] == "sent by mobile"
    row = server.wait_row(sent["id"], KEY, "send_from_mobile")
    assert row["recipients"] == "32470000001" and row["sms"] == "a text that no log has"
    assert (data / "radio.log").read_text() == f"{sent['id']} +32470000001\n"
    assert server.stop() == 0
    log = server.log.read_text()
    assert KEY not in log and "a text that no log has" not in log
    assert all(json.loads(line)["event"] for line in log.splitlines())


def test_the_first_key_is_written_where_only_its_owner_reads_it(tmp_path: Path, servers: list[Server]) -> None:
    data = tmp_path / "data"
    server = Server(data)
    servers.append(server)
    server.wait_ready()
    file = data / "first-api-key"
    secret = file.read_text().strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(data.stat().st_mode) == 0o700
    assert secret not in server.log.read_text() and "first-api-key" in server.log.read_text()
    answer = server.get("/sendsms", {"recipients": "+32470000001", "message": "hi", "apikey": secret})["result"]
    assert answer["note"] == "waiting for a phone to connect"
    assert server.stop() == 0
    file.unlink()
    again = Server(data)
    servers.append(again)
    again.wait_ready()
    assert not file.exists(), "the key is shown on the very first start only"
    assert again.wait_row(answer["id"], secret, "guid_message")["sms"] == "hi"


def test_a_second_server_on_the_same_data_is_refused(tmp_path: Path, servers: list[Server]) -> None:
    server = Server(tmp_path / "data")
    servers.append(server)
    server.wait_ready()
    second = Server(tmp_path / "data")
    servers.append(second)
    assert second.process.wait(30) == 1
    assert f"pid {server.process.pid}" in second.log.read_text()
    third = Server(tmp_path / "other", DRAGOMAN_DATABASE_URL=f"sqlite:///{tmp_path}/data/dragoman.db")
    servers.append(third)
    assert third.process.wait(30) == 1, "the database is locked too, whatever the data folder"
    assert "another dragoman server" in third.log.read_text()
    assert server.get("/health")["ready"]


def test_a_port_in_use_and_wrong_settings_are_said(tmp_path: Path, servers: list[Server]) -> None:
    server = Server(tmp_path / "data")
    servers.append(server)
    server.wait_ready()
    second = Server(tmp_path / "other", DRAGOMAN_LISTEN=f"127.0.0.1:{server.port}")
    servers.append(second)
    assert second.process.wait(30) == 1
    assert f"cannot listen on 127.0.0.1:{server.port}" in second.log.read_text()
    wrong = Server(tmp_path / "third", DRAGOMAN_SIMULATOR="many", DRAGOMAN_LOG="loud", DRAGOMAN_LISTENS="x")
    servers.append(wrong)
    assert wrong.process.wait(30) == 2
    assert [line.split(":")[1].strip() for line in sorted(wrong.log.read_text().splitlines())] == [
        "DRAGOMAN_LISTENS",
        "DRAGOMAN_LOG",
        "DRAGOMAN_SIMULATOR",
    ]


def test_what_a_phone_receives_reaches_the_inbox_and_its_conversation(tmp_path: Path, servers: list[Server]) -> None:
    behaviour = json.dumps({"replies": {"ping": "pong"}, "reply_after_s": 0.2, "incoming": [["+32470000009", "from before"]]})
    for _ in range(2):
        server = Server(tmp_path / "data", DRAGOMAN_SIMULATOR="1", DRAGOMAN_BOOTSTRAP_API_KEY=KEY, DRAGOMAN_SIMULATOR_BEHAVIOUR=behaviour)
        servers.append(server)
        server.wait_ready()
        server.get("/sendsms/", {"recipients": "+32470000001", "message": "ping", "apikey": KEY})
        assert server.wait_received(KEY, "onlyunread=yes")["message"] == "pong"
        (newest, *_) = server.get(f"/getsms?apikey={KEY}")["result"]["sms"]
        assert server.get(f"/getsms/set-read?apikey={KEY}&guid_message={newest['guid']}")["result"]["error"] == "0"
        if newest["id"] == 2:
            assert server.stop() == 0
    rows = server.get(f"/getsms?apikey={KEY}")["result"]["sms"]
    assert [(row["id"], row["number"], row["message"]) for row in rows] == [
        (3, "+32470000001", "pong"),
        (2, "+32470000001", "pong"),
        (1, "+32470000009", "from before"),
    ], "what the phone still has after a restart is no new message, and a second answer is one"
    listed = server.get(f"/conversation/sms/list?apikey={KEY}&origineConversation=received&numero=0032470000001")["conversations"]
    assert [(line["direction"], line["message"]) for line in listed[0]["messages"]] == [
        ("outgoing", "ping"),
        ("incoming", "pong"),
        ("outgoing", "ping"),
        ("incoming", "pong"),
    ]
    (phone,) = server.get(f"/gateway/mobile/list?apikey={KEY}")["result"]["mobiles"]
    assert phone["online"] is True
    assert server.get(f"/gateway/mobile/delete?apikey={KEY}&sid={phone['sid']}")["result"]["error"] == "0"
    assert server.get(f"/gateway/mobile/list?apikey={KEY}")["result"]["mobiles"] == []
    waits = server.get("/sendsms/", {"recipients": "+32470000001", "message": "ping", "apikey": KEY})["result"]
    assert waits["note"] == "waiting for a phone to connect"
    assert server.stop() == 0
    assert "pong" not in server.log.read_text()


def https(folder: Path, port: int, path: str, **headers: str) -> dict:
    trusting = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    request = urllib.request.Request(f"https://127.0.0.1:{port}{path}", headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusting))
    with opener.open(request, timeout=10) as answer:
        return json.load(answer)


def test_https_with_the_ca_of_tls_init_beside_plain_http(tmp_path: Path, servers: list[Server]) -> None:
    folder, port = tmp_path / "data" / "tls", free_port()
    authority.make(folder, [], now=datetime.now(UTC))
    server = Server(tmp_path / "data", DRAGOMAN_LISTEN_TLS=f"127.0.0.1:{port}", DRAGOMAN_BOOTSTRAP_API_KEY=KEY)
    servers.append(server)
    server.wait_ready()
    assert https(folder, port, "/health")["ready"]
    assert https(folder, port, f"/verifytoken?apikey={KEY}") == server.get(f"/verifytoken?apikey={KEY}")
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/tls/ca.pem", timeout=10) as answer:
        assert answer.read() == (folder / "ca.pem").read_bytes()
    assert server.stop() == 0
    assert f"https://127.0.0.1:{port}" in server.log.read_text()


def test_why_https_cannot_be_served_is_said(tmp_path: Path, servers: list[Server]) -> None:
    without = Server(tmp_path / "data", DRAGOMAN_LISTEN_TLS="127.0.0.1:0")
    servers.append(without)
    assert without.process.wait(30) == 1
    assert "listen_tls needs a certificate: make one with `dragoman tls init`" in without.log.read_text()
    (tmp_path / "x.pem").write_text("x")
    file = str(tmp_path / "x.pem")
    broken = Server(tmp_path / "data", DRAGOMAN_LISTEN_TLS="127.0.0.1:0", DRAGOMAN_TLS_CERTIFICATE=file, DRAGOMAN_TLS_KEY=file)
    servers.append(broken)
    assert broken.process.wait(30) == 1
    assert "x.pem has no certificate in PEM form" in broken.log.read_text()


def test_behind_a_trusted_proxy_wrong_keys_are_counted_for_each_caller(tmp_path: Path, servers: list[Server]) -> None:
    server = Server(tmp_path / "data", DRAGOMAN_TRUSTED_PROXIES="127.0.0.0/8")
    servers.append(server)
    server.wait_ready()

    def status(caller: str) -> int:
        request = urllib.request.Request(f"http://127.0.0.1:{server.port}/getsms?apikey=wrong", headers={"X-Forwarded-For": caller})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)
        refused.value.close()
        return refused.value.code

    assert [status("made up, 203.0.113.9") for _ in range(61)] == [403] * 60 + [429]
    assert status("203.0.113.10") == 403
    assert server.stop() == 0
    assert '"peer": "203.0.113.9"' in server.log.read_text()


def test_a_running_server_fills_the_search_index(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", DRAGOMAN_BOOTSTRAP_API_KEY=KEY).wait_ready()
    row = "SELECT 1 << 21, '', 1, 1, '', '1', 'old', 1, 'failed', 1, 1, ''"
    with closing(sqlite3.connect(tmp_path / "data" / "dragoman.db")) as store, store:
        store.execute(
            f"INSERT INTO messages (id, guid, account_id, key_id, api, recipient, text, segments, status, created, expires, queue) {row}"
        )
    with closing(sqlite3.connect(tmp_path / "data" / "dragoman.db")) as store:
        for _ in range(400):
            if store.execute("SELECT 1 FROM sent_words").fetchall():
                break
            time.sleep(0.05)
        assert store.execute("SELECT upto_id FROM search_marks").fetchall() == [(1 << 21,)]
    assert server.stop() == 0
