"""A server as its operator sees it: started, asked for its health, stopped or killed; and what its processes cost.

CPU and memory are read from /proc for a process and everything below it, so that a child that was already waited for counts too.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from bench import calls

ROOT = Path(__file__).resolve().parent.parent
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_READY_S = 20.0
_STOPPED_S = 30.0


class NotReady(Exception):
    """The server did not come up; the message has the end of its log."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@dataclass(kw_only=True)
class Server:
    """`python run_server.py` on a port of its own, in a process group of its own."""

    data: Path
    url: str = ""
    phones: int = 0
    behaviour: Mapping[str, object] = field(default_factory=dict)
    """how the simulated phones behave, where it is not the default"""
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.stop()

    @property
    def pid(self) -> int:
        assert self.process is not None, "the server was not started"
        return self.process.pid

    @property
    def radio_log(self) -> Path:
        return self.data / "radio.log"

    def start(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        with (self.data / "server.log").open("ab") as log:
            command = [sys.executable, "run_server.py"]
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=self._environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._wait_until_ready()

    def _environment(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("DRAGOMAN_")}
        if self.behaviour:
            ours["DRAGOMAN_SIMULATOR_BEHAVIOUR"] = json.dumps(self.behaviour)
        return ours | {
            "DRAGOMAN_LISTEN": f"127.0.0.1:{self.port}",
            "DRAGOMAN_DATA": str(self.data),
            "DRAGOMAN_DATABASE_URL": self.url,
            "DRAGOMAN_SIMULATOR": str(self.phones),
            "DRAGOMAN_BOOTSTRAP_API_KEY": calls.KEY,
            "DRAGOMAN_LOG": "json",
        }

    def _wait_until_ready(self) -> None:
        assert self.process is not None
        ends = time.monotonic() + _READY_S
        while not self._is_healthy():
            if self.process.poll() is not None or time.monotonic() > ends:
                self.kill()
                raise NotReady((self.data / "server.log").read_text(errors="replace")[-2000:])
            time.sleep(0.02)

    def _is_healthy(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as asked:
                asked.sendall(b"GET /health HTTP/1.0\r\nHost: bench.example\r\n\r\n")
                return b" 200 " in asked.recv(64)
        except OSError:
            return False

    def command(self, *arguments: str) -> Any:
        """What the command line says beside the running server, by JSON."""
        command = [sys.executable, "run_server.py", *arguments, "--json"]
        done = subprocess.run(command, cwd=ROOT, env=self._environment(), capture_output=True, check=True, timeout=60)
        return json.loads(done.stdout)

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        assert self.process is not None
        self.process.terminate()
        status = self.process.wait(_STOPPED_S)
        self.process = None
        return status

    def kill(self, *, with_children: bool = True) -> None:
        """SIGKILL: to the whole group at once, or to the server alone, whose children then see it gone."""
        assert self.process is not None
        if with_children:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.kill()
        self.process.wait()
        self.process = None


def tree(root: int) -> list[int]:
    """The process and everything below it."""
    children: dict[int, list[int]] = {}
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        if stat := _stat(pid):
            children.setdefault(int(stat[1]), []).append(pid)
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu_s(pids: Iterable[int]) -> float:
    """CPU seconds, user and system, of these processes and of the children that they had already waited for."""
    return _TICK_S * sum(int(value) for pid in pids for value in _stat(pid)[11:15])


def memory_mib(root: int, kind: str) -> float:
    """Pss (pages that are shared are divided among those who share them) or Rss of the process and all below it."""
    total = 0
    for pid in tree(root):
        for line in _lines(f"/proc/{pid}/smaps_rollup"):
            if line.startswith(f"{kind}:"):
                total += int(line.split()[1])
    return total / 1024


def _stat(pid: int) -> list[str]:
    """The fields from the third (state) on; [] when it has gone. The second is a name that may hold spaces and brackets."""
    return "".join(_lines(f"/proc/{pid}/stat")).rpartition(")")[2].split()


def _lines(path: str) -> list[str]:
    try:
        with open(path) as file:
            return file.readlines()
    except OSError:
        return []


def is_alive(pid: int) -> bool:
    """Whether it still runs; one that has ended but was not waited for does not."""
    return _stat(pid)[:1] not in ([], ["Z"])
