"""How phones join an account: devices.token.new, devices.token.list, devices.token.revoke, devices.code, accounts.password.

A secret is in one answer, that of the command that made it, and nowhere else.
"""

from __future__ import annotations

from typing import Any

from adapters.commands import Command
from adapters.commands._arguments import Arguments, shown, text
from service import keys, passwords
from service.accounts import Account
from service.gateway import Gateway
from service.invitations import Invitation

FIRST_ACCOUNT = "default"


async def new_token(gateway: Gateway, arguments: Arguments) -> dict[str, Any]:
    account = await _account(gateway, arguments)
    label = text(arguments, "label", "")
    return {"account": account.name, "label": label, "secret": await gateway.enrolment.new_token(account, label)}


async def tokens(gateway: Gateway, arguments: Arguments) -> list[dict[str, Any]]:
    owner = await _account(gateway, arguments) if arguments.get("account") else None
    names = {account.id: account.name for account in await gateway.accounts.store.accounts()}
    return [_row(token, names) for token in await gateway.enrolment.tokens(owner)]


async def revoke_token(gateway: Gateway, arguments: Arguments) -> dict[str, Any]:
    names = {account.id: account.name for account in await gateway.accounts.store.accounts()}
    return _row(await gateway.enrolment.revoke(text(arguments, "id")), names)


async def new_code(gateway: Gateway, arguments: Arguments) -> dict[str, Any]:
    account = await _account(gateway, arguments)
    made = await gateway.enrolment.new_code(account)
    return {"account": account.name, "valid_until": shown(made.valid_until), "secret": made.code}


async def password(gateway: Gateway, arguments: Arguments) -> dict[str, Any]:
    """The one that is given, or one that is made and shown."""
    account = await keys.account_named(gateway.accounts, text(arguments, "name"))
    given = text(arguments, "password", "")
    made = passwords.new_password()
    await gateway.enrolment.set_password(account, given or made)
    return {"login": account.name} if given else {"login": account.name, "secret": made}


async def _account(gateway: Gateway, arguments: Arguments) -> Account:
    return await keys.account_named(gateway.accounts, text(arguments, "account", FIRST_ACCOUNT))


def _row(token: Invitation, names: dict[int, str]) -> dict[str, Any]:
    return {"id": token.id, "account": names.get(token.account_id), "label": token.label, "created": shown(token.created)}


COMMANDS: dict[str, Command] = {
    "devices.token.new": new_token,
    "devices.token.list": tokens,
    "devices.token.revoke": revoke_token,
    "devices.code": new_code,
    "accounts.password": password,
}
