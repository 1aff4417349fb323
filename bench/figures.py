"""What a stretch of work cost: meters are read before and after it, and several stretches make one figure, a JSON line.

`cpu_us` is the median of the runs, over all processes; `server_us`, `children_us` (the SQLite writer) and `postgres_us` are its parts.
`batch` is accepted messages for each commit, claims and reports counted as commits too.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.load import Tally
from bench.places import Place
from bench.procs import Server, cpu_s, tree


class Failed(Exception):
    """The run did not do what it was to measure."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Meters:
    server_s: float
    children_s: float
    postgres_s: float
    commits: int

    @classmethod
    def read(cls, server: Server, place: Place) -> Meters:
        children = tree(server.pid)[1:]
        store = [pid for root in place.roots() for pid in tree(root)]
        return cls(server_s=cpu_s([server.pid]), children_s=cpu_s(children), postgres_s=cpu_s(store), commits=place.commits())


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    server_us: float
    children_us: float
    postgres_us: float
    batch: float
    tally: Tally

    @property
    def cpu_us(self) -> float:
        return self.server_us + self.children_us + self.postgres_us


def cost(before: Meters, after: Meters, tally: Tally) -> Cost:
    if tally.refused or tally.broken or not tally.ok:
        raise Failed(f"{tally.ok} accepted, {tally.refused} refused, {tally.broken} connections broken: {tally.first_refused}")
    each = 1e6 / tally.ok
    return Cost(
        server_us=each * (after.server_s - before.server_s),
        children_us=each * (after.children_s - before.children_s),
        postgres_us=each * (after.postgres_s - before.postgres_s),
        batch=tally.ok / max(1, after.commits - before.commits),
        tally=tally,
    )


def summary(costs: Sequence[Cost]) -> dict[str, object]:
    middle = sorted(costs, key=lambda c: c.cpu_us)[len(costs) // 2]
    return {
        "cpu_us": round(middle.cpu_us, 1),
        "cpu_us_range": [round(pick(c.cpu_us for c in costs), 1) for pick in (min, max)],
        "server_us": round(middle.server_us, 1),
        "children_us": round(middle.children_us, 1),
        "postgres_us": round(middle.postgres_us, 1),
        "rate": round(middle.tally.rate),
        "p50_ms": round(statistics.median(c.tally.percentile_ms(50) for c in costs), 2),
        "p99_ms": round(statistics.median(c.tally.percentile_ms(99) for c in costs), 2),
        "batch": round(middle.batch, 1),
        "messages": sum(c.tally.ok for c in costs),
        "load_us": round(1e6 * middle.tally.cpu_s / middle.tally.ok, 1),
    }


def say(bench: str, **said: object) -> None:
    print(json.dumps({"bench": bench} | said), flush=True)


def say_machine() -> None:
    system = f"{platform.system()} {platform.release()}"
    say("machine", cores=os.cpu_count(), python=platform.python_version(), system=system, arch=platform.machine())
