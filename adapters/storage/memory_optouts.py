"""The opt-out ledger in memory. A part of memory.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from service.lifecycle import Status, advance
from service.messages import Ids, MtMessage
from service.optouts import API, EVERYTHING, REPLY_EVERY, OptOut, OptOutChange, Reaction, Word

_Key = tuple[int, str, str]


@dataclass
class MemoryOptOuts:
    """A service.optouts.OptOutStore."""

    _out: dict[_Key, OptOut] = field(default_factory=dict)
    _history: list[OptOutChange] = field(default_factory=list)
    _replies: dict[tuple[int, Word], str] = field(default_factory=dict)
    _replied: dict[tuple[int, str, Word], datetime] = field(default_factory=dict)
    _reply_ids: Ids = field(default_factory=Ids)

    async def change_optouts(self, changes: Sequence[OptOutChange]) -> int:
        return sum(map(self._change_optout, changes))

    def _change_optout(self, change: OptOutChange) -> bool:
        of_number = [key for key in self._out if key[:2] == (change.account_id, change.number)]
        key = (change.account_id, change.number, change.code)
        if change.is_out:
            moved = [] if key in self._out else [key]
            known = {name: getattr(change, name) for name in OptOut.__slots__}
            self._out.setdefault(key, OptOut(**known))
        else:
            moved = [each for each in of_number if change.code in (EVERYTHING, each[2])]
            for each in moved:
                del self._out[each]
        for _, _, code in sorted(moved):
            self._history.append(replace(change, code=code, id=len(self._history) + 1))
        return bool(moved)

    def _barred(self, account_id: int, number: str, code: str | None) -> bool:
        return any(key[:2] == (account_id, number) and (code is None or key[2] in (EVERYTHING, code)) for key in self._out)

    async def opted_out(self, account_id: int, numbers: Sequence[str], code: str | None) -> list[str]:
        return [number for number in numbers if self._barred(account_id, number, code)]

    async def optouts(self, account_id: int, *, number: str | None = None, after: tuple[str, str] = ("", ""), limit: int) -> list[OptOut]:
        mine = [out for key, out in sorted(self._out.items()) if key[0] == account_id and (number is not None or key[1:] > after)]
        return [out for out in mine if number in (None, out.number)][:limit]

    async def optout_history(
        self, account_id: int, *, number: str | None = None, before_id: int | None = None, limit: int
    ) -> list[OptOutChange]:
        mine = [one for one in reversed(self._history) if one.account_id == account_id and number in (None, one.number)]
        return [one for one in mine if before_id is None or one.id < before_id][:limit]

    async def set_reply(self, account_id: int, word: Word, text: str) -> None:
        self._replies[account_id, word] = text

    async def replies(self, account_id: int) -> dict[Word, str]:
        return {word: text for (owner, word), text in self._replies.items() if owner == account_id and text}

    def _reply_of(self, reaction: Reaction, now: datetime) -> MtMessage | None:
        """What is to be kept; None when that number has been answered lately."""
        if reaction.reply is None:
            return None
        key = (reaction.account_id, reaction.number, reaction.word)
        if key in self._replied and self._replied[key] > now - REPLY_EVERY:
            return None
        self._replied[key] = now
        id, guid = self._reply_ids.new(now)
        return replace(reaction.reply, id=id, guid=guid)


def is_cancelled_by(change: OptOutChange, message: MtMessage) -> bool:
    """Whether a message that waits goes to who has opted out, by a code of which that was said, or by none."""
    is_theirs = (message.account_id, message.recipient) == (change.account_id, change.number)
    may = advance(message.status, Status.CANCELLED) is Status.CANCELLED and message.status.is_waiting and not message.in_doubt
    return is_theirs and may and message.api != API and (not change.code or message.sender in (None, change.code))
