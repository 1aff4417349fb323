"""kill -9 under load: what a caller was promised is there after the restart, and nothing was sent twice.

A round: a server with simulated phones takes calls from 16 connections and is killed in the middle: on the very moment that an answer is
read (is it stored?), that a phone has put a message on the air (is it recorded?), or at random. What it had in flight (SENDING) is read
from the store; it is started again and left alone until nothing waits; then the store is held against the ids whose success the callers
saw, and against the radio file, to which a simulated phone adds a line for each message that it puts on the air.

    python -m bench.kill9 --engine sqlite --rounds 20
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench import calls, load
from bench.figures import say
from bench.places import ENGINES, Place, fresh
from bench.procs import Server, is_alive, tree

CONNECTIONS = 16
PHONES = 2
# slow enough that there is always something in flight
BEHAVIOUR = {"latency_s": [0, 0.01], "delivered_reports": 1.0, "delivered_after_s": [0, 0.02]}
_AT_MOST_S = 60.0
_WAITING = "select count(*) from messages where status in ('queued', 'scheduled', 'sending')"


class Broken(Exception):
    """A promise was broken; the message says which, with examples."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kill:
    """How a server is killed."""

    moment: str
    """answered, on_air or random"""
    with_children: bool
    """all its processes at once, or the server alone"""


KILLS = tuple(Kill(moment=moment, with_children=all_) for all_ in (True, False) for moment in ("answered", "on_air", "random"))


@dataclass(kw_only=True)
class Crashes:
    """Rounds on one store: what was seen and found so far."""

    place: Place
    dice: random.Random
    seen: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)

    def round(self, kill: Kill) -> dict[str, object]:
        """What was counted. Raises Broken."""
        with Server(data=self.place.data, url=self.place.url, phones=PHONES, behaviour=BEHAVIOUR) as server:
            seen = self._load_until_killed(server, kill)
        self.seen |= seen
        in_flight = {guid for (guid,) in self.place.ask("select guid from messages where status = 'sending'")}
        with server:
            self._wait_until_idle()
        unknown = self._check(server.radio_log, in_flight)
        figures = {"seen": len(seen), "stored": self._count(), "in_flight": len(in_flight), "unknown": len(unknown)}
        return figures | {"unknown_ids": sorted(unknown)}

    def _load_until_killed(self, server: Server, kill: Kill) -> set[str]:
        seen: set[str] = set()
        enough, delay_s = self.dice.randrange(50, 1500), self.dice.uniform(0, 0.004)
        processes = tree(server.pid)

        def on_success(guid: str) -> None:
            seen.add(guid)
            if len(seen) == enough:
                _kill(server, kill, delay_s)

        plan = load.Plan(port=server.port, way=calls.FORM_POST, connections=CONNECTIONS, seconds=_AT_MOST_S, on_success=on_success)
        tally = load.run(plan)
        if tally.refused or len(seen) < enough:
            raise Broken(f"the load did not run: {tally.ok} accepted, {tally.refused} refused: {tally.first_refused}")
        # a writer or a backend that outlives the server ends its last transaction first
        _wait(lambda: not any(map(is_alive, processes)) and not self.place.is_busy(), "the killed server's processes are still there")
        return seen

    def _wait_until_idle(self) -> None:
        _wait(lambda: not self.place.ask(_WAITING)[0][0], "messages still wait after the restart")

    def _check(self, radio_log: Path, in_flight: set[str]) -> set[str]:
        """The ids that are newly OUTCOME_UNKNOWN."""
        stored = dict(self.place.ask("select guid, status from messages"))
        radio = Counter(line.split()[0] for line in radio_log.read_text().splitlines())
        unknown = {guid for guid, status in stored.items() if status == "outcome_unknown"}
        _none("acknowledged to the caller, not in the store", self.seen - stored.keys())
        _none("on the air more than once", {guid for guid, times in radio.items() if times > 1})
        _none("on the air, not in the store", radio.keys() - stored.keys())
        _none("neither on the air nor OUTCOME_UNKNOWN", stored.keys() - radio.keys() - unknown)
        _none("OUTCOME_UNKNOWN, but not in flight when the server was killed", unknown - self.unknown - in_flight)
        new, self.unknown = unknown - self.unknown, unknown
        return new

    def _count(self) -> int:
        return int(self.place.ask("select count(*) from messages")[0][0])


def _kill(server: Server, kill: Kill, delay_s: float) -> None:
    """Called by the load program itself: the calls of the other connections are under way meanwhile."""
    if kill.moment == "random":
        time.sleep(delay_s)
    elif kill.moment == "on_air":
        _spin_until_on_air(server.radio_log)
    server.kill(with_children=kill.with_children)


def _spin_until_on_air(radio_log: Path) -> None:
    """At most a second. A sleep would miss the moment."""
    size, ends = radio_log.stat().st_size, time.monotonic() + 1
    while radio_log.stat().st_size == size and time.monotonic() < ends:
        pass


def _none(what: str, guids: set[str]) -> None:
    if guids:
        raise Broken(f"{len(guids)} messages are {what}, such as {sorted(guids)[:5]}")


def _wait(until: Callable[[], bool], else_say: str) -> None:
    ends = time.monotonic() + _AT_MOST_S
    while not until():
        if time.monotonic() > ends:
            raise Broken(else_say)
        time.sleep(0.02)


def main() -> None:
    ask = argparse.ArgumentParser(prog="python -m bench.kill9")
    ask.add_argument("--engine", choices=(*ENGINES, "both"), default="both")
    ask.add_argument("--rounds", type=int, default=20)
    ask.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = ask.parse_args()
    for engine in ENGINES if given.engine == "both" else (given.engine,):
        with fresh(engine) as place:
            crashes = Crashes(place=place, dice=random.Random(given.seed))
            for number in range(given.rounds):
                kill = KILLS[number % len(KILLS)]
                say("kill9", engine=engine, round=number + 1, seed=given.seed, **asdict(kill), **crashes.round(kill))
            say(
                "kill9_total",
                engine=engine,
                rounds=given.rounds,
                acknowledged=len(crashes.seen),
                lost=0,
                twice=0,
                unknown=len(crashes.unknown),
            )


if __name__ == "__main__":
    main()
