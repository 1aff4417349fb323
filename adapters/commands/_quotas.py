"""Quotas as arguments and in answers: per_minute, per_hour, per_day; for each number or device of an account number_per_day and so on."""

from __future__ import annotations

from dataclasses import replace

from adapters.commands._arguments import Arguments, whole
from service.errors import Invalid
from service.quotas import NO_QUOTAS, AccountQuotas, Quotas

_PARTS = {"": "whole", "number_": "each_number", "device_": "each_device"}
"""how the arguments begin that are about a part"""


def changed(quotas: Quotas | None, arguments: Arguments, prefix: str = "") -> Quotas:
    """What is given is changed, 0 takes a quota away, the rest is kept. Raises Invalid."""
    given = {name: whole(arguments, prefix + name) for name in Quotas.__slots__ if prefix + name in arguments}
    wrong = next((name for name, most in given.items() if most < 0), None)
    if wrong is not None:
        raise Invalid(prefix + wrong, "must be at least 1, or 0 for any number")
    return replace(quotas or NO_QUOTAS, **{name: most or None for name, most in given.items()})


def changed_of_account(quotas: AccountQuotas | None, arguments: Arguments) -> AccountQuotas:
    """Likewise."""
    known = quotas or AccountQuotas()
    return replace(known, **{part: changed(getattr(known, part), arguments, prefix) for prefix, part in _PARTS.items()})


def shown(quotas: Quotas | None, prefix: str = "") -> dict[str, int]:
    return {prefix + name: most for name in Quotas.__slots__ if quotas is not None and (most := getattr(quotas, name)) is not None}


def shown_of_account(quotas: AccountQuotas | None) -> dict[str, int]:
    rows = (shown(getattr(quotas, part), prefix) for prefix, part in _PARTS.items() if quotas is not None)
    return {name: most for row in rows for name, most in row.items()}
