"""Phones as an operator has them: a server as a process, the played app as another, HTTP and the event stream between them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import zeep

from tests.test_keys_served import asked
from tests.test_links_served import server
from tests.test_server import KEY, ROOT, Server

pytestmark = pytest.mark.slow

NUMBER = "+32470000001"


class PlayedPhone:
    """`python -m tests.peers.smsgate_phone`, one phone, over files that a test can look at."""

    def __init__(self, running: Server, folder: Path, token: str, *options: str, name: str = "phone", at: str | None = None) -> None:
        """`at` is where the server is reached, when that is not its plain port."""
        self.air, self.log = folder / f"{name}.air", folder / f"{name}.log"
        base = at or f"http://127.0.0.1:{running.port}"
        made = ["--url", f"{base}/mobile/v1", "--private-token", token, "--air", str(self.air), "--air-text"]
        remembered = ["--memory", str(folder / f"{name}.db"), *options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.peers.smsgate_phone", *made, *remembered],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def wait_ready(self) -> str:
        """Its id."""
        [id] = self.wait_all(1)
        return id

    def wait_all(self, count: int) -> list[str]:
        """The ids of so many phones of this process."""
        assert self.process.stdout is not None
        ids = [str(json.loads(self.process.stdout.readline())["id"]) for _ in range(count)]
        assert json.loads(self.process.stdout.readline()) == {"ready": count}
        return ids

    def do(self, what: str, **fields: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": what, **fields}).encode() + b"\n")
        self.process.stdin.flush()

    @property
    def sent(self) -> list[tuple[str, str, str]]:
        """What it put on the air: id, number, text."""
        lines = self.air.read_text().splitlines() if self.air.exists() else []
        return [(id, number, json.loads(text)) for id, number, text in (line.split(" ", 2) for line in lines)]

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=10)


@contextmanager
def phone(
    running: Server, folder: Path, *options: str, name: str = "phone", token: str | None = None, at: str | None = None
) -> Iterator[PlayedPhone]:
    played = PlayedPhone(running, folder, token or invitation(folder), *options, name=name, at=at)
    try:
        yield played
    finally:
        played.stop()


def invitation(folder: Path) -> str:
    return str(asked(folder / "data", "devices", "token", "new")["secret"])


def wait_until(condition: Callable[[], object], seconds: float = 15) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"still not after {seconds} s"
        time.sleep(0.05)
    return found


def listed(running: Server, id: str) -> dict[str, Any]:
    mobiles = running.get(f"/gateway/mobile/list?apikey={KEY}")["result"]["mobiles"]
    return next((mobile for mobile in mobiles if mobile["sid"] == id), {})


class Receiver(ThreadingHTTPServer):
    """What webhooks are posted to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Post)
        self.events: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def told(self, about: str) -> int:
        """How many calls there were with this in them."""
        return len(self.types(about))

    def types(self, about: str) -> list[str]:
        """Which events those were."""
        return [str(json.loads(event)["type"]) for event in list(self.events) if about in event]


