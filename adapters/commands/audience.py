"""Whom an account writes to: audience.contacts, audience.import, audience.codes, audience.code, audience.remove_code, audience.groups,
audience.unsubscribe."""

from __future__ import annotations

from typing import Any

from adapters.commands import Command
from adapters.commands._arguments import Arguments, shown, text, text_or_none, whole, words
from service import keys
from service.accounts import Account
from service.audience import NO_GROUP, Contact, SenderCode, Subscription
from service.errors import Invalid, InvalidRecipient, NotFound
from service.gateway import Gateway
from service.numbers import normalise

PAGE_MOST = 1_000
MOST_NAME = 255
Answer = dict[str, Any]


async def contacts(gateway: Gateway, arguments: Arguments) -> list[Answer]:
    """By number, those after `after`, at most `limit`."""
    account = await _account(gateway, arguments)
    limit = min(max(whole(arguments, "limit"), 1), PAGE_MOST) if "limit" in arguments else 20
    page = await gateway.store.contacts(account.id, after=text(arguments, "after", ""), limit=limit)
    return [{"number": one.number, "name": one.name, "fields": dict(one.fields), "created": shown(one.created)} for one in page]


async def add_lines(gateway: Gateway, arguments: Arguments) -> Answer:
    """lines: the number of each line, and its cells by the name of their column, `number` and `name` among them; code and group: what all
    are subscribed to. Those that can be read count, the others are said."""
    account, now = await _account(gateway, arguments), gateway.clock()
    code, group = text_or_none(arguments, "code"), text_or_none(arguments, "group")
    if group and not code:
        raise Invalid("group", "needs a code")
    sender = await _code(gateway, account, code) if code else None
    good, bad = [], []
    for at, cells in _lines(arguments):
        try:
            good.append(_contact(account, cells, now))
        except Invalid as refused:
            bad.append([at, refused.why])
    ids = await gateway.store.save_contacts(good)
    subscribed = 0
    if sender is not None:
        group_id = (await gateway.store.save_group(account.id, group)).id if group else NO_GROUP
        known: dict[str, Any] = {"id": 0, "account_id": account.id, "code_id": sender.id, "group_id": group_id, "created": now}
        subscribed = len(await gateway.store.subscribe([Subscription(contact_id=id, **known) for id in dict.fromkeys(ids)]))
    return {"contacts": len(set(ids)), "subscribed": subscribed, "bad": bad}


def _lines(arguments: Arguments) -> list[tuple[int, dict[str, str]]]:
    lines = arguments.get("lines")
    if not isinstance(lines, list) or not all(isinstance(line, list) and len(line) == 2 and isinstance(line[1], dict) for line in lines):
        raise Invalid("lines", "must be a list of numbers of lines and their cells")
    return [(at, cells) for at, cells in lines]


def _contact(account: Account, cells: dict[str, str], now: Any) -> Contact:
    if any("\0" in str(cell) for cell in cells.values()):
        raise Invalid("lines", "a cell contains a NUL character")
    number, name = str(cells.get("number", "")), str(cells.get("name", ""))
    if len(name) > MOST_NAME:
        raise Invalid("name", f"the name is longer than {MOST_NAME} characters")
    others = {str(column): str(cell) for column, cell in cells.items() if column not in ("number", "name") and cell}
    try:
        known = normalise(number, account.default_country)
    except InvalidRecipient as refused:
        raise Invalid("number", refused.why) from None
    return Contact(id=0, account_id=account.id, number=known, name=name, fields=others, created=now)


async def codes(gateway: Gateway, arguments: Arguments) -> list[Answer]:
    account = await _account(gateway, arguments)
    return [_code_row(code) for code in await gateway.store.sender_codes(account.id)]


async def save_code(gateway: Gateway, arguments: Arguments) -> Answer:
    """code; label; sims: DEVICE:SLOT each. What is not given is taken away."""
    account = await _account(gateway, arguments)
    code = normalise(text(arguments, "code"), account.default_country)
    sims = tuple(_sim(gateway, account, each) for each in words(arguments, "sims"))
    label = text(arguments, "label", "")
    return _code_row(await gateway.store.save_sender_code(SenderCode(id=0, account_id=account.id, code=code, label=label, sims=sims)))


def _sim(gateway: Gateway, account: Account, given: str) -> tuple[str, int]:
    id, _, slot = given.partition(":")
    device = gateway.fleet.get(account.id, id)
    if device is None or not slot.isdecimal() or int(slot) not in device.slots:
        raise Invalid("sims", f"{given!a} is not a SIM of this account: DEVICE:SLOT, as dragoman devices list shows them")
    return id, int(slot)


async def remove_code(gateway: Gateway, arguments: Arguments) -> Answer:
    """code. Its subscriptions go with it, opt-outs of it stay."""
    account = await _account(gateway, arguments)
    if not await gateway.store.remove_sender_code(account.id, (await _code(gateway, account, text(arguments, "code"))).code):
        raise NotFound("there is no such sender code")
    return {"removed": text(arguments, "code")}


async def groups(gateway: Gateway, arguments: Arguments) -> list[Answer]:
    account = await _account(gateway, arguments)
    return [{"id": group.id, "group": group.name} for group in await gateway.store.groups(account.id)]


async def unsubscribe(gateway: Gateway, arguments: Arguments) -> Answer:
    """number and code. It is no opt-out: whoever has asked for silence belongs into the ledger."""
    account = await _account(gateway, arguments)
    code = await _code(gateway, account, text(arguments, "code"))
    contact = await gateway.store.find_contact(account.id, normalise(text(arguments, "number"), account.default_country))
    if contact is None:
        raise NotFound("there is no such contact")
    return {"ended": await gateway.store.unsubscribe(account.id, contact.id, code.id)}


async def _account(gateway: Gateway, arguments: Arguments) -> Account:
    return await keys.account_named(gateway.accounts, text(arguments, "account", "default"))


async def _code(gateway: Gateway, account: Account, given: str) -> SenderCode:
    wanted = normalise(given, account.default_country)
    found = [each for each in await gateway.store.sender_codes(account.id) if each.code == wanted]
    if not found:
        raise NotFound("there is no such sender code")
    return found[0]


def _code_row(code: SenderCode) -> Answer:
    return {"code": code.code, "label": code.label, "sims": [f"{device}:{slot}" for device, slot in code.sims]}


COMMANDS: dict[str, Command] = {
    "audience.contacts": contacts,
    "audience.import": add_lines,
    "audience.codes": codes,
    "audience.code": save_code,
    "audience.remove_code": remove_code,
    "audience.groups": groups,
    "audience.unsubscribe": unsubscribe,
}
