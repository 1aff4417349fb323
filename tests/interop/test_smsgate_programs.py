"""SMSGate's own packages for Python and Node.js against a running server with a played phone: only the base URL is theirs no longer."""

from __future__ import annotations

import hmac
import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from install import CACHE
from running_server import KEY, RunningServer, running, wait_until

ROOT, CLIENTS = Path(__file__).parents[2], Path(__file__).parent / "clients"
NUMBER = "+32470000001"
TEXT = "hé €😀 <b>&amp; x"


@dataclass
class Receiver:
    """Where webhooks are posted to."""

    posted: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    def told(self, message: str) -> list[tuple[dict[str, str], bytes]]:
        return [each for each in self.posted if json.loads(each[1])["payload"]["messageId"] == message]


@dataclass(frozen=True)
class House:
    server: RunningServer
    data: Path
    hook: Receiver
    password: str

    def air(self) -> list[tuple[str, str]]:
        """What the phone has sent: number and text."""
        air = self.data / "air"
        lines = [line.split(" ", 2) for line in air.read_text().splitlines()] if air.exists() else []
        return [(number, json.loads(text)) for _, number, text in lines]

    def run(self, program: str, login: str, password: str, *more: str) -> dict[str, Any]:
        """What the program has read, once the phone has sent its one message."""
        before = len(self.air())
        url = self.server.url("/api/3rdparty/v1")
        runner = sys.executable if program.endswith(".py") else "node"
        command = [runner, str(CLIENTS / program), url, login, password, self.hook.url, NUMBER, TEXT, *more]
        environment = os.environ | {"NODE_PATH": str(CACHE / "node_modules"), "no_proxy": "127.0.0.1"}
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=90, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        assert self.air()[before:] == [(NUMBER, TEXT)]
        return told


def _dragoman(data: Path, *arguments: str) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DRAGOMAN_")} | {"DRAGOMAN_DATA": str(data)}
    command = [sys.executable, str(ROOT / "run_server.py"), *arguments, "--json"]
    told: dict[str, Any] = json.loads(subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60).stdout)
    return told


@pytest.fixture(scope="module")
def hook() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.posted.append((dict(self.headers), body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return None

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{listening.server_address[1]}/hook"
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield receiver
    listening.shutdown()
    thread.join()
    listening.server_close()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, hook: Receiver) -> Iterator[House]:
    data = tmp_path_factory.mktemp("smsgate")
    with running(data, DRAGOMAN_SIMULATOR="0", DRAGOMAN_WEBHOOK_NETWORKS="127.0.0.0/8") as server:
        password = _dragoman(data, "accounts", "password", "default")["secret"]
        script = data / "script.json"
        script.write_text(json.dumps({NUMBER: {"delivered_after_s": 0.1}}))
        command = [sys.executable, "-m", "tests.peers.smsgate_phone", "--url", server.url("/mobile/v1"), "--script", str(script)]
        command += [
            "--login",
            "default",
            "--password",
            password,
            "--air",
            str(data / "air"),
            "--air-text",
            "--memory",
            str(data / "phone.db"),
        ]
        with open(data / "phone.log", "wb") as log:
            phone = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        try:
            wait_until(lambda: any(each["online"] for each in server.get("/gateway/mobile/list", apikey=KEY)["result"]["mobiles"]))
            wait_until(lambda: _knows_its_hooks(data / "phone.db"))
            assert phone.stdin is not None
            phone.stdin.write(json.dumps({"do": "receive", "sender": NUMBER, "text": TEXT}).encode() + b"\n")
            phone.stdin.flush()
            wait_until(lambda: bool(server.get("/getsms", apikey=KEY)["result"]["sms"]))
            yield House(server, data, hook, password)
        finally:
            phone.kill()
            phone.communicate()


def _knows_its_hooks(memory: Path) -> bool:
    with closing(sqlite3.connect(memory)) as phone:
        return bool(phone.execute("SELECT 1 FROM hooks").fetchall())


def _check(house: House, told: dict[str, Any], id: str) -> None:
    assert (told["sent"]["id"], told["sent"]["state"]) == (id, "Pending")
    assert told["twice"] == {"failed": 409}
    assert told["state"]["state"] == "Delivered"
    wait_until(lambda: bool(house.hook.told(id)))
    headers, body = house.hook.told(id)[0]
    expected = hmac.digest(b"a key of the program", body + headers["X-Timestamp"].encode(), "sha256").hex()
    assert headers["X-Signature"] == expected
    assert json.loads(body)["event"] == "sms:delivered"


@pytest.mark.parametrize(("style", "by_key"), [("sync", False), ("async", True)])
def test_the_python_package_does_what_its_page_says(house: House, style: str, by_key: bool) -> None:
    told = house.run("smsgate_client.py", "default", KEY if by_key else house.password, style)
    _check(house, told, f"python-{style}")
    assert [each["status"] for each in told["health"]] == ["pass"] * 4
    assert [each["name"] for each in told["devices"]] != []
    assert (told["settings"]["messages"]["limit_period"], told["settings"]["messages"]["limit_value"]) == ("PerDay", 5000)
    assert told["webhook"] in told["webhooks"]
    assert told["refused"] == {"failed": 400}
    assert f"python-{style}" in [each["id"] for each in told["listed"]]
    assert [(each["sender"], each["content_preview"]) for each in told["inbox"]] == [(NUMBER, TEXT)]
    assert (told["renewed"] == told["token"]) is (style == "async")
    assert (told["gone"], told["logs"]) == ({"failed": 404}, {"failed": 501})


def test_the_npm_package_does_what_its_page_says(house: House) -> None:
    told = house.run("smsgate_client.js", "default", house.password)
    _check(house, told, "npm")
    assert told["health"]["status"] == "pass"
    assert told["settings"]["messages"]["limit_value"] == 5000
    assert told["webhook"] in told["webhooks"]
    assert told["webhook"] not in told["left"]
    assert told["logs"] == {"failed": 501}
