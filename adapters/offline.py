"""A gateway over the store of a data folder that no server holds: for commands. No device is spoken to and nothing listens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from adapters.bundle import gateway_over
from adapters.data_folder import DataFolder
from adapters.sealing import KeyUnusable
from adapters.settings import Settings
from adapters.storage import open_store
from service.errors import Unavailable
from service.fleet import Fleet
from service.gateway import Gateway
from service.guesses import Guesses


@asynccontextmanager
async def open_gateway(settings: Settings, folder: DataFolder, log: Any) -> AsyncIterator[Gateway]:
    """Raises Unavailable."""
    store = open_store(settings.database_url, folder.path, log=log)
    await store.open()
    try:
        fleet = Fleet(store=store)
        for device in await store.devices():
            fleet.register(device)
        yield gateway_over(store, fleet, settings, folder, Guesses())
    except KeyUnusable as failed:
        raise Unavailable(str(failed)) from None
    finally:
        await store.close()
