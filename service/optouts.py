"""The ledger of those who do not want to be written to: one for every API and every campaign. It is asked where a message is accepted,
in that transaction, so no message is accepted once the opt-out that forbids it is kept.

An opt-out is of an account and a number, and either for all that the account sends or for one of its sender codes. What goes by a code is
barred by an opt-out for everything or for that code; what goes by none is barred by any. An answer from a handset is one of the words
below only when the whole of it is, without case, accents, and spaces and punctuation around it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Protocol

from service import segments
from service.accounts import Account
from service.audience import SenderCode, SenderStore
from service.errors import Invalid, InvalidRecipient
from service.lifecycle import Status
from service.messages import MoMessage, MtMessage
from service.numbers import normalise

EVERYTHING = ""
"""the code of an opt-out that is for all that the account sends"""
REPLY_EVERY = timedelta(days=1)
MOST_REPLY = 1_000
MOST_AT_ONCE = 500
MOST_BY = 64
API = "reply"
"""which API an automatic answer came by, for the trace"""


class Word(Enum):
    STOP = "stop"
    START = "start"
    HELP = "help"


class Source(Enum):
    """Where a change came from."""

    HANDSET = "handset"
    API = "api"
    OPERATOR = "operator"
    IMPORT = "import"


_WORDS = {
    Word.STOP: {
        "en": "STOP STOPALL UNSUBSCRIBE CANCEL END QUIT OPTOUT REVOKE",
        "fr": "ARRET DESABONNER DESINSCRIRE",
        "es": "BAJA ALTO",
        "de": "STOPP ABMELDEN ABBESTELLEN",
        "nl": "AFMELDEN UITSCHRIJVEN",
        "it": "DISISCRIVI",
        "pt": "PARAR DESCADASTRAR",
        "da": "AFMELD",
        "sv": "AVREGISTRERA",
        "pl": "WYPISZ",
    },
    Word.START: {"en": "START UNSTOP"},
    Word.HELP: {"en": "HELP INFO", "fr": "AIDE", "es": "AYUDA", "de": "HILFE", "nl": "HULP"},
}
"""By language. Left out is what people answer to a question: no, nein, non, uit ("off" and "out"), fin, weg, sair, annulla, halt. To lift
an opt-out only the two words count that are used for nothing else: a "yes" is an answer to a question too.
"""
WORDS = {word: kind for kind, languages in _WORDS.items() for words in languages.values() for word in words.split()}
_LONGEST = 64


def word_of(text: str) -> Word | None:
    """Which of the words the whole text is; None for any other text."""
    if len(text) > _LONGEST:
        return None
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c) and unicodedata.category(c) != "Cf")
    first = next((i for i, c in enumerate(bare) if not _is_edge(c)), len(bare))
    last = next((i for i in range(len(bare), first, -1) if not _is_edge(bare[i - 1])), first)
    return WORDS.get(bare[first:last].upper())


def _is_edge(c: str) -> bool:
    return c.isspace() or unicodedata.category(c)[0] in "PC"


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """Where changes come from."""

    source: Source
    by: str = ""
    """the device, the key or the person, where known"""
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class OptOut:
    """A number that is not written to now."""

    account_id: int
    number: str
    code: str = EVERYTHING
    """for which sender code; EVERYTHING for all"""
    source: Source
    by: str = ""
    """the device, the key or the person, where known"""
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class OptOutChange:
    """One line of the history, which nothing alters or removes."""

    account_id: int
    number: str
    code: str = EVERYTHING
    is_out: bool
    """False: the opt-out was lifted; EVERYTHING then lifts those for codes too"""
    source: Source
    by: str = ""
    at: datetime
    id: int = 0
    """given by the store, growing"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reaction:
    """What comes of a word from a handset; kept in the transaction that keeps the word."""

    account_id: int
    word: Word
    number: str
    change: OptOutChange | None = None
    reply: MtMessage | None = None
    """without id and guid, which the store gives; not kept when that number was answered so within REPLY_EVERY"""


