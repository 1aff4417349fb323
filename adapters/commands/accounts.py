"""Accounts: accounts.add, accounts.list, accounts.set."""

from __future__ import annotations

from typing import Any

from adapters.commands import Command, _quotas
from adapters.commands._arguments import Arguments, flag, text, whole
from service import keys, owners
from service.accounts import Account
from service.gateway import Gateway


async def add(gateway: Gateway, arguments: Arguments) -> dict[str, Any]:
    quotas = _quotas.changed_of_account(None, arguments)
    return _row(await owners.add(gateway.accounts, text(arguments, "name"), quotas=quotas, **_fields(arguments)))


async def change(gateway: Gateway, arguments: Arguments) -> dict[str, Any]:
    name = text(arguments, "name")
    quotas = _quotas.changed_of_account((await keys.account_named(gateway.accounts, name)).quotas, arguments)
    return _row(await owners.change(gateway.accounts, name, quotas=quotas, **_fields(arguments)))


async def listed(gateway: Gateway, arguments: Arguments) -> list[dict[str, Any]]:
    return [_row(account) for account in await gateway.accounts.store.accounts()]


def _fields(arguments: Arguments) -> dict[str, Any]:
    """Those that were given; `none` takes the country away, -1 the limit of a trial."""
    fields: dict[str, Any] = {}
    if "country" in arguments:
        country = text(arguments, "country").upper()
        fields["default_country"] = None if country == "NONE" else country
    if "time_zone" in arguments:
        fields["time_zone"] = text(arguments, "time_zone")
    if "validity_s" in arguments:
        fields["validity_s"] = whole(arguments, "validity_s")
    if "trial_limit" in arguments:
        limit = whole(arguments, "trial_limit")
        fields["trial_limit"] = None if limit == -1 else limit
    if "resend_unknown" in arguments:
        fields["resend_unknown"] = flag(arguments, "resend_unknown")
    if "sticky" in arguments:
        fields["sticky"] = flag(arguments, "sticky")
    return fields


def _row(account: Account) -> dict[str, Any]:
    return {
        "name": account.name,
        "country": account.default_country,
        "time_zone": account.time_zone,
        "validity_s": account.validity_s,
        "trial_limit": account.trial_limit,
        "resend_unknown": account.resend_unknown,
        "sticky": account.sticky,
        "quotas": _quotas.shown_of_account(account.quotas),
    }


COMMANDS: dict[str, Command] = {"accounts.add": add, "accounts.list": listed, "accounts.set": change}
