"""One server for one database file: an exclusive flock on FILE.lock, with the pid of its holder inside.

The lock belongs to the open file, not to a process: it ends when the last process that has inherited it has closed it.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path

from service.errors import Unavailable

_STEP_S = 0.05


class FileLock:
    def __init__(self, database: Path) -> None:
        self._database = database
        self._path = database.with_name(database.name + ".lock")
        self.fd = -1

    async def acquire(self, wait_s: float) -> None:
        """Raises Unavailable when another process keeps it for so long."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not _try(fd):
                if wait_s <= 0:
                    raise Unavailable(f"another dragoman server is using {self._database} (pid {_pid(fd)})")
                await asyncio.sleep(_STEP_S)
                wait_s -= _STEP_S
        except BaseException:
            os.close(fd)
            raise
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        self.fd = fd

    def release(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _try(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pid(fd: int) -> str:
    return os.pread(fd, 20, 0).decode(errors="replace") or "unknown"
