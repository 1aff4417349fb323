"""The load program: N keep-alive connections in a closed loop over epoll, each answer checked before the next call.

It costs about 10 CPU microseconds a call, so it is not what holds a server up. Every answer is a success (its body holds a
message's id), or it is counted as refused and the first such is kept; a connection that ends without an answer is counted too.

    python -m bench.load 127.0.0.1:8080 --way soap --connections 32 --seconds 5
"""

from __future__ import annotations

import argparse
import re
import select
import socket
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle

from bench import calls

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_LAST_ANSWERS_S = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    port: int
    way: calls.Way
    connections: int = 32
    seconds: float = 3.0
    most: int | None = None
    """end after this many calls"""
    seed: int = 0
    on_success: Callable[[str], None] | None = None
    """told the id of each message whose success was seen"""


@dataclass(kw_only=True, slots=True)
class Tally:
    ok: int = 0
    refused: int = 0
    first_refused: str = ""
    broken: int = 0
    """connections that ended with a call unanswered"""
    seconds: float = 0.0
    cpu_s: float = 0.0
    """the load program's own"""
    latencies: array[float] = field(default_factory=lambda: array("d"))

    @property
    def rate(self) -> float:
        return self.ok / self.seconds if self.seconds else 0.0

    def percentile_ms(self, percent: float) -> float:
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


@dataclass(slots=True)
class _Line:
    socket: socket.socket
    asked: float = 0.0
    waiting: bool = False
    got: bytes = b""


class _Loop:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.tally = Tally()
        count = calls.DIFFERENT if plan.most is None else min(plan.most, calls.DIFFERENT)
        self.requests = cycle(plan.way.requests(seed=plan.seed, count=count))
        self.left = plan.most if plan.most is not None else 1 << 62
        self.poll = select.epoll()
        self.lines: dict[int, _Line] = {}

    def run(self) -> Tally:
        cpu, began = time.process_time(), time.perf_counter()
        self.ends = began + self.plan.seconds
        self._connect()
        while any_left := self.lines:
            events = self.poll.poll(_LAST_ANSWERS_S)
            if not events:
                raise TimeoutError(f"no answer for {_LAST_ANSWERS_S} s on {len(any_left)} connections")
            for number, _ in events:
                self._ready(self.lines[number])
        self.tally.seconds = time.perf_counter() - began
        self.tally.cpu_s = time.process_time() - cpu
        self.poll.close()
        return self.tally

    def _connect(self) -> None:
        for _ in range(self.plan.connections):
            line = _Line(socket.create_connection(("127.0.0.1", self.plan.port), timeout=5))
            line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.lines[line.socket.fileno()] = line
            self.poll.register(line.socket.fileno(), select.EPOLLIN)
        for line in list(self.lines.values()):
            self._ask(line)

    def _ask(self, line: _Line) -> None:
        now = time.perf_counter()
        if self.left <= 0 or now >= self.ends:
            return self._close(line)
        self.left -= 1
        line.asked, line.waiting = now, True
        try:
            line.socket.sendall(next(self.requests))
        except OSError:
            self._broken(line)

    def _ready(self, line: _Line) -> None:
        try:
            data = line.socket.recv(65536)
        except OSError:
            data = b""
        if not data:
            return self._broken(line)
        line.got += data
        body = _body(line.got)
        if body is not None:
            self._answered(line, body)

    def _answered(self, line: _Line, body: bytes) -> None:
        self.tally.latencies.append(time.perf_counter() - line.asked)
        found = self.plan.way.guid.search(body)
        if found is None:
            self.tally.refused += 1
            self.tally.first_refused = self.tally.first_refused or line.got[:600].decode("latin-1")
        else:
            self.tally.ok += 1
            if self.plan.on_success is not None:
                self.plan.on_success(found[1].decode())
        line.waiting, line.got = False, b""
        self._ask(line)

    def _broken(self, line: _Line) -> None:
        self.tally.broken += line.waiting
        self._close(line)

    def _close(self, line: _Line) -> None:
        del self.lines[line.socket.fileno()]
        line.socket.close()


def _body(got: bytes) -> bytes | None:
    """The body of a whole answer; None while some of it is missing."""
    head = got.find(b"\r\n\r\n")
    if head < 0:
        return None
    length = _LENGTH.search(got, 0, head)
    if length is None:
        raise ValueError(f"an answer without Content-Length: {got[:200]!r}")
    body = got[head + 4 :]
    return body if len(body) >= int(length[1]) else None


def run(plan: Plan) -> Tally:
    """Ends after `seconds` or `most` calls, once the calls in flight are answered, or when every connection has broken."""
    return _Loop(plan).run()


def main() -> None:
    ways = {way.name: way for way in (calls.FORM_POST, calls.FORM_GET, calls.SOAP, calls.SOAP_ALL)}
    ask = argparse.ArgumentParser(prog="python -m bench.load")
    ask.add_argument("address", help="127.0.0.1:PORT")
    ask.add_argument("--way", choices=ways, default="form_post")
    ask.add_argument("--connections", type=int, default=32)
    ask.add_argument("--seconds", type=float, default=3.0)
    given = ask.parse_args()
    port = int(given.address.rpartition(":")[2])
    tally = run(Plan(port=port, way=ways[given.way], connections=given.connections, seconds=given.seconds))
    own_us = 1e6 * tally.cpu_s / max(1, tally.ok)
    print(f"{tally.ok} accepted, {tally.rate:.0f}/s, p50 {tally.percentile_ms(50):.2f} ms, p99 {tally.percentile_ms(99):.2f} ms")
    print(f"{tally.refused} refused, {tally.broken} broken, own CPU {own_us:.1f} us a call\n{tally.first_refused}")


if __name__ == "__main__":
    main()
