"""What the SMSGate app's own JSON library makes of a message list and of dates: Gson in a JVM, with the app's date pattern and fields.

`gson_reads(b'[{"id": "m1", ...}]')` is the list as the app understands it, dates in milliseconds since 1970, null for what it does not know.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

GSON = Path("/usr/share/java/gson.jar")
_PROGRAM = Path(__file__).parent / "gson" / "ReadsAsApp.java"


class GsonThrows(Exception):
    """and the app has lost the whole answer"""


def gson_reads(json_bytes: bytes) -> list[dict[str, Any]]:
    """Raises GsonThrows."""
    [told] = gson_reads_each([json_bytes])
    if isinstance(told, GsonThrows):
        raise told
    return told


def gson_reads_each(lists: Sequence[bytes]) -> list[list[dict[str, Any]] | GsonThrows]:
    """Many lists through one JVM."""
    return [_thrown(told) or told for told in _run([text.decode() for text in lists])]


def gson_dates(texts: Sequence[str]) -> list[int | None]:
    """Milliseconds since 1970, or None where Gson throws. The JVM's zone is UTC."""
    return [None if _thrown(told) else told for told in _run(texts, "dates")]


def _thrown(told: Any) -> GsonThrows | None:
    return GsonThrows(told["exception"]) if isinstance(told, dict) else None


def _run(texts: Sequence[str], *arguments: str) -> list[Any]:
    command = ["java", "-Duser.timezone=UTC", "-cp", str(GSON), str(_PROGRAM), *arguments]
    done = subprocess.run(command, input=json.dumps(list(texts)).encode(), capture_output=True, check=False, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode(errors="replace"))
    found: list[Any] = json.loads(done.stdout)
    return found
