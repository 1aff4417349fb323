"""An account's preferences in the words of the app SMSGate and its server: what a program reads and writes of them, and what phones get.

    {"messages": {"send_interval_min": 5, "limit_period": "PerHour", "limit_value": 50, "sim_selection_mode": "RoundRobin"}, ...}

What the gateway needs to be as it is (how often a phone calls, by which channel it is told) is shown and cannot be changed.
"""

from __future__ import annotations

import re
from dataclasses import replace
from enum import Enum
from typing import Any

from service.errors import Invalid
from service.preferences import Period, Preferences, SimChoice

PING_S = 300
Section = dict[str, object]

FIXED: dict[tuple[str, str], object] = {
    ("messages", "processing_order"): "FIFO",
    ("ping", "interval_seconds"): PING_S,
    # we may be in a network without a way out
    ("webhooks", "internet_required"): False,
    ("gateway", "notification_channel"): "SSE_ONLY",
}
KEYS = {
    ("messages", "send_interval_min"): "interval_least_s",
    ("messages", "send_interval_max"): "interval_most_s",
    ("messages", "limit_period"): "limit_period",
    ("messages", "limit_value"): "limit",
    ("messages", "sim_selection_mode"): "sim_choice",
    ("messages", "log_lifetime_days"): "messages_days",
    ("logs", "lifetime_days"): "log_days",
}
"""section and key -> the field of Preferences"""
SIGNING_KEY = ("webhooks", "signing_key")
WORDS: dict[str, dict[str, Enum]] = {
    "limit_period": {"Disabled": Period.NONE, "PerMinute": Period.MINUTE, "PerHour": Period.HOUR, "PerDay": Period.DAY},
    "sim_choice": {"OSDefault": SimChoice.PHONE, "RoundRobin": SimChoice.IN_TURN, "Random": SimChoice.RANDOM},
}
_OURS = {field: f"{section}.{key}" for (section, key), field in KEYS.items()}
_CAPITAL = re.compile("(?<=[a-z])([A-Z])")


def phone_settings(preferences: Preferences) -> dict[str, Section]:
    """What a phone is to do, without what is its own affair."""
    told: dict[str, Section] = {}
    for (section, key), field in KEYS.items():
        value = getattr(preferences, field)
        if value is not None:
            told.setdefault(section, {})[key] = _word(field, value)
    return told


def shown(preferences: Preferences) -> dict[str, Section]:
    """What a program reads: no secret is in it."""
    told = phone_settings(preferences)
    for (section, key), value in FIXED.items():
        told.setdefault(section, {})[key] = value
    return told


def changed(said: dict[str, Any], before: Preferences) -> tuple[Preferences, str | None]:
    """The preferences after a change, and a signing key if it brings one. Raises Invalid."""
    fields: dict[str, Any] = {}
    signing_key = None
    for where, value in _settings(said):
        field = KEYS.get(where)
        if field is not None:
            fields[field] = _read(where, field, value)
        elif where == SIGNING_KEY and (value is None or isinstance(value, str)):
            signing_key = value
        elif value is not None and (where not in FIXED or value != FIXED[where]):
            raise Invalid(".".join(where), "cannot be set here")
    try:
        return replace(before, **fields).checked(), signing_key or None
    except Invalid as bad:
        raise Invalid(_OURS.get(bad.field, bad.field), bad.why) from None


def _settings(said: dict[str, Any]) -> list[tuple[tuple[str, str], Any]]:
    """Section, key and value; one of their clients writes sendIntervalMin where the others write send_interval_min."""
    found = []
    for section, values in said.items():
        if values is not None and not isinstance(values, dict):
            raise Invalid(section, "must be an object")
        found += [((section, _CAPITAL.sub(r"_\1", key).lower()), value) for key, value in (values or {}).items()]
    return found


def _read(where: tuple[str, str], field: str, value: object) -> object:
    if value is None:
        return None
    if field in WORDS:
        if not isinstance(value, str) or value not in WORDS[field]:
            raise Invalid(".".join(where), f"must be one of {', '.join(WORDS[field])}")
        return WORDS[field][value]
    if not isinstance(value, int) or isinstance(value, bool):
        raise Invalid(".".join(where), "must be a whole number")
    return value


def _word(field: str, value: object) -> object:
    return next((word for word, ours in WORDS[field].items() if ours is value), value) if field in WORDS else value
