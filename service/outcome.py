"""Room 5: apply what a device says: reports about messages that it took, and messages that it received."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from service.accounts import Account
from service.dispatch import Dispatch
from service.errors import NotFound
from service.fleet import Fleet
from service.messages import DeliveryReport, MoMessage, try_of
from service.numbers import MOST_CHARACTERS, normalise_sender
from service.optouts import reaction_to
from service.ports import Clock, Store

PARTS_WAIT = timedelta(minutes=10)
"""after this without another part, what there is of a message is delivered"""


@dataclass(kw_only=True)
class Outcome:
    """The Inbox that every driver is given."""

    store: Store
    fleet: Fleet
    dispatch: Dispatch
    clock: Clock
    on_unknown: Callable[[DeliveryReport], None] = lambda report: None
    """told of a report about a message that we do not know"""
    on_queued: Callable[[int, str | None], None] = lambda account_id, device: None
    """told of each automatic answer: the account, and the device that is to send it"""

    async def report(self, report: DeliveryReport) -> None:
        """Returns once it is on disk. A report may overtake the answer to its own submit; then it waits for that.

        A report acknowledges, too: a device may have got its message from us before we fell over, or after we stopped waiting for it.
        """
        waiting = self.dispatch.in_flight(report.device, report.device_message_id)
        while not await self.store.report(report, self.clock()):
            if not waiting:
                if await self._acknowledged(report.device, report.device_message_id) and await self.store.report(report, self.clock()):
                    return
                return self.on_unknown(report)
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)

    async def taken(self, device: str, device_message_id: str) -> bool:
        """Returns once it is on disk. If that very message is being handed over, its submit ends first."""
        waiting = self.dispatch.in_flight(device, device_message_id)
        if waiting:
            await asyncio.wait(waiting)
        return await self._acknowledged(device, device_message_id)

    async def _acknowledged(self, device: str, device_message_id: str) -> bool:
        return try_of(device_message_id) is not None and await self.store.acknowledge(device, device_message_id, self.clock())

    async def received(self, message: MoMessage) -> None:
        """Returns once it is on disk, and only then may the driver tell its device so. A redelivery is as good as a first delivery.

        What is a word of service.optouts is obeyed in the same transaction.
        Raises NotFound when the device is no account's: nothing is kept, so the device must keep it.
        """
        account = await self._owner(message.device)
        sender = normalise_sender(message.sender, account.default_country)[:MOST_CHARACTERS]
        told = replace(message, received=self._by_its_own_clock(message, account))
        now = self.clock()
        reaction = await reaction_to(self.store, message, account, sender, now)
        await self.store.received(told, account.id, now, sender=sender, reaction=reaction)
        if reaction and reaction.reply:
            self.on_queued(account.id, message.device)

    def online(self, device: str, is_online: bool) -> None:
        self.fleet.online(device, is_online, self.clock())

    async def _owner(self, device: str) -> Account:
        account_id = self.fleet.owner(device)
        if account_id is None:
            raise NotFound("the device is not known")
        # what came is kept even if nothing more is known of whose it is
        return await self.store.account(account_id) or Account(id=account_id, name="")

    def _by_its_own_clock(self, message: MoMessage, account: Account) -> datetime:
        """A device that tells the time in UTC, or in no zone of its own, is taken to be in its time zone, or else in its account's."""
        if message.received.utcoffset():
            return message.received
        device = self.fleet.get(account.id, message.device)
        zone = ZoneInfo(device.time_zone) if device is not None and device.time_zone else account.zone
        return (message.received if message.received.tzinfo else message.received.replace(tzinfo=UTC)).astimezone(zone)
