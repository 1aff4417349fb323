"""The vendor's own example receiver, in PHP as on its page, takes what we post for a received message."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from running_server import wait_until

from adapters.apis._smsmobileapi_webhooks import FORMATS
from adapters.poster import Poster
from service.events import Delivery, Event, EventType
from tests.fakes import START, on_the_loop

RECEIVER = Path(__file__).parent / "clients" / "webhook_receiver.php"


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shutil.copy(RECEIVER, tmp_path / "hook.php")
    process = subprocess.Popen(
        ["php", "-S", f"127.0.0.1:{port}", "-t", str(tmp_path)], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def listens() -> bool:
        with socket.socket() as peer:
            return peer.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(listens)
        yield f"http://127.0.0.1:{port}/hook.php"
    finally:
        process.kill()
        process.wait()


@on_the_loop
async def test_the_vendors_example_receiver_takes_a_v1_call(receiver: str, tmp_path: Path) -> None:
    event = Event(
        account_id=1,
        type=EventType.MESSAGE_RECEIVED,
        subject="abcde12345",
        number="+123456789",
        text="Hello, this is a test. é",
        occurred=START - timedelta(seconds=10),
        created=START,
    )
    call = FORMATS["v1"].render(Delivery(id=1, webhook_id=1, event=event), (), START)
    answer = await Poster((ip_network("127.0.0.0/8"),)).post(receiver, call.headers, call.body)
    assert (answer.status, answer.beginning) == (200, "Webhook received successfully.")
    kept = dict(re.findall(r"\[(\w+)\] => (.*)", (tmp_path / "sms_log.txt").read_text()))
    assert kept.pop("guid")
    assert kept == {
        "date": "2026-03-20",
        "hour": "12:00:00",
        "time_received": "2026-03-20 11:59:50",
        "message": "Hello, this is a test. é",
        "number": "+123456789",
    }
