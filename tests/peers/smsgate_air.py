"""The air and the handsets behind it: what a phone put out is written down here before anyone hears of it, and a script says what follows.

    c319d3... +32495898697 3f79bb7b435b0532

A line is one SMS to one recipient: device-side id, number, the first 16 hex digits of SHA-256 of its text (`--air-text` writes the text as
JSON instead). It is one write, so that a killed process leaves whole lines.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Sms:
    id: str
    number: str
    text: str

    @property
    def line(self) -> str:
        return f"{self.id} {self.number} {sha256(self.text.encode()).hexdigest()[:16]}"


class Air(Protocol):
    def transmit(self, sms: Sms) -> None: ...


@dataclass
class ListedAir:
    sent: list[Sms] = field(default_factory=list)

    def transmit(self, sms: Sms) -> None:
        self.sent.append(sms)


class FiledAir:
    def __init__(self, path: Path, *, has_text: bool = False) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._has_text = has_text

    def transmit(self, sms: Sms) -> None:
        line = f"{sms.id} {sms.number} {json.dumps(sms.text)}" if self._has_text else sms.line
        written = line.encode() + b"\n"
        assert os.write(self._file, written) == len(written)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What comes of an SMS after it left. Seconds count from then; None never comes."""

    sent_after_s: float | None = 0
    failure: str | None = None
    """instead of sent: `RESULT_ERROR_NO_SERVICE (Failed because service is currently unavailable)`"""
    delivered_after_s: float | None = 1
    delivery_status: int = 0
    """TP-ST: below 0x20 delivered, below 0x40 the network goes on trying, else failed"""
    service_centre: str = "+32495000000"
    parts: int = 1
    reply: str | None = None
    reply_after_s: float = 2


@dataclass(frozen=True)
class Script:
    """By number as it went on the air; the rest have the outcome `otherwise`."""

    otherwise: Outcome = Outcome()
    by_number: Mapping[str, Outcome] = field(default_factory=dict)

    def outcome(self, number: str) -> Outcome:
        return self.by_number.get(number, self.otherwise)


def read_script(path: Path) -> Script:
    """JSON: `{"default": {"delivered_after_s": null}, "+32495898697": {"failure": "RESULT_NO_MEMORY (...)"}}`"""
    found = {name: Outcome(**fields) for name, fields in json.loads(path.read_text()).items()}
    return Script(found.pop("default", Outcome()), found)
