"""JSON as the SMSGate app's Gson writes it: no blanks, nulls left out, and five ASCII characters of HTML escaped.

Gson escapes them unless it is told not to (`disableHtmlEscaping`), so a signed body holds `\\u003d` where one would expect `=`.
"""

from __future__ import annotations

import json
from typing import Any

_ESCAPED = {ord(char): f"\\u{ord(char):04x}" for char in "<>&='\u2028\u2029"}


def write(value: Any) -> bytes:
    text = json.dumps(_without_nulls(value), ensure_ascii=False, separators=(",", ":"))
    return text.translate(_ESCAPED).encode()


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in value]
    return value
