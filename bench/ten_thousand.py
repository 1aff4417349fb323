"""Ten thousand phones on one server: what each costs in memory, what they cost while nothing happens, and how soon a message is fetched.

The phones are the played app (tests/peers), in processes of their own, joined by one private token and told of their messages by the event
stream. "Fetched" is when the answer of GET /message with the message in it is there, counted from when the caller had its 200; both are
read from the machine's monotonic clock. The phones' CPU is the machine's too, so a burst says as much of them as of the server.

    python -m bench.ten_thousand --phones 10000
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from bench import calls, load
from bench.figures import Failed, say
from bench.places import Place, fresh
from bench.procs import ROOT, Server, cpu_s, memory_mib, tree

_AT_MOST_S = 600.0
_STREAMS_S = 180.0
"""an app that lost its stream waits 5 seconds, later up to 60, before it opens another"""
_KEEP_ALIVE_S = 5
"""of the phones' other connections, so that the files that a process may open are enough for the streams"""
_MODEST_S = 0.02
_BURST = 2_000
_DIRECT = build_opener(ProxyHandler({}))


@dataclass(kw_only=True)
class Crowd:
    """Phones of a server, in a few processes."""

    folder: Path
    url: str
    token: str
    phones: int
    processes: int
    ids: list[str] = field(default_factory=list)
    _running: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self) -> None:
        """Returns when all are registered."""
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        shares = [self.phones // self.processes + (n < self.phones % self.processes) for n in range(self.processes)]
        self._running = [self._process(number, share) for number, share in enumerate(shares)]
        for process in self._running:
            assert process.stdout is not None
            for line in process.stdout:
                told = json.loads(line)
                if "ready" in told:
                    break
                self.ids.append(told["id"])
        if len(self.ids) != self.phones:
            raise Failed(f"{len(self.ids)} of {self.phones} phones are registered: see {self.folder}")

    def _process(self, number: int, phones: int) -> subprocess.Popen[str]:
        asked = ["--url", self.url, "--private-token", self.token, "--phones", str(phones), "--keep-alive", str(_KEEP_ALIVE_S)]
        asked += ["--air", str(self.folder / f"air-{number}"), "--pulls", str(self._pulls(number)), "--start-rate", "150"]
        with (self.folder / f"phones-{number}.log").open("w") as log:
            command = [sys.executable, "-m", "tests.peers.smsgate_phone", *asked]
            return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)

    def _pulls(self, number: int) -> Path:
        return self.folder / f"pulls-{number}"

    def fetched(self) -> dict[str, float]:
        """By message, when it was first fetched."""
        found: dict[str, float] = {}
        for number in range(self.processes):
            path = self._pulls(number)
            for line in path.read_text().splitlines() if path.exists() else ():
                id, at = line.split()
                found.setdefault(id, float(at))
        return found

    def stop(self) -> None:
        for process in self._running:
            process.kill()
            process.communicate()


@contextmanager
def crowd(server: Server, *, phones: int, processes: int) -> Iterator[Crowd]:
    made = Crowd(
        folder=server.data, url=f"http://127.0.0.1:{server.port}/mobile/v1", token=_token(server), phones=phones, processes=processes
    )
    try:
        yield made
    finally:
        made.stop()


def ten_thousand(*, phones: int = 10_000, processes: int = 2, idle_s: float = 30.0, messages: int = 500) -> None:
    with fresh("sqlite") as place, Server(data=place.data) as server, crowd(server, phones=phones, processes=processes) as joined:
        said: dict[str, object] = {"phones": phones, "processes": processes, "engine": place.engine}
        say("phones_connected", **said, **_connected(server, place, joined))
        say("phones_idle", **said, seconds=idle_s, **_idle(server, idle_s))
        named = _Named(joined.ids)
        for kind, extra in (("pool", _nobody), ("named", named)):
            say("phones_fetch", **said, to=kind, pace="modest", **_fetch(server, joined, _modest(server, extra, messages)))
            say("phones_fetch", **said, to=kind, pace="burst", **_fetch(server, joined, _burst(server, extra)))
        say("phones_restart", **said, **_restart(server, place, phones))


# one figure each


def _connected(server: Server, place: Place, joined: Crowd) -> dict[str, object]:
    before, began, cpu = memory_mib(server.pid, "Rss"), time.monotonic(), _cpu(server)
    joined.start()
    registered = time.monotonic() - began
    _wait(lambda: _online(server) >= joined.phones, _STREAMS_S)
    time.sleep(2 * _KEEP_ALIVE_S)
    if place.ask("select count(*) from devices")[0][0] < joined.phones:
        raise Failed("not every phone is kept")
    after = memory_mib(server.pid, "Rss")
    return {
        "registered_s": round(registered, 1),
        "cpu_us_each": round(1e6 * (_cpu(server) - cpu) / joined.phones),
        "rss_before_mib": round(before, 1),
        "rss_mib": round(after, 1),
        "bytes_each": round((after - before) * 1024 * 1024 / joined.phones),
    }


