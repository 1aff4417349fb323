"""What a campaign costs: it becomes messages in portions, none of which is sent. CPU and the peak of memory of the process that does it.

python -m bench.campaign --contacts 100000 --engine sqlite
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
from pathlib import Path

from adapters.reactor import utc_now
from adapters.storage import open_store
from bench.figures import say
from bench.places import ENGINES, fresh
from service.accounts import Account, ApiKey, Principal
from service.audience import Contact, SenderCode, Subscription
from service.campaigns import Campaigns

PORTION = 1_000


class _Quiet:
    def info(self, event: str, **fields: object) -> None: ...
    def error(self, event: str, **fields: object) -> None: ...


async def _run(url: str | None, folder: Path, contacts: int) -> dict[str, float]:
    store = open_store(url or "", folder, log=_Quiet())
    await store.open()
    account = await store.find_account("campaign") or await store.create_account(Account(id=0, name="campaign"))
    now, known = utc_now(), {"id": 0, "account_id": account.id}
    code = await store.save_sender_code(SenderCode(code="8585", **known))
    for first in range(0, contacts, PORTION):
        numbers = range(first, min(first + PORTION, contacts))
        ids = await store.save_contacts([Contact(number=f"+32{470_000_000 + i}", created=now, **known) for i in numbers])
        await store.subscribe([Subscription(contact_id=id, code_id=code.id, created=now, **known) for id in ids])
    campaigns = Campaigns(store=store, clock=utc_now)
    caller = Principal(account=account, key=ApiKey(id=0, account_id=account.id, label="", digest=b""))
    before, wall = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    await campaigns.start(caller, name="spring", text="hello", code="8585", group=None, api="bench")
    longest = 0.0
    is_running = True
    while is_running:
        began = time.perf_counter()
        is_running = await campaigns.step()
        longest = max(longest, time.perf_counter() - began)
    took, after = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_SELF)
    await store.close()
    cpu_us = (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) / contacts * 1e6
    grown_mib = (after.ru_maxrss - before.ru_maxrss) / 1024
    return {
        "rate": round(contacts / took),
        "server_us": round(cpu_us, 1),
        "longest_portion_ms": round(longest * 1e3, 1),
        "grown_mib": grown_mib,
    }


def main() -> None:
    ask = argparse.ArgumentParser(prog="python -m bench.campaign")
    ask.add_argument("--contacts", type=int, default=100_000)
    ask.add_argument("--engine", choices=ENGINES, default="sqlite")
    given = ask.parse_args()
    with fresh(given.engine, rows=0) as place, tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(_run(place.url, Path(folder), given.contacts))
    say("campaign", engine=given.engine, contacts=given.contacts, **figures)


if __name__ == "__main__":
    main()
