"""Two servers on one PostgreSQL: an opt-out waits for what another one is just accepting, and cancels it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest

from adapters.storage import open_store, rows
from adapters.storage.postgres_sql import INSERT_WANTED, wanted
from service.lifecycle import Status
from service.optouts import OptOutChange, Source
from service.ports import Store
from tests.conformance.stores import Log, database
from tests.conformance.test_store import House, _furnish
from tests.fakes import START, on_the_loop

pytestmark = pytest.mark.slow

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
