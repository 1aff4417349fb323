"""Messages: messages.send, messages.log, messages.inbox."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from adapters.commands import Command
from adapters.commands._arguments import Arguments, flag, past, shown, text, text_or_none, whole, words
from service import keys
from service.accounts import Account, ApiKey, Principal
from service.gateway import Gateway
from service.mailbox import ALWAYS, MOST_OF_A_TALK, MOST_RECEIVED, MOST_ROWS
from service.mailbox_queries import InboxQuery, Span
from service.messages import ReceivedMessage, Submit
from service.numbers import normalise_sender
from service.ports import SentQuery

OPERATOR = 0
"""the key id of what was sent from the command line"""


async def send(gateway: Gateway, arguments: Arguments) -> dict[str, Any]:
    """One message a recipient, in the account's name; without a running server it waits for one."""
    account = await keys.account_named(gateway.accounts, text(arguments, "account", "default"))
    caller = Principal(account=account, key=ApiKey(id=OPERATOR, account_id=account.id, label="command line", digest=b""))
    receipt = await gateway.submission.submit(
        caller,
        Submit(
            recipients=tuple(words(arguments, "recipients")),
            text=text(arguments, "text"),
            device=text_or_none(arguments, "device"),
            sim=whole(arguments, "sim") if arguments.get("sim") else None,
            api="cli",
        ),
    )
    return {"ids": list(receipt.guids), "status": receipt.status.value, "device_online": receipt.device_online}


async def log(gateway: Gateway, arguments: Arguments) -> list[dict[str, Any]]:
    """The newest first, at most `limit`. `clicks`: how often the short links in the text were followed, by all who were sent them."""
    account = await keys.account_named(gateway.accounts, text(arguments, "account", "default"))
    query = SentQuery(account_id=account.id, guid=text_or_none(arguments, "id"), limit=_limit(arguments, MOST_ROWS))
    return [
        {
            "id": row.guid,
            "created": shown(row.created),
            "recipient": row.recipient,
            "status": row.status.value,
            "device": row.device,
            "error": row.refusal or row.error,
            "clicks": await gateway.links.clicks(account.id, row.text),
            "text": row.text,
        }
        for row in await gateway.mailbox.sent(query)
    ]


async def inbox(gateway: Gateway, arguments: Arguments) -> list[dict[str, Any]]:
    """What the account received, the newest by the phones' clocks first, as it was; `mark_read` has all of it read from now on.

    `unread`: only that. `after`: kept later than a time or a span ago. `from`: only of this sender, whose newest 500 are looked at.
    """
    account = await keys.account_named(gateway.accounts, text(arguments, "account", "default"))
    limit, after = _limit(arguments, MOST_RECEIVED), text_or_none(arguments, "after")
    since = past(after, "after", gateway.clock()) if after else ALWAYS.since
    sender, unread = text_or_none(arguments, "from"), flag(arguments, "unread")
    if sender:
        found = [row for row in await _said_by(gateway, account, sender, since) if not (unread and row.is_read)][:limit]
    else:
        found = await gateway.mailbox.received(InboxQuery(account_id=account.id, since=since, unread=unread, limit=limit))
    if flag(arguments, "mark_read"):
        for row in found:
            await gateway.mailbox.set_read(account, row.guid)
    return [
        {
            "id": row.guid,
            "received": shown(row.received),
            "from": row.sender,
            "alias": row.alias,
            "read": row.is_read,
            "device": row.device,
            "text": row.text,
        }
        for row in found
    ]


async def _said_by(gateway: Gateway, account: Account, sender: str, since: datetime) -> list[ReceivedMessage]:
    span = Span(since=since, until=ALWAYS.until)
    talk = await gateway.mailbox.conversation(account, normalise_sender(sender, account.default_country), span=span, lines=MOST_OF_A_TALK)
    return sorted(talk.incoming, key=lambda row: (row.received, row.id), reverse=True) if talk else []


def _limit(arguments: Arguments, most: int) -> int:
    return min(max(whole(arguments, "limit"), 1), most) if "limit" in arguments else 20


COMMANDS: dict[str, Command] = {"messages.send": send, "messages.log": log, "messages.inbox": inbox}
