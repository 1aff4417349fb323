"""The opt-out ledger: optouts.list, optouts.history, optouts.add, optouts.import, optouts.remove, optouts.reply."""

from __future__ import annotations

from typing import Any

from adapters.commands import Command
from adapters.commands._arguments import Arguments, shown, text, text_or_none, whole, words
from service import keys
from service.accounts import Account
from service.errors import Invalid, InvalidRecipient, Missing
from service.gateway import Gateway
from service.numbers import normalise
from service.optouts import OptOut, OptOutChange, Source, Trace, Word

PAGE_MOST = 1_000
Answer = dict[str, Any]


async def listed(gateway: Gateway, arguments: Arguments) -> list[Answer]:
    """Who is not written to, by number: those after `after` (a number and a code), at most `limit`; or only `number`."""
    account = await _account(gateway, arguments)
    after = words(arguments, "after") or ["", ""]
    if len(after) != 2:
        raise Invalid("after", "must be a number and a code")
    number = _number(account, arguments)
    page = await gateway.optouts.store.optouts(account.id, number=number, after=(after[0], after[1]), limit=_limit(arguments))
    return [_row(one) for one in page]


async def history(gateway: Gateway, arguments: Arguments) -> list[Answer]:
    """All changes, the newest first: older than `before` (an id), at most `limit`; or only those of `number`."""
    account = await _account(gateway, arguments)
    before = whole(arguments, "before") if "before" in arguments else None
    store, number = gateway.optouts.store, _number(account, arguments)
    return [_line(one) for one in await store.optout_history(account.id, number=number, before_id=before, limit=_limit(arguments))]


async def add(gateway: Gateway, arguments: Arguments) -> Answer:
    """numbers; code, or everything; by: who says so. What waits for them is cancelled."""
    account, trace = await _account(gateway, arguments), _trace(gateway, arguments)
    return {"opted_out": await gateway.optouts.put_out(account, _numbers(arguments), trace, code=text_or_none(arguments, "code"))}


async def add_lines(gateway: Gateway, arguments: Arguments) -> Answer:
    """lines: numbers of lines with the phone number on each; by: the file. Those that can be read count, the others are said."""
    account, lines = await _account(gateway, arguments), arguments.get("lines")
    if not isinstance(lines, list) or not all(isinstance(line, list) and len(line) == 2 and isinstance(line[1], str) for line in lines):
        raise Invalid("lines", "must be a list of numbers of lines and phone numbers")
    good, bad = [], []
    for at, number in lines:
        try:
            good.append(normalise(number, account.default_country))
        except InvalidRecipient as refused:
            bad.append([at, refused.why])
    trace = Trace(source=Source.IMPORT, by=text(arguments, "by", ""), at=gateway.clock())
    return {"opted_out": await gateway.optouts.put_out(account, good, trace, code=text_or_none(arguments, "code")), "bad": bad}


async def remove(gateway: Gateway, arguments: Arguments) -> Answer:
    """numbers; code, or all that there is of them."""
    account, trace = await _account(gateway, arguments), _trace(gateway, arguments)
    return {"lifted": await gateway.optouts.let_in(account, _numbers(arguments), trace, code=text_or_none(arguments, "code"))}


async def reply(gateway: Gateway, arguments: Arguments) -> Answer:
    """word (stop, start or help) and text: what the account answers to it; an empty text is no answer. Without a word: what it answers."""
    account = await _account(gateway, arguments)
    if text_or_none(arguments, "word") is not None:
        if arguments.get("text") is None:
            raise Missing("text")
        await gateway.optouts.set_reply(account, _word(arguments), text(arguments, "text", ""))
    replies = await gateway.optouts.store.replies(account.id)
    return {word.value: replies.get(word) for word in Word}


async def _account(gateway: Gateway, arguments: Arguments) -> Account:
    return await keys.account_named(gateway.accounts, text(arguments, "account", "default"))


def _number(account: Account, arguments: Arguments) -> str | None:
    number = text_or_none(arguments, "number")
    return None if number is None else normalise(number, account.default_country)


def _numbers(arguments: Arguments) -> list[str]:
    numbers = words(arguments, "numbers")
    if not numbers:
        raise Missing("numbers")
    return numbers


def _trace(gateway: Gateway, arguments: Arguments) -> Trace:
    return Trace(source=Source.OPERATOR, by=text(arguments, "by", ""), at=gateway.clock())


def _word(arguments: Arguments) -> Word:
    given = text(arguments, "word")
    if given not in [each.value for each in Word]:
        raise Invalid("word", f"must be one of {', '.join(each.value for each in Word)}")
    return Word(given)


def _limit(arguments: Arguments) -> int:
    return min(max(whole(arguments, "limit"), 1), PAGE_MOST) if "limit" in arguments else 20


def _row(one: OptOut) -> Answer:
    return {"number": one.number, "code": one.code, "source": one.source.value, "by": one.by, "since": shown(one.at)}


def _line(one: OptOutChange) -> Answer:
    what = "out" if one.is_out else "in"
    return {
        "id": one.id,
        "at": shown(one.at),
        "number": one.number,
        "code": one.code,
        "what": what,
        "source": one.source.value,
        "by": one.by,
    }


COMMANDS: dict[str, Command] = {
    "optouts.list": listed,
    "optouts.history": history,
    "optouts.add": add,
    "optouts.import": add_lines,
    "optouts.remove": remove,
    "optouts.reply": reply,
}
