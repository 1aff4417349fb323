"""kill -9 of a real server, twice, while a campaign becomes messages: nobody is left out and nobody is written to twice."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from adapters.reactor import utc_now
from adapters.storage import open_store
from service.accounts import ApiKey, Principal
from service.audience import Contact, SenderCode, Subscription
from service.campaigns import AT_ONCE, Campaigns
from tests.conformance.stores import Log
from tests.fakes import on_the_loop
from tests.test_webhook_crash import Server

pytestmark = pytest.mark.slow

SUBSCRIBERS = 4 * AT_ONCE


async def begin(data: Path) -> None:
    store = open_store("", data, log=Log())
    await store.open()
    account = await store.find_account("default")
    assert account is not None
    now, known = utc_now(), {"id": 0, "account_id": account.id}
    code = await store.save_sender_code(SenderCode(code="1234", **known))
    ids = await store.save_contacts([Contact(number=f"+324950{i:05}", created=now, **known) for i in range(SUBSCRIBERS)])
    await store.subscribe([Subscription(contact_id=id, code_id=code.id, created=now, **known) for id in ids])
    caller = Principal(account=account, key=ApiKey(id=0, account_id=account.id, label="", digest=b""))
    await Campaigns(store=store, clock=utc_now).start(caller, name="spring", text="hello", code="1234", group=None, api="test")
    await store.close()


def wait_for_rows(data: Path, count: int) -> int:
    """How many messages there are once there are so many; looked at from outside, as often as can be."""
    until = time.monotonic() + 15
    with closing(sqlite3.connect(data / "dragoman.db")) as connection:
        while (found := int(connection.execute("SELECT count(*) FROM campaign_messages").fetchone()[0])) < count:
            assert time.monotonic() < until, found
    return found


def wait_until_done(data: Path) -> None:
    until = time.monotonic() + 15
    with closing(sqlite3.connect(data / "dragoman.db")) as connection:
        while connection.execute("SELECT state FROM campaigns").fetchone() != ("done",):
            assert time.monotonic() < until
            time.sleep(0.05)


@on_the_loop
async def test_a_campaign_survives_two_kills(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = await asyncio.to_thread(Server, data)
    await asyncio.to_thread(first.end, signal.SIGTERM)
    await begin(data)
    for killed in range(2):
        server = await asyncio.to_thread(Server, data)
        await asyncio.to_thread(wait_for_rows, data, 1 + killed * AT_ONCE)
        await asyncio.to_thread(server.end, signal.SIGKILL)
    last = await asyncio.to_thread(Server, data)
    await asyncio.to_thread(wait_until_done, data)
    await asyncio.to_thread(last.end, signal.SIGTERM)
    with closing(sqlite3.connect(data / "dragoman.db")) as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT recipient) FROM messages").fetchone() == (SUBSCRIBERS, SUBSCRIBERS)
        assert connection.execute("SELECT state, planned, queued FROM campaigns").fetchone() == ("done", SUBSCRIBERS, SUBSCRIBERS)
