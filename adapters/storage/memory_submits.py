"""Named submits in memory; a part of memory.py."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from service.errors import Conflict
from service.lifecycle import Status, advance
from service.mailbox_queries import Span
from service.messages import MtMessage, first_id
from service.ports import Acceptance
from service.submits import NamedSubmit, SubmitQuery


@dataclass
class MemorySubmits:
    """A service.submits.SubmitStore."""

    _messages: dict[int, MtMessage] = field(default_factory=dict)
    _queues: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    _submits: dict[tuple[int, str], NamedSubmit] = field(default_factory=dict)

    def _check_name(self, acceptance: Acceptance) -> None:
        if (acceptance.messages[0].account_id, acceptance.name) in self._submits:
            raise Conflict("another message has this id")

    def _name(self, acceptance: Acceptance) -> None:
        if acceptance.name is not None:
            first, guids = acceptance.messages[0], tuple(m.guid for m in acceptance.messages)
            named = NamedSubmit(account_id=first.account_id, name=acceptance.name, guids=guids, first_id=first.id)
            self._submits[named.account_id, named.name] = named

    async def find_submit(self, account_id: int, name: str) -> NamedSubmit | None:
        return self._submits.get((account_id, name))

    async def submit_of(self, account_id: int, guid: str) -> NamedSubmit | None:
        return next((each for each in self._submits.values() if each.account_id == account_id and guid in each.guids), None)

    async def submits(self, query: SubmitQuery) -> list[NamedSubmit]:
        found = sorted(self._within(query.account_id, query.span), key=lambda each: each.first_id, reverse=not query.oldest_first)
        return found[query.offset :][: query.limit]

    async def count_submits(self, account_id: int, span: Span) -> int:
        return len(self._within(account_id, span))

    def _within(self, account_id: int, span: Span) -> list[NamedSubmit]:
        since, until = first_id(span.since), first_id(span.until)
        return [each for each in self._submits.values() if each.account_id == account_id and since <= each.first_id < until]

    async def messages_of(self, account_id: int, guids: Sequence[str]) -> list[MtMessage]:
        found = {m.guid: m for m in self._messages.values() if m.account_id == account_id}
        return [found[guid] for guid in guids if guid in found]

    async def cancel(self, account_id: int, guid: str, now: datetime) -> bool:
        message = next(iter(await self.messages_of(account_id, (guid,))), None)
        if message is None or message.in_doubt or not message.status.is_waiting:
            return False
        for ids in self._queues.values():
            ids.discard(message.id)
        self._messages[message.id] = replace(message, status=advance(message.status, Status.CANCELLED), due=None, finished=now)
        return True
