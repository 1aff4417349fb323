"""The Store in memory, for tests and trials: as honest as the others, but what it keeps ends with the process.

No step awaits anything, so each method is a transaction. It keeps the core's own objects; queues and leases, which those do not show,
stand beside them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from adapters.storage.memory_audience import MemoryAudience
from adapters.storage.memory_enrolment import MemoryEnrolment
from adapters.storage.memory_keys import MemoryKeys
from adapters.storage.memory_links import MemoryLinks
from adapters.storage.memory_optouts import is_cancelled_by
from adapters.storage.memory_submits import MemorySubmits
from adapters.storage.memory_webhooks import MemoryWebhooks
from adapters.storage.rows import charge_row, check, ms, storable, storable_or_none
from adapters.storage.transactions_quotas import charged
from service.errors import Conflict, IdTaken, QuotaExceeded
from service.fleet import Device
from service.lifecycle import Status, advance
from service.messages import Channel, DeliveryReport, FirstInLane, MtMessage, Receipt, ReceivedMessage, first_in_lane, queue_of, try_of
from service.optouts import OptOutChange
from service.ports import Acceptance, Pin, SentQuery, Settlement
from service.search import Wanted

IDEMPOTENCY = timedelta(hours=24)
SILENCE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class _Lease:
    until: datetime
    by: str


@dataclass
class MemoryStore(MemoryKeys, MemoryLinks, MemoryAudience, MemorySubmits, MemoryWebhooks, MemoryEnrolment):
    """A service.ports.Store."""

    _leases: dict[int, _Lease] = field(default_factory=dict)
    _first: dict[tuple[int, str], tuple[bytes, Receipt]] = field(default_factory=dict)
    _pins: dict[int, Pin] = field(default_factory=dict)
    _uses: dict[str, str] = field(default_factory=dict)
    _trials: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))

    async def open(self) -> None:
        return None

    async def close(self) -> None:
        return None

    async def ready(self) -> None:
        return None

    async def accept(self, acceptance: Acceptance) -> Receipt:
        check(acceptance)
        self._check_name(acceptance)
        account_id, receipt, asked = acceptance.messages[0].account_id, acceptance.receipt, acceptance.idempotency
        first = self._first.get((account_id, asked.key)) if asked else None
        if asked and first and first[1].accepted > receipt.accepted - IDEMPOTENCY:
            if first[0] != asked.fingerprint:
                raise Conflict("this idempotency key was used for another request")
            return replace(first[1], replayed=True)
        used = self._trials[account_id] + len(acceptance.messages)
        if acceptance.trial_limit is not None and used > acceptance.trial_limit:
            raise QuotaExceeded(f"the trial allows {acceptance.trial_limit} messages")
        now = ms(receipt.accepted)
        uses = {c.subject: charged(self._uses.get(c.subject, ""), charge_row(c), now) for c in acceptance.charges}
        for message in acceptance.messages:
            self._check_wanted(message)
        self._keep(acceptance.messages)
        self._uses |= uses
        self._link(acceptance.links, acceptance.sealed)
        for pin in acceptance.pins:
            self._pin(pin)
        self._name(acceptance)
        if acceptance.trial_limit is not None:
            self._trials[account_id] = used
            receipt = replace(receipt, trial_sent=used)
        if asked:
            self._first[account_id, asked.key] = asked.fingerprint, receipt
        return receipt

    async def keep_refused(self, message: MtMessage) -> None:
        self._keep([message])

    def _keep(self, messages: Sequence[MtMessage]) -> None:
        if len({m.id for m in messages} - self._messages.keys()) < len(messages):
            raise IdTaken
        for message in messages:
            self._messages[message.id] = message
            if message.due is not None:
                self._queues[message.queue].add(message.id)

    def _pin(self, pin: Pin) -> None:
        message = self._messages[pin.id] = replace(self._messages[pin.id], sim=pin.sim)
        self._queues[message.queue].discard(pin.id)
        self._queues[pin.device].add(pin.id)
        self._pinned[pin.id] = pin.device
        self._pins[pin.id] = pin

    async def release(self, now: datetime, device: str | None = None) -> list[int]:
        ended = [pin for pin in self._pins.values() if (pin.until <= now if device is None else pin.device == device)]
        freed = [m for pin in ended if (m := self._messages.get(pin.id)) and m.due is not None and not m.in_doubt]
        for message in freed:
            self._queues[self._pinned.pop(message.id)].discard(message.id)
            self._queues[message.queue].add(message.id)
            del self._pins[message.id]
        return sorted({message.account_id for message in freed})

    async def exists(self, id: int) -> bool:
        return id in self._messages

    async def claim(
        self,
        *,
        device: Device,
        limit: int,
        now: datetime,
        leased_until: datetime,
        leased_by: str,
        slots: Collection[int] | None = None,
    ) -> list[MtMessage]:
        claimed: list[MtMessage] = []
        due = [(m.due, m.id) for m in self._waiting(device, slots) if m.due is not None and m.due <= now]
        for _, id in sorted(due):
            if len(claimed) == limit:
                break
            message = self._leave_queue(id)
            if message.expires <= now:
                self._end(message, now)
                continue
            held = {"status": advance(message.status, Status.SENDING), "device": device.id, "device_message_id": None}
            self._messages[id] = replace(message, **held, attempts=message.attempts + 1)  # type: ignore[arg-type]
            self._leases[id] = _Lease(leased_until, leased_by)
            claimed.append(self._messages[id])
        return claimed

    async def next_due(self, device: Device, slots: Collection[int] | None = None) -> datetime | None:
        return min((m.due for m in self._waiting(device, slots) if m.due is not None), default=None)

    async def first_in_lanes(self) -> list[FirstInLane]:
        firsts: dict[tuple[str, int | None], datetime] = {}
        for queue, ids in self._queues.items():
            for m in map(self._messages.__getitem__, ids):
                if m.due is not None:
                    lane = queue, m.wanted_sim
                    firsts[lane] = min(firsts.get(lane, m.due), m.due)
        return [
            first_in_lane(queue, sim, due) for (queue, sim), due in sorted(firsts.items(), key=lambda lane: (lane[0][0], lane[0][1] or 0))
        ]

    async def waiting(self, device: Device, now: datetime) -> int:
        return sum(m.due is not None and m.due <= now for m in self._waiting(device, None))

    async def sent_since(self, device: Device, since: datetime, now: datetime) -> list[tuple[int | None, datetime]]:
        its = [m for m in self._messages.values() if (m.account_id, m.device) == (device.account_id, device.id)]
        held = [(m, now) for m in its if m.id in self._leases]
        sent = [(m, at) for m in its if m.id not in self._leases and (at := m.taken or m.sent) is not None and at > since]
        return [(0 if m.channel is Channel.WHATSAPP else m.sim, at) for m, at in held + sent]

    def _waiting(self, device: Device, slots: Collection[int] | None) -> list[MtMessage]:
        channels = [*[Channel.SMS] * bool(device.sims), *[Channel.WHATSAPP] * device.whatsapp]
        queues = [queue_of(device.account_id, wanted, channel) for wanted in (device.id, None) for channel in channels]
        ids = set().union(*(self._queues[queue] for queue in queues))
        waiting = [m for m in map(self._messages.__getitem__, ids) if (m.wanted_sim or 0) <= device.sims]
        if slots is None:
            return waiting
        return [m for m in waiting if m.channel is Channel.WHATSAPP or (m.wanted_sim in slots if m.wanted_sim else slots)]

    def _leave_queue(self, id: int) -> MtMessage:
        for ids in self._queues.values():
            ids.discard(id)
        self._messages[id] = replace(self._messages[id], due=None)
        return self._messages[id]

    def _end(self, message: MtMessage, now: datetime) -> None:
        """Its validity has ended while it waited."""
        if message.in_doubt:
            self._messages[message.id] = replace(message, status=Status.OUTCOME_UNKNOWN, in_doubt=False)
        else:
            self._messages[message.id] = replace(message, status=Status.EXPIRED, finished=now)

    def _requeue(self, message: MtMessage, due: datetime, *, same_device: bool, is_free: bool = False) -> None:
        if is_free and message.id not in self._pins:
            self._pinned.pop(message.id, None)
        self._messages[message.id] = replace(message, status=Status.QUEUED, due=due, finished=None)
        if same_device and message.device:
            self._pinned[message.id] = queue_of(message.account_id, message.device, message.channel)
        self._queues[self._pinned.get(message.id, message.queue)].add(message.id)

    async def settle(self, settlement: Settlement) -> None:
        message, told = self._messages.get(settlement.id), settlement.status
        if message is None or message.attempts != settlement.attempts or not _may_settle(message, told):
            return
        in_doubt = told is Status.QUEUED and (settlement.same_device or (settlement.given_back and message.in_doubt))
        if told is Status.OUTCOME_UNKNOWN and message.account_id in self._resending():
            told = Status.QUEUED
        self._leases.pop(message.id, None)
        message = replace(
            self._leave_queue(message.id),
            status=told,
            device_message_id=storable_or_none(settlement.device_message_id) or message.device_message_id,
            sent=settlement.now if told is Status.SENT else message.sent,
            finished=settlement.now if told.is_final else None,
            error=storable_or_none(settlement.error) or message.error,
            taken=settlement.now if told is Status.SENDING else None,
            in_doubt=in_doubt,
            failures=message.failures + _is_refusal(settlement),
            sim=message.sim if settlement.sim is None else settlement.sim,
        )
        self._messages[message.id] = message
        if message.device and message.device_message_id:
            self._reported[message.device, message.device_message_id] = message.id
        if told is Status.QUEUED:
            is_free = _is_refusal(settlement)
            self._requeue(message, settlement.due or settlement.now, same_device=settlement.same_device, is_free=is_free)

    async def report(self, report: DeliveryReport, now: datetime) -> bool:
        id = self._reported.get((report.device, storable(report.device_message_id)))
        if id is None:
            return False
        message = self._messages[id]
        if advance(message.status, report.status) is not message.status:
            self._leases.pop(id, None)
            self._messages[id] = replace(
                message,
                status=report.status,
                sent=report.at if report.status is Status.SENT else message.sent,
                finished=report.at if report.status.is_final else message.finished,
                error=storable_or_none(report.error) or message.error,
                taken=None,
                in_doubt=False,
            )
        return True

    async def acknowledge(self, device: str, device_message_id: str, now: datetime) -> bool:
        its = try_of(device_message_id)
        message = self._messages.get(its.id) if its else None
        if message is None or (message.try_guid, message.device) != (device_message_id, device):
            return False
        if message.device_message_id is None and advance(message.status, Status.SENDING) is Status.SENDING:
            self._leases.pop(message.id, None)
            had = replace(self._leave_queue(message.id), status=Status.SENDING, taken=now, in_doubt=False)
            self._messages[message.id] = replace(had, device_message_id=device_message_id)
            self._reported[device, device_message_id] = message.id
        return True

    async def taken_before(self, device: str, before: datetime, limit: int, *, after: MtMessage | None = None) -> list[MtMessage]:
        found = [(m.taken, m.id, m) for m in self._messages.values() if m.device == device and m.taken is not None and m.taken < before]
        found = [each for each in found if after is None or after.taken is None or each[:2] > (after.taken, after.id)]
        return [m for *_, m in sorted(found, key=lambda each: each[:2])[:limit]]

    def _resending(self) -> set[int]:
        return {account.id for account in self._accounts.values() if account.resend_unknown}

    async def recover(self, *, now: datetime, leased_by: str | None, deduplicating: Sequence[str]) -> list[str]:
        unknown = []
        resend = self._resending()
        for id, lease in list(self._leases.items()):
            if (lease.until > now) if leased_by is None else (lease.by != leased_by):
                continue
            del self._leases[id]
            message = self._messages[id]
            if message.device in deduplicating or message.account_id in resend:
                in_doubt = message.device in deduplicating
                self._requeue(replace(message, in_doubt=in_doubt), now, same_device=in_doubt)
            else:
                self._messages[id] = replace(message, status=Status.OUTCOME_UNKNOWN, in_doubt=False)
                unknown.append(message.guid)
        return unknown

    async def expire(self, now: datetime, limit: int) -> int:
        ended = [m for ids in self._queues.values() for m in map(self._messages.__getitem__, ids) if m.expires <= now][:limit]
        for message in ended:
            self._end(self._leave_queue(message.id), now)
        silent = [m for m in self._messages.values() if m.taken and m.expires <= now - SILENCE][: limit - len(ended)]
        for message in silent:
            self._messages[message.id] = replace(message, status=Status.OUTCOME_UNKNOWN, taken=None)
        self._first = {k: kept for k, kept in self._first.items() if kept[1].accepted > now - IDEMPOTENCY}
        return len(ended) + len(silent)

    async def sent(self, query: SentQuery) -> list[MtMessage]:
        newest_first = sorted(self._messages.values(), key=lambda m: m.id, reverse=True)
        return [m for m in newest_first if _is_asked_for(m, query)][: query.limit]

    def _change_optout(self, change: OptOutChange) -> bool:
        waiting = [self._messages[id] for ids in self._queues.values() for id in ids] if change.is_out else []
        for message in [m for m in waiting if is_cancelled_by(change, m)]:
            self._messages[message.id] = replace(self._leave_queue(message.id), status=Status.CANCELLED, finished=change.at)
        return super()._change_optout(change)

    def _keep_received(self, row: ReceivedMessage) -> None:
        super()._keep_received(row)
        self.note_received(row, row.guid, row.account_id, row.created)

    async def save_device(self, device: Device) -> None:
        self._devices[device.id] = device

    async def index(self, before: datetime, limit: int) -> int:
        return 0  # there is none: all is looked through

    async def unlink_device(self, device: Device) -> None:
        await super().unlink_device(device)
        self._forget_secrets(device)

    async def devices(self) -> list[Device]:
        return sorted(self._devices.values(), key=lambda d: d.id)


def _is_refusal(settlement: Settlement) -> bool:
    """The device has plainly said that it did not send the message."""
    return settlement.status is Status.QUEUED and not (settlement.same_device or settlement.given_back)


def _may_settle(message: MtMessage, told: Status) -> bool:
    if told in (Status.SENDING, Status.OUTCOME_UNKNOWN):
        return message.status is Status.SENDING and (told is Status.SENDING or message.taken is None)
    return advance(message.status, told) is not message.status and (told is not Status.QUEUED or message.taken is None)


def _is_asked_for(message: MtMessage, query: SentQuery) -> bool:
    is_failed = message.status is Status.FAILED and message.refusal is None
    return (
        message.account_id == query.account_id
        and query.guid in (None, message.guid)
        and (query.before_id is None or message.id < query.before_id)
        and query.refused in (None, message.refusal is not None)
        and query.failed in (None, is_failed)
        and (query.keyword is None or Wanted.of(storable(query.keyword)).is_in(message.recipient, message.text))
    )
