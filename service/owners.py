"""Making and changing accounts: who owns keys, devices and messages."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers

from service.accounts import Account, Accounts
from service.errors import Invalid
from service.keys import account_named
from service.quotas import AccountQuotas, checked

VALIDITY_LEAST_S, VALIDITY_MOST_S = 60, 7 * 24 * 3600
TRIAL_MOST = 1_000_000_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


async def add(accounts: Accounts, name: str, **fields: Any) -> Account:
    """`fields` are those of Account. Raises Invalid, Conflict when the name is taken."""
    if not _NAME.fullmatch(name):
        raise Invalid("name", "must be 1 to 64 letters, digits, dots, dashes and underscores")
    return await accounts.store.create_account(_checked(replace(Account(id=0, name=name), **fields)))


async def change(accounts: Accounts, name: str, **fields: Any) -> Account:
    """Raises NotFound, Invalid."""
    changed = _checked(replace(await account_named(accounts, name), **fields))
    await accounts.store.change_account(changed)
    accounts.forget()
    return changed


def _checked(account: Account) -> Account:
    if account.default_country is not None and account.default_country not in phonenumbers.SUPPORTED_REGIONS:
        raise Invalid("country", "must be two letters such as BE (ISO 3166)")
    try:
        ZoneInfo(account.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid("time_zone", "must be an IANA name such as Europe/Brussels") from None
    if not VALIDITY_LEAST_S <= account.validity_s <= VALIDITY_MOST_S:
        raise Invalid("validity_s", f"must be from {VALIDITY_LEAST_S} to {VALIDITY_MOST_S}")
    if account.trial_limit is not None and not 0 <= account.trial_limit <= TRIAL_MOST:
        raise Invalid("trial_limit", f"must be from 0 to {TRIAL_MOST}")
    allowed = account.quotas or AccountQuotas()
    parts = [checked(part) for part in (allowed.whole, allowed.each_number, allowed.each_device)]
    return replace(account, quotas=allowed if any(parts) else None)
