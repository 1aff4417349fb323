"""A gateway over the store of a data folder that no server holds: for commands. No device is spoken to and nothing listens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from adapters.data_folder import DataFolder
from adapters.reactor import utc_now
from adapters.settings import Settings
from adapters.storage import open_store
from service.accounts import Accounts
from service.fleet import Fleet
from service.gateway import Gateway
from service.mailbox import Mailbox
from service.submission import Submission


@asynccontextmanager
async def open_gateway(settings: Settings, folder: DataFolder, log: Any) -> AsyncIterator[Gateway]:
    """Raises Unavailable."""
    store = open_store(settings.database_url, folder.path, log=log)
    await store.open()
    try:
        fleet = Fleet()
        for device in await store.devices():
            fleet.register(device)
        yield Gateway(
            accounts=Accounts(store=store, clock=utc_now),
            submission=Submission(store=store, fleet=fleet, clock=utc_now),
            mailbox=Mailbox(store=store),
            fleet=fleet,
            clock=utc_now,
            store=store,
        )
    finally:
        await store.close()
