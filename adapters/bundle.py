"""Puts the use cases together over a store: the one place that knows what each of them needs. A server and a command both start here."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from adapters.aes_gcm import AesGcm
from adapters.apis import formats
from adapters.data_folder import DataFolder
from adapters.passwords import Argon2
from adapters.poster import Poster
from adapters.reactor import utc_now
from adapters.sealing import Sealing, secret_key
from adapters.settings import Settings
from service.accounts import Accounts
from service.campaigns import Campaigns
from service.dispatch import Dispatch
from service.enrolment import Enrolment
from service.fleet import Fleet
from service.gateway import Gateway
from service.guesses import Guesses
from service.habits import Habits
from service.links import Links
from service.mailbox import Mailbox
from service.optouts import OptOuts
from service.outcome import Outcome
from service.ports import Store
from service.pulling import Pulls
from service.submission import Submission
from service.webhooks import Webhooks

SECRET_KEY = "secret.key"


def gateway_over(store: Store, fleet: Fleet, settings: Settings, folder: DataFolder, guesses: Guesses) -> Gateway:
    """The gateway; nothing in it has begun. Raises KeyUnusable: the key under which secrets are sealed cannot be read."""
    links = Links(
        store=store,
        cipher=AesGcm(),
        clock=utc_now,
        public_url=settings.public_url,
        short_lifetime=timedelta(days=settings.short_link_days),
        sealed_lifetime=timedelta(days=settings.sealed_message_days),
    )
    dispatch = Dispatch(store=store, clock=utc_now, node=folder.node, sleep=asyncio.sleep)
    key = secret_key(settings.secret_key_file or folder.path / SECRET_KEY, make=settings.secret_key_file is None)
    accounts = Accounts(store=store, clock=utc_now, guesses=guesses)
    return Gateway(
        accounts=accounts,
        submission=Submission(
            store=store,
            fleet=fleet,
            clock=utc_now,
            links=links,
            habits=Habits(store=store, fleet=fleet, traffic=dispatch.traffic),
        ),
        mailbox=Mailbox(store=store, fleet=fleet, clock=utc_now),
        fleet=fleet,
        clock=utc_now,
        store=store,
        links=links,
        outcome=Outcome(store=store, fleet=fleet, dispatch=dispatch, clock=utc_now),
        pulls=Pulls(clock=utc_now),
        webhooks=_webhooks(store, fleet, settings, folder, key),
        enrolment=Enrolment(store=store, accounts=accounts, fleet=fleet, sealer=Sealing(key, "device"), hasher=Argon2(), clock=utc_now),
        optouts=OptOuts(store=store),
        campaigns=Campaigns(store=store, clock=utc_now),
    )


def _webhooks(store: Store, fleet: Fleet, settings: Settings, folder: DataFolder, key: bytes) -> Webhooks:
    poster, sealer = Poster(settings.webhook_networks), Sealing(key, "webhook")
    return Webhooks(store=store, fleet=fleet, poster=poster, sealer=sealer, formats=formats(), clock=utc_now, node=folder.node)
