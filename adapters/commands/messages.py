"""Messages: messages.send, messages.log."""

from __future__ import annotations

from typing import Any

from adapters.commands import Command
from adapters.commands._arguments import Arguments, shown, text, text_or_none, whole, words
from service import keys
from service.accounts import ApiKey, Principal
from service.gateway import Gateway
from service.mailbox import MOST_ROWS
from service.messages import Submit
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
    """The newest first, at most `limit`."""
    account = await keys.account_named(gateway.accounts, text(arguments, "account", "default"))
    limit = min(max(whole(arguments, "limit"), 1), MOST_ROWS) if "limit" in arguments else 20
    query = SentQuery(account_id=account.id, guid=text_or_none(arguments, "id"), limit=limit)
    return [
        {
            "id": row.guid,
            "created": shown(row.created),
            "recipient": row.recipient,
            "status": row.status.value,
            "device": row.device,
            "error": row.refusal or row.error,
            "text": row.text,
        }
        for row in await gateway.mailbox.sent(query)
    ]


COMMANDS: dict[str, Command] = {"messages.send": send, "messages.log": log}
