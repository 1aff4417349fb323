"""A real gateway in a process of its own, listening on the loopback, with the simulator as its only device."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

KEY = "interop" + "0" * 33
_ROOT = Path(__file__).parents[2]
_DIRECT = build_opener(ProxyHandler({}))
"""whatever proxy the machine is set to use"""


@dataclass(frozen=True, kw_only=True)
class RunningServer:
    base: str
    process: subprocess.Popen[bytes]

    def url(self, path: str) -> str:
        return self.base + path

    def get(self, path: str, **fields: str) -> Any:
        """The JSON that it answers."""
        with _DIRECT.open(self.url(path) + ("?" + urlencode(fields) if fields else ""), timeout=10) as answer:
            return json.load(answer)

    def sent(self, guid: str) -> dict[str, Any]:
        """The message's row in the log."""
        [row] = self.get("/log/sent/sms", apikey=KEY, guid_message=guid)["result"]["sms"]
        assert isinstance(row, dict)
        return row

    def is_healthy(self) -> bool:
        assert self.process.poll() is None, "the server ended by itself"
        try:
            self.get("/health")
        except (URLError, ConnectionError, TimeoutError):
            return False
        return True


@contextmanager
def running(data: Path, **settings: str) -> Iterator[RunningServer]:
    """Started and healthy; stopped at the end, which must end it with exit code 0. {base} in a setting is its own address."""
    port = free_port()
    log = data / "server.log"
    with open(log, "wb") as output:
        base = f"http://127.0.0.1:{port}"
        environment = _environment(data, port) | {name: value.format(base=base) for name, value in settings.items()}
        process = subprocess.Popen([sys.executable, "run_server.py"], cwd=_ROOT, env=environment, stdout=output, stderr=output)
    server = RunningServer(base=base, process=process)
    try:
        wait_until(server.is_healthy)
        yield server
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0, "the server did not stop cleanly"
    except Exception as error:
        error.add_note(f"its log:\n{log.read_text()}")
        raise
    finally:
        process.kill()
        process.wait()


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still not after {seconds} s: {condition}"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _environment(data: Path, port: int) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DRAGOMAN_")}
    return inherited | {
        "DRAGOMAN_LISTEN": f"127.0.0.1:{port}",
        "DRAGOMAN_DATA": str(data),
        "DRAGOMAN_SIMULATOR": "1",
        "DRAGOMAN_BOOTSTRAP_API_KEY": KEY,
    }
