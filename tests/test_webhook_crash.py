"""kill -9 of a real server between an event and its delivery: nothing is lost, and the secret that signs is on disk only sealed."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import pytest

from adapters.apis._smsmobileapi_webhooks import FORMATS
from adapters.poster import Poster
from adapters.reactor import utc_now
from adapters.sealing import Sealing, secret_key
from adapters.storage import open_store
from service.fleet import Fleet
from service.webhooks import Webhooks
from tests.conformance.stores import Log
from tests.fakes import on_the_loop
from tests.postbox import Receiver, receiving

pytestmark = pytest.mark.slow

KEY = "crash" + "0" * 35
ROOT = Path(__file__).parents[1]


class Server:
    """run_server.py with one simulated phone."""

    def __init__(self, data: Path) -> None:
        own = {
            "DATA": str(data),
            "LISTEN": "127.0.0.1:0",
            "SIMULATOR": "1",
            "BOOTSTRAP_API_KEY": KEY,
            "LOG": "json",
            "WEBHOOK_NETWORKS": "127.0.0.0/8",
        }
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DRAGOMAN_")} | {f"DRAGOMAN_{k}": v for k, v in own.items()}
        self.process = subprocess.Popen([sys.executable, "run_server.py"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        self.said = ""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line
            if '"ready"' in line:
                self.url = line.split("http://")[1].split('"')[0]
                return
        raise AssertionError(self.said)

    def send(self, text: str) -> None:
        body = urlencode({"recipients": "+32470000001", "message": text, "apikey": KEY}).encode()
        with build_opener(ProxyHandler({})).open(f"http://{self.url}/sendsms/", body, timeout=10) as answer:
            assert answer.status == 200

    def end(self, how: signal.Signals) -> None:
        self.process.send_signal(how)
        self.said += self.process.communicate(timeout=30)[1]


async def add_webhook(data: Path, url: str) -> str:
    store = open_store("", data, log=Log())
    await store.open()
    sealer = Sealing(secret_key(data / "secret.key", make=True), "webhook")
    webhooks = Webhooks(
        store=store, fleet=Fleet(), poster=Poster((ip_network("127.0.0.0/8"),)), sealer=sealer, formats=FORMATS, clock=utc_now
    )
    account = await store.find_account("default")
    assert account is not None
    _, secret = await webhooks.add(account_id=account.id, url=url, format="v2", events=["sms.api.submitted"])
    await store.close()
    return secret or ""


def forget_leases(data: Path) -> None:
    """What the dead process was posting is due at once instead of in a minute."""
    with closing(sqlite3.connect(data / "dragoman.db")) as connection, connection:
        connection.execute("UPDATE webhook_deliveries SET due = 0 WHERE due IS NOT NULL")


@on_the_loop
async def test_an_event_survives_a_kill_and_is_delivered_at_least_once(tmp_path: Path) -> None:
    data, held, came = tmp_path / "data", asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        came.set()
        await held.wait()

    async with receiving(Receiver(before_answer=hold)) as receiver:
        first = await asyncio.to_thread(Server, data)
        await asyncio.to_thread(first.end, signal.SIGTERM)
        secret = await add_webhook(data, receiver.url)
        second = await asyncio.to_thread(Server, data)
        await asyncio.to_thread(second.send, "a text that is nobody's business")
        await came.wait()
        await asyncio.to_thread(second.end, signal.SIGKILL)
        came.clear()
        held.set()
        forget_leases(data)
        third = await asyncio.to_thread(Server, data)
        await came.wait()
        await asyncio.to_thread(third.end, signal.SIGTERM)
    ids = [line for head in receiver.heads for line in head.split("\r\n") if line.startswith("Idempotency-Key")]
    assert (len(ids), len(set(ids))) == (2, 1)
    assert third.process.returncode == 0
    with closing(sqlite3.connect(data / "dragoman.db")) as connection:
        assert connection.execute("SELECT state, status FROM webhook_deliveries").fetchall() == [("done", 200)]
    assert (data / "secret.key").stat().st_mode & 0o777 == 0o600
    on_disk = b"".join(path.read_bytes() for path in data.iterdir() if path.is_file())
    said = first.said + second.said + third.said
    assert secret.encode() not in on_disk
    assert not [word for word in (secret, "nobody's business", KEY) if word in said]
