"""Settings that a server pushes, taken over as the SMSGate app does it: section after section, key after key, until one does not fit.

    {"messages": {"processing_order": "FIFO", "limit_period": "PerHour"}, "ping": {"interval_seconds": 300}}

What does not fit raises; what came before it stays taken over, in the section too. SMSGate app, SettingsService.kt, MessagesSettings.kt
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.peers.smsgate_memory import Memory
from tests.peers.smsgate_versions import Version

_Reader = Callable[[Any], Any]


class DoesNotFit(ValueError):
    """The worker tries again with back-off, for ever."""


def apply_settings(tree: dict[str, Any], memory: Memory, version: Version) -> bool:
    """Whether anything changed, on which the phone asks its owner to restart the app. Raises DoesNotFit."""
    known = _sections(version)
    changed = False
    for section, values in tree.items():
        if section not in known:
            continue
        if not isinstance(values, dict):
            raise DoesNotFit(f"{section} is no object")
        for key, value in values.items():
            read = known[section].get(key)
            if read is None:
                continue
            taken = read(value)
            changed |= memory.setting(f"{section}.{key}") != taken
            memory.set(f"{section}.{key}", taken)
    return changed


def _sections(version: Version) -> dict[str, dict[str, _Reader]]:
    messages: dict[str, _Reader] = {
        "send_interval_min": _number,
        "send_interval_max": _number,
        "limit_period": _one_of(version.periods),
        "limit_value": _number_from(0),
        "sim_selection_mode": _one_of({"OSDefault", "RoundRobin", "Random"}),
        "log_lifetime_days": _number_from(1),
        "work_hours_enabled": _boolean,
        "work_hours_start": _time,
        "work_hours_end": _time,
    }
    if version.has("order"):
        messages["processing_order"] = _one_of({"LIFO", "FIFO"})
    sections: dict[str, dict[str, _Reader]] = {
        "encryption": {"passphrase": _text},
        "gateway": {},
        "messages": messages,
        "ping": {"interval_seconds": _number_from(1)},
        "logs": {"lifetime_days": _number_from(1)},
        "webhooks": {"internet_required": _boolean, "retry_count": _number_from(1), "signing_key": _text},
    }
    if version.has("notification_channel"):
        sections["gateway"]["notification_channel"] = _one_of({"AUTO", "SSE_ONLY"})
    if version.has("receiver_settings"):
        sections["receiver"] = {"content_provider_enabled": _boolean}
    return sections


def _number(value: Any) -> int | None:
    """Also from a string, and cut to an int."""
    if value is None:
        return None
    try:
        return int(float(value if isinstance(value, str) else repr(value)))
    except (ValueError, OverflowError) as error:
        raise DoesNotFit("no number") from error


def _number_from(least: int) -> _Reader:
    def read(value: Any) -> int | None:
        number = _number(value)
        if number is not None and number < least:
            raise DoesNotFit(f"below {least}")
        return number

    return read


def _one_of(values: set[str] | frozenset[str]) -> _Reader:
    def read(value: Any) -> str | None:
        if value is None or value in values:
            return None if value is None else str(value)
        raise DoesNotFit("no enum constant of that name")

    return read


def _boolean(value: Any) -> bool:
    return str(value).lower() == "true"


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _time(value: Any) -> str | None:
    if value is not None and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", str(value), re.ASCII):
        raise DoesNotFit("no time of day")
    return None if value is None else str(value)