class _Post(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.events.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(200)
        self.end_headers()

    def log_message(self, *said: object) -> None:
        pass


def status(folder: Path, guid: str) -> str:
    [row] = asked(folder / "data", "log", "--id", guid)
    return str(row["status"])


def test_a_message_goes_to_an_app_and_its_answer_comes_back(tmp_path: Path) -> None:
    text, answer = "a text that no log has", "what comes back"
    script = tmp_path / "script.json"
    script.write_text(json.dumps({NUMBER: {"delivered_after_s": 0.2}}))
    receiver = Receiver()
    with server(tmp_path / "data", DRAGOMAN_WEBHOOK_NETWORKS="127.0.0.0/8") as running, closing(receiver.socket):
        events = "sms.sent,sms.delivered,sms.received"
        asked(tmp_path / "data", "webhooks", "add", f"http://127.0.0.1:{receiver.server_port}/", "--v2", "--events", events)
        with phone(running, tmp_path, "--script", str(script)) as played:
            id = played.wait_ready()
            assert wait_until(lambda: listed(running, id).get("online"))
            sent = running.get("/sendsms/", {"recipients": NUMBER, "message": text, "apikey": KEY})["result"]
            assert sent["note"] == "sent by mobile"
            row = running.wait_row(sent["id"], KEY, "send_from_mobile")
            assert played.sent == [(sent["id"], NUMBER, text)]
            assert row["sIdentifiantPhone"] == id
            wait_until(lambda: status(tmp_path, sent["id"]) == "delivered")
            played.do("receive", phone=0, sender=NUMBER, text=answer)
            [received] = wait_until(lambda: running.get(f"/getsms?apikey={KEY}")["result"]["sms"])
            assert (received["number"], received["message"], received["sIdentifiantPhone"]) == (NUMBER, answer, id)
            wait_until(lambda: receiver.told(sent["id"]) == 2 and receiver.told(answer) == 1)
            assert "skipped" not in played.log.read_text(), "the app could read all that it was given"
    receiver.shutdown()
    log = running.log.read_text()
    assert text not in log and answer not in log and "hooks/" not in log


def test_a_message_by_soap_leaves_through_a_phone_and_what_became_of_it_is_in_the_log_and_at_the_webhooks(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({NUMBER: {"sent_after_s": 0.1, "delivered_after_s": 0.3}}))
    receiver = Receiver()
    with server(tmp_path / "data", DRAGOMAN_WEBHOOK_NETWORKS="127.0.0.0/8") as running, closing(receiver.socket):
        events = "sms.sent,sms.delivered,sms.received"
        asked(tmp_path / "data", "webhooks", "add", f"http://127.0.0.1:{receiver.server_port}/", "--v2", "--events", events)
        with phone(running, tmp_path, "--script", str(script)) as played:
            id = played.wait_ready()
            wait_until(lambda: listed(running, id).get("online"))
            client = zeep.Client(f"http://127.0.0.1:{running.port}/sendsms/wsdl/sendsms.wsdl")
            guid = client.service.sendSms(apikey=KEY, recipients=NUMBER, message="by SOAP, é").id
            row = running.wait_row(guid, KEY, "send_from_mobile")
            assert played.sent == [(guid, NUMBER, "by SOAP, é")]
            assert (row["sms"], row["sIdentifiantPhone"]) == ("by SOAP, é", id)
            wait_until(lambda: status(tmp_path, guid) == "delivered")
            wait_until(lambda: sorted(receiver.types(guid)) == ["sms.delivered", "sms.sent"])
            played.do("receive", phone=0, sender=NUMBER, text="Yes")
            [reply] = wait_until(lambda: running.get(f"/getsms?apikey={KEY}")["result"]["sms"])
            assert (reply["number"], reply["message"], reply["sIdentifiantPhone"]) == (NUMBER, "Yes", id)
            wait_until(lambda: receiver.types("Yes") == ["sms.received"])
    receiver.shutdown()


def test_what_a_phone_had_when_it_died_is_sent_once_when_it_is_back(tmp_path: Path) -> None:
    with server(tmp_path / "data") as running:
        token = invitation(tmp_path)
        with phone(running, tmp_path, "--kill-at", "stored", token=token) as played:
            played.wait_ready()
            sent = running.get("/sendsms/", {"recipients": NUMBER, "message": "x", "apikey": KEY})["result"]
            assert played.process.wait(15) < 0
            assert played.sent == []
        with phone(running, tmp_path, token=token) as played:
            running.wait_row(sent["id"], KEY, "send_from_mobile")
            assert [id for id, *_ in played.sent] == [sent["id"]]


def test_a_server_that_is_killed_learns_afterwards_what_became_of_it_and_what_came_in(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({NUMBER: {"sent_after_s": 2, "delivered_after_s": 0.1}}))
    first = Server(tmp_path / "data", DRAGOMAN_BOOTSTRAP_API_KEY=KEY)
    try:
        first.wait_ready()
        with phone(first, tmp_path, "--script", str(script)) as played:
            id = played.wait_ready()
            wait_until(lambda: listed(first, id).get("online"))
            sent = first.get("/sendsms/", {"recipients": NUMBER, "message": "x", "apikey": KEY})["result"]
            wait_until(lambda: played.sent)
            first.process.kill()
            first.process.wait(10)
            played.do("receive", phone=0, sender=NUMBER, text="while you were away")
            again = Server(tmp_path / "data", DRAGOMAN_LISTEN=f"127.0.0.1:{first.port}")
            again.port = first.port
            try:
                again.wait_ready()
                again.wait_row(sent["id"], KEY, "send_from_mobile")
                [received] = wait_until(lambda: again.get(f"/getsms?apikey={KEY}")["result"]["sms"])
                assert received["message"] == "while you were away"
                assert [id for id, *_ in played.sent] == [sent["id"]]
                assert again.stop() == 0
            finally:
                again.process.kill()
                again.process.wait(10)
    finally:
        first.process.kill()
        first.process.wait(10)
