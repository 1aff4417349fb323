"""Puts the use cases together over a store: the one place that knows what each of them needs. A server and a command both start here."""

from __future__ import annotations

from datetime import timedelta

from adapters.aes_gcm import AesGcm
from adapters.reactor import utc_now
from adapters.settings import Settings
from service.accounts import Accounts
from service.fleet import Fleet
from service.gateway import Gateway
from service.guesses import Guesses
from service.links import Links
from service.mailbox import Mailbox
from service.ports import Store
from service.submission import Submission


def gateway_over(store: Store, fleet: Fleet, settings: Settings, guesses: Guesses) -> Gateway:
    """The gateway; nothing in it has begun."""
    links = Links(
        store=store,
        cipher=AesGcm(),
        clock=utc_now,
        public_url=settings.public_url,
        short_lifetime=timedelta(days=settings.short_link_days),
        sealed_lifetime=timedelta(days=settings.sealed_message_days),
    )
    return Gateway(
        accounts=Accounts(store=store, clock=utc_now, guesses=guesses),
        submission=Submission(store=store, fleet=fleet, clock=utc_now, links=links),
        mailbox=Mailbox(store=store, fleet=fleet, clock=utc_now),
        fleet=fleet,
        clock=utc_now,
        store=store,
        links=links,
    )