def _idle(server: Server, seconds: float) -> dict[str, object]:
    cpu, began = _cpu(server), time.monotonic()
    time.sleep(seconds)
    return {"cpu_percent": round(100 * (_cpu(server) - cpu) / (time.monotonic() - began), 2)}


def _modest(server: Server, extra: Callable[[], Mapping[str, str]], messages: int) -> Iterator[load.Plan]:
    """One after another, with pauses."""
    for number in range(messages):
        time.sleep(_MODEST_S)
        yield load.Plan(port=server.port, way=_way(extra), connections=1, most=1, seed=number)


def _burst(server: Server, extra: Callable[[], Mapping[str, str]]) -> Iterator[load.Plan]:
    yield load.Plan(port=server.port, way=_way(extra), connections=32, seconds=_AT_MOST_S, most=_BURST, seed=_BURST)


def _fetch(server: Server, joined: Crowd, plans: Iterator[load.Plan]) -> dict[str, object]:
    accepted: dict[str, float] = {}
    answers = load.Tally()
    cpu, began = _cpu(server), time.monotonic()
    for plan in plans:
        tally = load.run(replace(plan, on_success=lambda id: accepted.update({id: time.monotonic()})))
        if tally.refused or tally.broken:
            raise Failed(f"{tally.refused} refused, {tally.broken} broken: {tally.first_refused}")
        answers.latencies.extend(tally.latencies)
    took = time.monotonic() - began
    fetched: dict[str, float] = {}

    def is_all() -> bool:
        fetched.update(joined.fetched())
        return accepted.keys() <= fetched.keys()

    _wait(is_all, _AT_MOST_S)
    waits = sorted(max(0.0, fetched[id] - at) for id, at in accepted.items())
    return {
        "messages": len(waits),
        "rate": round(len(waits) / took),
        "accept_p50_ms": round(answers.percentile_ms(50), 2),
        "accept_p99_ms": round(answers.percentile_ms(99), 2),
        "fetch_p50_ms": round(1000 * waits[len(waits) // 2], 1),
        "fetch_p99_ms": round(1000 * waits[len(waits) * 99 // 100], 1),
        "cpu_us_each": round(1e6 * (_cpu(server) - cpu) / len(waits)),
    }


def _restart(server: Server, place: Place, phones: int) -> dict[str, object]:
    server.stop()
    began = time.monotonic()
    server.start()
    ready = time.monotonic() - began
    cpu = _cpu(server)
    _wait(lambda: _online(server) >= phones, _STREAMS_S)
    return {"ready_s": round(ready, 2), "ready_cpu_s": round(cpu, 2), "all_back_s": round(time.monotonic() - began, 1)}


# how it is asked


def _nobody() -> Mapping[str, str]:
    return {}


class _Named:
    """One of the phones, each time another."""

    def __init__(self, ids: list[str]) -> None:
        self._ids, self._dice = ids, random.Random(7)

    def __call__(self) -> Mapping[str, str]:
        return {"sIdentifiant": self._dice.choice(self._ids)}


def _way(extra: Callable[[], Mapping[str, str]]) -> calls.Way:
    return replace(calls.FORM_POST, request=lambda fields: calls.form_post({**fields, **extra()}))


def _token(server: Server) -> str:
    made = subprocess.run(
        [sys.executable, "run_server.py", "devices", "token", "new", "--json"],
        cwd=ROOT,
        env={**os.environ, "DRAGOMAN_DATA": str(server.data)},
        check=True,
        capture_output=True,
        text=True,
    )
    return str(json.loads(made.stdout)["secret"])


def _online(server: Server) -> int:
    """How many phones the gateway says are there; 0 while it has no room for the question."""
    try:
        with _DIRECT.open(f"http://127.0.0.1:{server.port}/gateway/mobile/list?apikey={calls.KEY}", timeout=60) as answer:
            return sum(bool(row["online"]) for row in json.load(answer)["result"]["mobiles"])
    except OSError:
        return 0


def _cpu(server: Server) -> float:
    return cpu_s(tree(server.pid))


def _wait(is_done: Callable[[], bool], at_most_s: float) -> None:
    ends = time.monotonic() + at_most_s
    while not is_done():
        if time.monotonic() > ends:
            raise Failed(f"still not after {at_most_s} s")
        time.sleep(0.5)


def main() -> None:
    ask = argparse.ArgumentParser(prog="python -m bench.ten_thousand")
    ask.add_argument("--phones", type=int, default=10_000)
    ask.add_argument("--processes", type=int, default=2)
    ask.add_argument("--idle-s", type=float, default=30.0)
    ask.add_argument("--messages", type=int, default=500, help="at the modest pace, of each kind")
    ten_thousand(**vars(ask.parse_args()))


if __name__ == "__main__":
    main()
