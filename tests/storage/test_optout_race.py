"""Two servers on one PostgreSQL: an opt-out waits for what another one is just accepting, and cancels it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from adapters.storage import open_store, rows
from adapters.storage.postgres_lock import OPTOUT_LOCK
from adapters.storage.postgres_sql import INSERT_WANTED, wanted
from service.errors import OptedOut
from service.lifecycle import Status
from service.links import ShortLink
from service.optouts import OptOutChange, Source
from service.ports import Store
from tests.conformance.stores import Log, database
from tests.conformance.test_store import HOUR, House, _furnish
from tests.fakes import START, on_the_loop

pytestmark = pytest.mark.slow

OUT = b"INSERT INTO optouts (account_id, number, code, source, by, at) VALUES (%(account)s, %(number)s, '', 'api', '', 0)"
WAITS = b"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@on_the_loop
async def test_an_opt_out_sees_what_was_accepted_before_it(tmp_path: Path) -> None:
    url = database("race")
    store: Store = open_store(url, tmp_path, log=Log())
    await store.open()
    house: House = await _furnish(store)
    message = house.message()
    change = OptOutChange(account_id=house.account.id, number=message.recipient, is_out=True, source=Source.API, at=START)
    with psycopg.connect(url) as other, psycopg.connect(url, autocommit=True) as looking:
        assert other.execute(INSERT_WANTED, wanted([rows.row_of(message)])).fetchall() == []
        opting = asyncio.ensure_future(store.change_optouts([change]))
        for _ in range(10_000):
            await asyncio.sleep(0)
            found = looking.execute(WAITS).fetchone()
            if opting.done() or (found and found[0]):
                break
        assert not opting.done()
        other.commit()
    assert await opting == 1
    assert (await house.get(message)).status is Status.CANCELLED
    with psycopg.connect(url) as other:
        assert other.execute(INSERT_WANTED, wanted([rows.row_of(house.message())])).fetchone() is not None
    await store.close()


WAYS: dict[str, dict[str, Any]] = {"plain": {}, "with a link": {"links": True}, "named": {"name": "order-7"}, "again": {}}


@pytest.mark.parametrize("way", WAYS)
@on_the_loop
async def test_whatever_is_accepted_waits_for_an_opt_out_that_another_server_is_just_keeping(tmp_path: Path, way: str) -> None:
    url = database("race")
    store: Store = open_store(url, tmp_path, log=Log())
    await store.open()
    house: House = await _furnish(store)
    message = house.message()
    acceptance = house.acceptance(message)
    if "links" in WAYS[way]:
        link = ShortLink(code="code", account_id=house.account.id, url="https://a.test", created=START, expires=START + HOUR)
        acceptance = replace(acceptance, links=(link,))
    if "name" in WAYS[way]:
        acceptance = replace(acceptance, name="order-7")
    if way == "again":
        await store.accept(acceptance)
        [claimed] = await house.claim()
        await house.settle(claimed, Status.FAILED)
    with psycopg.connect(url) as other, psycopg.connect(url, autocommit=True) as looking:
        other.execute(f"SELECT pg_advisory_xact_lock({OPTOUT_LOCK})".encode())
        other.execute(OUT, {"account": house.account.id, "number": message.recipient})
        what = store.resend(message, now=START, expires=START + HOUR, wanted_device=None) if way == "again" else store.accept(acceptance)
        asked = asyncio.ensure_future(what)
        for _ in range(10_000):
            await asyncio.sleep(0)
            found = looking.execute(WAITS).fetchone()
            if asked.done() or (found and found[0]):
                break
        assert not asked.done(), "it did not wait, and so did not see the opt-out"
        other.commit()
    with pytest.raises(OptedOut):
        await asked
    await store.close()
