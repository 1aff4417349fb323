"""The data folder: made private, held by one process, with the name of this node in it.

A second process with the same node name would take back the first one's claims and send twice, so the folder is locked whatever the
database is.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

FIRST_KEY = "first-api-key"


class FolderInUse(Exception):
    """Another server runs on this data folder."""


@dataclass(kw_only=True)
class DataFolder:
    path: Path
    node: str
    """the name under which this node claims, the same after a restart"""
    _lock: int

    def write_first_key(self, secret: str) -> Path:
        """Readable by its owner only."""
        path = self.path / FIRST_KEY
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w") as file:
            os.fchmod(fd, 0o600)  # a file that was there keeps its mode otherwise
            file.write(secret + "\n")
        return path

    def close(self) -> None:
        os.close(self._lock)


def open_folder(path: Path) -> DataFolder:
    """Raises FolderInUse, or OSError when it cannot be made or written."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(path / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(lock, 32).decode().strip() or "unknown"
        os.close(lock)
        raise FolderInUse(f"another dragoman server is using {path} (pid {owner}); stop it, or choose another folder with --data") from None
    os.truncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return DataFolder(path=path, node=_node(path / "node"), _lock=lock)


def _node(path: Path) -> str:
    if not path.exists() or not path.read_text().strip():  # a power cut may leave it empty
        partial = path.with_suffix(".new")
        partial.write_text(secrets.token_hex(8) + "\n")
        partial.rename(path)
    return path.read_text().strip()
