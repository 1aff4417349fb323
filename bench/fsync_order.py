"""Shows with strace that the commit is on disk before the answer leaves, for each way to ask.

The server, its SQLite writer and (on PostgreSQL) every backend are traced while one message is accepted. In the trace must stand, in this
order: the request is read; a write to the write-ahead log; its fsync or fdatasync begins and returns 0; the answer is written.

    python -m bench.fsync_order --engine sqlite
"""

from __future__ import annotations

import argparse
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import calls
from bench.figures import Failed, say
from bench.places import ENGINES, Place, fresh
from bench.procs import Server, tree

WAYS = (calls.SOAP, calls.FORM_GET, calls.FORM_POST)
_LOG = re.compile(r"<[^>]*(dragoman\.db-wal|/pg_wal/)")
_READS = re.compile(r"(read|recvfrom|recvmsg)\(")
_WRITES = re.compile(r"(write|writev|sendto|sendmsg)\(")
_LOG_WRITES = re.compile(r"(write|pwrite64|pwritev)\(")
_SYNCS = re.compile(r"(fsync|fdatasync)\(")
_CALLS = "read,recvfrom,recvmsg,write,writev,sendto,sendmsg,pwrite64,pwritev,fsync,fdatasync"
_AT_MOST_S = 20.0


@dataclass(frozen=True, slots=True)
class Order:
    """Line numbers in the trace: calls begin where they are first printed, and have returned where their result is."""

    asked: int
    logged: int
    sync_began: int
    synced: int
    answered: int

    @property
    def is_right(self) -> bool:
        return self.asked < self.logged < self.sync_began <= self.synced < self.answered


def order(trace: list[str], *, asked: str, answered: str) -> Order:
    """What the trace says of the request that holds `asked` and the answer that holds `answered`. Raises Failed when one is missing."""
    first = _find(trace, 0, lambda line: _READS.search(line) and asked in line, "the request being read")
    last = _find(trace, first, lambda line: _WRITES.search(line) and "HTTP/1." in line and answered in line, "the answer being written")
    logged = _find(trace, first, lambda line: _LOG_WRITES.search(line) and _LOG.search(line), "a write to the write-ahead log")
    began = _find(trace, logged, lambda line: _SYNCS.search(line) and _LOG.search(line), "its fsync")
    return Order(first, logged, began, _returned(trace, began), last)


def _find(trace: list[str], start: int, wanted: Callable[[str], object], what: str) -> int:
    for number in range(start, len(trace)):
        if wanted(trace[number]):
            return number
    raise Failed(f"the trace does not show {what}")


def _returned(trace: list[str], began: int) -> int:
    """Where the fsync that begins at this line has returned 0: the same line, or a later one of the same thread."""
    if "<unfinished" not in trace[began]:
        back = began
    else:
        thread = trace[began].split()[0]
        back = _find(trace, began + 1, lambda line: line.split()[0] == thread and "sync resumed>" in line, "the fsync returning")
    if not trace[back].rstrip().endswith("= 0"):
        raise Failed(f"the fsync failed: {trace[back]}")
    return back


@contextmanager
def strace(pids: list[int], output: Path) -> Iterator[None]:
    attach = [option for pid in pids for option in ("-p", str(pid))]
    command = ["strace", "-f", "-y", "-s", "4000", "-e", f"trace={_CALLS}", "-o", str(output), *attach]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert tracer.stderr is not None
        for _ in pids:
            if "attached" not in (told := tracer.stderr.readline()):
                raise Failed(f"strace cannot attach: {told}")
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=_AT_MOST_S)


def ask(port: int, way: calls.Way, text: str) -> str:
    """The id of the message that was accepted."""
    request = way.request({"recipients": "+32470000001", "message": text, "apikey": calls.KEY} | way.extra)
    with socket.create_connection(("127.0.0.1", port), timeout=_AT_MOST_S) as line:
        line.sendall(request)
        answer = line.recv(65536)
    found = way.guid.search(answer)
    if found is None:
        raise Failed(f"{way.name} was refused: {answer[:600]!r}")
    return found[1].decode()


def watch(server: Server, place: Place) -> None:
    """Prints a line for each way. Raises Failed when one answered too early."""
    # the first message of a connection may wait for caches and connections to be made; it is not traced
    ask(server.port, calls.FORM_POST, "before")
    for way in WAYS:
        output = place.data / f"trace-{way.name}"
        text = f"fsyncorder{way.name.replace('_', '')}"
        with strace([*tree(server.pid), *(pid for root in place.roots() for pid in tree(root))], output):
            guid = ask(server.port, way, text)
        found = order(output.read_text(errors="replace").splitlines(), asked=text, answered=guid)
        say("fsync_order", engine=place.engine, way=way.name, synced_before_answer=found.is_right, trace_lines=asdict(found))
        if not found.is_right:
            raise Failed(f"{way.name} on {place.engine}: the answer left before the commit was on disk")


def main() -> None:
    given = argparse.ArgumentParser(prog="python -m bench.fsync_order")
    given.add_argument("--engine", choices=(*ENGINES, "both"), default="both")
    engine = given.parse_args().engine
    for name in ENGINES if engine == "both" else (engine,):
        with fresh(name) as place, Server(data=place.data, url=place.url) as server:
            watch(server, place)


if __name__ == "__main__":
    main()
