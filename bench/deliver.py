"""What it costs to accept a message and deliver it through simulated phones: claimed, handed over, recorded, its report applied.

Messages are accepted and delivered at the same time; the meters are read again when the last one is delivered.

    python -m bench.deliver --engine sqlite --phones 2
"""

from __future__ import annotations

import argparse
import time

from bench import calls, load
from bench.figures import Cost, Failed, Meters, cost, say, summary
from bench.places import ENGINES, Place, fresh
from bench.procs import Server

_AT_MOST_S = 120.0
_NEWEST = "select coalesce(max(id), 0) from messages"
_UNDELIVERED = "select count(*) from messages where id > {} and status <> 'delivered'"


def deliver(*, engine: str, rows: int = 0, phones: int = 2, connections: int = 32, seconds: float = 3.0, runs: int = 3) -> None:
    with fresh(engine, rows=rows) as place, Server(data=place.data, url=place.url, phones=phones) as server:
        plan = load.Plan(port=server.port, way=calls.FORM_POST, connections=connections, seconds=seconds)
        stretches = [_stretch(server, place, plan) for _ in range(runs)]
        said = {"engine": engine, "connections": connections, "parameters": plan.way.parameters, "phones": phones}
        said |= {"indexes": place.indexes(), "rows_before": rows, "rows_after": place.ask("select count(*) from messages")[0][0]}
    delivered = [round(stretch.tally.ok / took_s) for stretch, took_s in stretches]
    say("accept_and_deliver", **said, delivered_rate=sorted(delivered)[len(delivered) // 2], **summary([c for c, _ in stretches]))


def _stretch(server: Server, place: Place, plan: load.Plan) -> tuple[Cost, float]:
    """The cost, and how long it took until the last was delivered."""
    undelivered = _UNDELIVERED.format(place.ask(_NEWEST)[0][0])
    before, began = Meters.read(server, place), time.monotonic()
    tally = load.run(plan)
    while place.ask(undelivered)[0][0]:
        if time.monotonic() - began > _AT_MOST_S:
            raise Failed(
                f"not everything was delivered after {_AT_MOST_S} s: {place.ask('select status, count(*) from messages group by 1')}"
            )
        time.sleep(0.25)
    return cost(before, Meters.read(server, place), tally), time.monotonic() - began


def main() -> None:
    ask = argparse.ArgumentParser(prog="python -m bench.deliver")
    ask.add_argument("--engine", choices=ENGINES, default="sqlite")
    ask.add_argument("--rows", type=int, default=0)
    ask.add_argument("--phones", type=int, default=2)
    ask.add_argument("--connections", type=int, default=32)
    ask.add_argument("--seconds", type=float, default=3.0)
    ask.add_argument("--runs", type=int, default=3)
    given = ask.parse_args()
    deliver(**vars(given))


if __name__ == "__main__":
    main()