class OptOutStore(SenderStore, Protocol):
    async def change_optouts(self, changes: Sequence[OptOutChange]) -> int:
        """As one: the ledger is changed, each change is in the history, and what waits for those who are out now is cancelled.

        How many of them changed anything: who is out already is not put out again, who is not is not let in.
        """
        ...

    async def opted_out(self, account_id: int, numbers: Sequence[str], code: str | None) -> list[str]:
        """Those of the numbers that may not be written to by that code, or by none."""
        ...

    async def optouts(self, account_id: int, *, number: str | None = None, after: tuple[str, str] = ("", ""), limit: int) -> list[OptOut]:
        """By number and code, those after that number and code."""
        ...

    async def optout_history(
        self, account_id: int, *, number: str | None = None, before_id: int | None = None, limit: int
    ) -> list[OptOutChange]:
        """Newest first, older than `before_id`."""
        ...

    async def set_reply(self, account_id: int, word: Word, text: str) -> None:
        """What a handset is answered to a word; an empty text is no answer."""
        ...

    async def replies(self, account_id: int) -> dict[Word, str]: ...


@dataclass(kw_only=True)
class OptOuts:
    """The ledger, for APIs and operators."""

    store: OptOutStore

    async def put_out(self, account: Account, numbers: Sequence[str], trace: Trace, *, code: str | None = None) -> int:
        """None is written to any more, and what waits for them is cancelled. How many were not out before. Raises Invalid, naming one."""
        return await self._change(account, numbers, OptOutChange(**_of(account, trace), code=_scope(code), is_out=True))

    async def let_in(self, account: Account, numbers: Sequence[str], trace: Trace, *, code: str | None = None) -> int:
        """Without a code whatever opt-outs there are of these numbers are lifted. How many were out. Raises Invalid, naming one."""
        return await self._change(account, numbers, OptOutChange(**_of(account, trace), code=_scope(code), is_out=False))

    async def _change(self, account: Account, numbers: Sequence[str], pattern: OptOutChange) -> int:
        known = dict.fromkeys(normalise(number, account.default_country) for number in numbers)
        changes = [replace(pattern, number=number) for number in known]
        portions = (changes[i : i + MOST_AT_ONCE] for i in range(0, len(changes), MOST_AT_ONCE))
        return sum([await self.store.change_optouts(portion) for portion in portions])

    async def set_reply(self, account: Account, word: Word, text: str) -> None:
        """What the account answers to a word; nothing, if the text is empty. Raises Invalid."""
        if len(text) > MOST_REPLY:
            raise Invalid("text", f"is longer than {MOST_REPLY} characters")
        await self.store.set_reply(account.id, word, text.strip())


def _of(account: Account, trace: Trace) -> dict[str, Any]:
    return {"account_id": account.id, "number": "", "source": trace.source, "by": trace.by[:MOST_BY], "at": trace.at}


def _scope(code: str | None) -> str:
    if code is not None and not code:
        raise Invalid("code", "is empty")
    return code or EVERYTHING


async def reaction_to(store: OptOutStore, message: MoMessage, account: Account, sender: str, now: datetime) -> Reaction | None:
    """What comes of a received message; None unless it is one of the words, from a number."""
    word = None if message.part else word_of(message.text)
    if word is None or not _is_number(sender):
        return None
    change = None
    if word is not Word.HELP:
        code = _code_of(await store.sender_codes(account.id), message)
        pattern = OptOutChange(**_of(account, Trace(source=Source.HANDSET, by=message.device, at=now)), is_out=word is Word.STOP)
        change = replace(pattern, number=sender, code=code)
    text = (await store.replies(account.id)).get(word, "")
    reply = _reply(message, account, sender, text, now) if text else None
    return Reaction(account_id=account.id, word=word, number=sender, change=change, reply=reply)


def _is_number(sender: str) -> bool:
    try:
        return normalise(sender, None) == sender
    except InvalidRecipient:
        return False


def _code_of(codes: Sequence[SenderCode], message: MoMessage) -> str:
    """The sender code that the word was sent to. Where that is not certain it is about everything: rather too silent than too loud."""
    sent_to = {code.code for code in codes if message.sim is not None and (message.device, message.sim) in code.sims}
    return sent_to.pop() if len(sent_to) == 1 else EVERYTHING


def _reply(message: MoMessage, account: Account, recipient: str, text: str, now: datetime) -> MtMessage:
    """By the SIM that the word came to."""
    return MtMessage(
        id=0,
        guid="",
        account_id=account.id,
        key_id=0,
        api=API,
        recipient=recipient,
        text=text,
        segments=segments.count(text),
        status=Status.QUEUED,
        created=now,
        due=now,
        expires=now + timedelta(seconds=account.validity_s),
        wanted_device=message.device,
        wanted_sim=message.sim,
    )
