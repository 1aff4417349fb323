"""Programs written for smrtPhone's API, as they call it, against a real gateway: the text arrives as written, a refusal is seen as one.

A client is called with URL KEY FROM TO TEXT [STYLE] and prints a line of JSON: the status and the body that it saw.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import Any

import pytest
from running_server import KEY, RunningServer
from test_foreign_clients import CLIENTS, INTERPRETERS

OURS, TO = "+18652730270", "+12065551212"


@dataclass(frozen=True, kw_only=True)
class Client:
    program: str
    style: str = ""
    sender: str = OURS
    text: str = "hé €😀 <b>&amp; x = 50% + 1"

    def __str__(self) -> str:
        return " ".join(filter(None, (self.program, self.style)))

    def call(self, server: RunningServer, key: str = KEY) -> dict[str, Any]:
        program = CLIENTS / self.program
        arguments = [server.url("/sms/send"), key, self.sender, TO, self.text, *filter(None, [self.style])]
        environment = os.environ | {"LC_ALL": "C.UTF-8", "no_proxy": "127.0.0.1"}
        command = [*INTERPRETERS[program.suffix], str(program), *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told


ROWS = (
    Client(program="smrtphone_curl.php"),
    Client(program="smrtphone_requests.py"),
    Client(program="smrtphone_fetch.js", sender="8652730270"),
    # what separates fields cannot be written raw, and a raw plus is a space
    Client(program="smrtphone_requests.py", style="raw", text="hé €😀 <b> x = 50% off?"),
)
each_client = pytest.mark.parametrize("client", ROWS, ids=str)


@pytest.fixture(scope="module")
def numbered(server: RunningServer) -> RunningServer:
    """Its simulated phone has a number."""
    [phone] = server.get("/gateway/mobile/list", apikey=KEY)["result"]["mobiles"]
    server.get("/gateway/mobile/update", apikey=KEY, sid=phone["sid"], label="p", phone_number=OURS)
    return server


@each_client
def test_message_arrives_as_written_and_has_an_id(client: Client, numbered: RunningServer) -> None:
    told = client.call(numbered)
    assert told["status"] == 200, told
    answer = json.loads(told["body"])
    assert answer["success"] is True and len(answer["smsId"]) == 36
    [row] = numbered.get("/log/sent/sms", apikey=KEY, keyword=TO)["result"]["sms"][:1]
    assert (row["sms"], row["recipients"]) == (client.text, TO.removeprefix("+"))


@each_client
def test_refusals_are_seen_as_such(client: Client, numbered: RunningServer) -> None:
    assert client.call(numbered, "wrong") == {"status": 403, "body": "Forbidden"}


def test_a_key_is_tried_with_an_empty_call(numbered: RunningServer) -> None:
    probe = Client(program="smrtphone_requests.py", style="probe")
    assert probe.call(numbered) == {"status": 400, "body": "Missing required parameter(s): from, to, message"}
    assert probe.call(numbered, "wrong")["status"] == 403
