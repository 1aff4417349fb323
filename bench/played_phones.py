"""Played phones (tests/peers/smsgate_phone.py) as processes that die and come back: each with its memory, its air log and its faults.

What a phone put on the air is read from its air log, which it writes before anything else learns of it; how often a fault happened,
from what it logged.
"""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from bench.procs import ROOT

_FAULT = re.compile(r"^phone \d+: fault (\w+)$", re.MULTILINE)


@dataclass(kw_only=True)
class PlayedPhone:
    """One phone; started again it is the same one."""

    name: str
    folder: Path
    url: str
    token: str
    clock_offset_s: float = 0.0
    script: Path | None = None
    """what comes of an SMS, by number"""
    process: subprocess.Popen[bytes] | None = None
    kills: Counter[str] = field(default_factory=Counter)
    _kill_at: str | None = None

    @property
    def air(self) -> Path:
        return self.folder / f"{self.name}.air"

    def start(self, *faults: str, kill_at: str | None = None, kill_on: int = 1) -> None:
        """With `kill_at` it ends itself by SIGKILL the `kill_on`th time that it comes there."""
        self.kill()
        command = [sys.executable, "-m", "tests.peers.smsgate_phone", "--url", self.url, "--private-token", self.token]
        command += ["--memory", str(self._memory), "--air", str(self.air)]
        command += ["--clock-offset", str(self.clock_offset_s), *faults]
        if self.script is not None:
            command += ["--script", str(self.script)]
        if kill_at is not None:
            command += ["--kill-at", kill_at, "--kill-on", str(kill_on)]
        self._kill_at = kill_at
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def _log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def _memory(self) -> Path:
        return self.folder / f"{self.name}.db"

    @property
    def is_dead(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def kill(self) -> None:
        """SIGKILL, unless it is dead already; counted as what it died of."""
        if self.process is None:
            return
        died_there = self.process.poll() is not None
        self.process.kill()
        self.process.wait()
        self.process = None
        self.kills[f"phone_killed_{self._kill_at if died_there else 'at_random'}"] += 1

    @property
    def stored(self) -> set[str]:
        """The ids of all messages that it remembers."""
        with closing(sqlite3.connect(self._memory, timeout=10)) as memory:
            has_begun = memory.execute("select 1 from sqlite_master where name = 'messages'").fetchone()
            return {id for (id,) in memory.execute("select id from messages")} if has_begun else set()

    @property
    def faults(self) -> Counter[str]:
        """By kind."""
        said = self._log.read_text() if self._log.exists() else ""
        return self.kills + Counter(_FAULT.findall(said))


def on_air(phones: Sequence[PlayedPhone]) -> Counter[str]:
    """By recipient, how many SMS the phones put on the air."""
    lines = [line for phone in phones if phone.air.exists() for line in phone.air.read_text().splitlines()]
    return Counter(line.split()[1] for line in lines)
