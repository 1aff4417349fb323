"""What an operator can ask of a gateway, one file a noun. The command line asks, through the control socket or without a server.

Each file has `COMMANDS: Mapping[str, Command]`; `load` finds them all, so that a new command is a new file and nothing else is edited.
A command is handed the gateway and a dict of plain values, returns what JSON can say, and raises service.errors.Refused. One that takes
long is an async generator: what it yields is told to the caller at once, and the last thing that it yields is the result.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

Command = Callable[..., Any]
"""(gateway: Gateway, arguments: dict[str, Any]) -> Awaitable[JSON-able] | AsyncIterator[JSON-able]"""


def load() -> dict[str, Command]:
    """Every command in this folder, by its name."""
    commands: dict[str, Command] = {}
    for found in pkgutil.iter_modules(__path__):
        if not found.name.startswith("_"):
            commands.update(importlib.import_module(f"{__name__}.{found.name}").COMMANDS)
    return commands
