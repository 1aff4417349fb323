"""How many files the kernel lets us have open: each connection is one. Where that is too few, we take fewer and say so."""

from __future__ import annotations

import resource
from typing import Any

OTHERS = 300
"""files that are not connections of callers: the store's, the log, webhook calls, links to devices"""
LEAST = 10


def room_for(connections: int, log: Any) -> int:
    """As many connections as are wanted, or as there can be. The soft limit is raised for them as far as the hard one lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = files_for(connections)
    if _is_enough(soft, needed):
        return connections
    granted = _raised(needed, soft, hard)
    if granted >= needed:
        return connections
    fewer = max(LEAST, (granted - OTHERS) * 10 // 11)
    why = f"this process may have {granted} files open and needs {needed}: raise its hard limit (LimitNOFILE= of systemd, ulimit -Hn)"
    log.warning("connections_limited", connections=fewer, wanted=connections, why=why)
    return fewer


def files_for(connections: int) -> int:
    """The front door lets a tenth more in, to tell them that there is no room."""
    return connections + connections // 10 + 1 + OTHERS


def _is_enough(limit: int, needed: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= needed


def _raised(needed: int, soft: int, hard: int) -> int:
    """The soft limit as it is afterwards."""
    wanted = needed if _is_enough(hard, needed) else hard
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):  # macOS has a ceiling that it does not tell
        return soft
    return wanted
