"""Stores with many rows, made once for each engine by bulk SQL into bench/data/: what `make bench-data` runs.

The server itself makes the tables, the account and the key. The rows are spread over the last 30 days in id order; four of five are
delivered, every fifth waits for a device that is not there. All are in the search index. Figures are taken on copies.
Five million rows take 3 to 6 GB and 5 to 15 minutes for each engine, most of them for the index.

    python -m bench.data 5000000 --engine postgres
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters.storage import open_store
from bench.places import DATA, ENGINES, Cluster, Place, SqlitePlace, stored
from bench.procs import Server

MILLION = 1_000_000
_SPREAD_MS = 30 * 86_400_000
_TEN_YEARS_MS = 3652 * 86_400_000
_FILED_AT_ONCE = 1_000

# what the engines spell differently: the numbers 0 to {rows}-1 as n(i), and a guid that begins with the time and has sequence 0
_NUMBERS = {
    "sqlite": "with recursive n(i) as (select 0 union all select i + 1 from n where i < {rows} - 1)",
    "postgres": "with n(i) as (select * from generate_series(0::bigint, {rows} - 1))",
}
_GUID = {
    "sqlite": "printf('%012x00000%d', ms, abs(random()) % 8) || lower(hex(randomblob(11)))",
    "postgres": "lpad(to_hex(ms), 12, '0') || '00000' || floor(random() * 8) || substr(md5(random()::text), 1, 22)",
}
_FILL = """
insert into messages (id, guid, account_id, key_id, api, recipient, text, segments, status, created, due, expires, queue,
                      device, device_message_id, attempts, sent, finished)
{numbers}, m as (select i, {first} + i * {step} as ms, i % 5 = 0 as waits from n)
select ms * 2097152, {guid}, a.id, k.id, 'form', '+3247' || (1000000 + i % 9000000), 'Your order ' || i || ' has left our house', 1,
       case when waits then 'queued' else 'delivered' end, ms, case when waits then ms end, {expires},
       case when waits then 'absent' else 'pool-' || a.id end, case when not waits then 'absent' end,
       case when not waits then 'old-' || i end, case when waits then 0 else 1 end, case when not waits then ms + 900 end,
       case when not waits then ms + 4000 end
from m, accounts a, api_keys k where k.account_id = a.id order by i
"""


def fill(place: Place, rows: int) -> None:
    now = int(time.time() * 1000)
    step = max(1, _SPREAD_MS // rows)
    numbers = _NUMBERS[place.engine].format(rows=rows)
    said = {"numbers": numbers, "guid": _GUID[place.engine], "first": now - step * rows, "step": step, "expires": now + _TEN_YEARS_MS}
    place.do(_FILL.format(**said))


class _Log:
    """What a store that is filled has to say."""

    def info(self, event: str, **fields: Any) -> None:
        print(event, fields, file=sys.stderr)

    error = info


async def file(place: Place, rows: int) -> None:
    """Put all rows into the search index, as the server would."""
    store = open_store(place.url, place.data, log=_Log())
    await store.open()
    begun, filed, said, indexed = time.monotonic(), 0, 0, 1
    while indexed:
        indexed = await store.index(datetime.now(UTC), _FILED_AT_ONCE)
        filed += indexed
        if filed - said >= rows / 20:
            said = filed
            print(f"{place.engine}: {filed} of {rows} rows are in the index, {filed / (time.monotonic() - begun):.0f} a second", flush=True)
    await store.close()


def make(engine: str, rows: int) -> None:
    """Leaves alone what is there already."""
    if stored(engine, rows).exists():
        print(f"{stored(engine, rows)} is there already; delete it to have it made again")
        return
    unfinished = DATA / f"unfinished-{engine}-{rows}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    with _place(engine, unfinished, rows) as place:
        with Server(data=place.data, url=place.url):
            pass
        begun = time.monotonic()
        fill(place, rows)
        print(f"{engine}: {rows} rows in {time.monotonic() - begun:.0f} s", flush=True)
        asyncio.run(file(place, rows))
        if engine == "postgres":
            # or autovacuum would do it in the middle of a measurement
            place.do("vacuum (analyze, freeze) messages", "vacuum (analyze, freeze) sent_words", "checkpoint")
    unfinished.rename(stored(engine, rows))
    print(f"{stored(engine, rows)}: {rows} rows")


@contextmanager
def _place(engine: str, data: Path, rows: int) -> Iterator[Place]:
    if engine == "sqlite":
        yield SqlitePlace(data=data)
        return
    with Cluster(folder=DATA / "cluster") as cluster:
        cluster.drop(f"rows_{rows}")
        cluster.create(f"rows_{rows}")
        yield cluster.place(data, f"rows_{rows}")


def main() -> None:
    ask = argparse.ArgumentParser(prog="python -m bench.data")
    ask.add_argument("rows", type=int, nargs="*", default=[100_000, MILLION, 5 * MILLION])
    ask.add_argument("--engine", choices=ENGINES)
    given = ask.parse_args()
    for engine in (given.engine,) if given.engine else ENGINES:
        for rows in given.rows:
            make(engine, rows)


if __name__ == "__main__":
    main()
