"""Phones as an operator has them: a server as a process, the played app as another, HTTP and the event stream between them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.test_keys_served import dragoman
from tests.test_links_served import server
from tests.test_server import KEY, ROOT, Server

pytestmark = pytest.mark.slow

NUMBER = "+32470000001"


class PlayedPhone:
    """`python -m tests.peers.smsgate_phone`, one phone, over files that a test can look at."""

    def __init__(self, running: Server, folder: Path, token: str, *options: str, name: str = "phone") -> None:
        self.air, self.log = folder / f"{name}.air", folder / f"{name}.log"
        made = ["--url", f"http://127.0.0.1:{running.port}/mobile/v1", "--private-token", token, "--air", str(self.air), "--air-text"]
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
        assert self.process.stdout is not None
        registered: dict[str, Any] = json.loads(self.process.stdout.readline())
        assert json.loads(self.process.stdout.readline()) == {"ready": 1}
        return str(registered["id"])

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
def phone(running: Server, folder: Path, *options: str, name: str = "phone", token: str | None = None) -> Iterator[PlayedPhone]:
    played = PlayedPhone(running, folder, token or invitation(folder), *options, name=name)
    try:
        yield played
    finally:
        played.stop()


def invitation(folder: Path) -> str:
    made = dragoman(folder / "data", "devices", "token", "new", "--json")
    assert made.returncode == 0, made.stderr
    return str(json.loads(made.stdout)["secret"])


def wait_until(condition: Callable[[], object], seconds: float = 15) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"still not after {seconds} s"
        time.sleep(0.05)
    return found


def listed(running: Server, id: str) -> dict[str, Any]:
    mobiles = running.get(f"/gateway/mobile/list?apikey={KEY}")["result"]["mobiles"]
    return next((mobile for mobile in mobiles if mobile["sid"] == id), {})


def test_a_message_goes_to_a_real_app_and_its_answer_comes_back(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({NUMBER: {"delivered_after_s": 0.2, "reply": "what it answers", "reply_after_s": 0.4}}))
    with server(tmp_path / "data") as running, phone(running, tmp_path, "--script", str(script)) as played:
        id = played.wait_ready()
        wait_until(lambda: listed(running, id).get("online"))
        text = "a text that no log has"
        sent = running.get("/sendsms/", {"recipients": NUMBER, "message": text, "apikey": KEY})["result"]
        assert sent["note"] == "sent by mobile"
        row = running.wait_row(
            sent["id"], KEY, "date_delivered" if "date_delivered" in running_row(running, sent["id"]) else "send_from_mobile"
        )
        assert row["send_from_mobile"]
        assert played.sent == [(sent["id"], NUMBER, text)]
        wait_until(lambda: running.get(f"/getsms?apikey={KEY}")["result"]["sms"])
        [received] = running.get(f"/getsms?apikey={KEY}")["result"]["sms"]
        assert (received["number"], received["message"]) == (NUMBER, "what it answers")
        assert "skipped" not in played.log.read_text(), "it could read all that it was given"
    log = running.log.read_text()
    assert text not in log and "what it answers" not in log and "/hooks/" not in log


def running_row(running: Server, guid: str) -> dict[str, Any]:
    row: dict[str, Any] = running.get(f"/log/sent/sms?apikey={KEY}&guid_message={guid}")["result"]["sms"][0]
    return row
