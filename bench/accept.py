"""What it costs to accept a message: a request comes in, the message is committed, the answer leaves. No device is connected.

python -m bench.accept soap --engine postgres --rows 1000000
"""

from __future__ import annotations

import argparse

from bench import calls, load
from bench.figures import Cost, Meters, cost, say, summary
from bench.places import ENGINES, Place, fresh
from bench.procs import Server

WAYS = {way.name: way for way in (calls.FORM_POST, calls.FORM_GET, calls.SOAP, calls.SOAP_ALL)}
WARM_UP_S = 1.0


def accept(way: calls.Way, *, engine: str, rows: int = 0, connections: int = 32, seconds: float = 3.0, runs: int = 3) -> None:
    """Prints the figure: the median of `runs` stretches in one server, after a warm-up."""
    with fresh(engine, rows=rows) as place, Server(data=place.data, url=place.url) as server:
        load.run(load.Plan(port=server.port, way=way, connections=connections, seconds=min(WARM_UP_S, seconds)))
        costs = [
            _stretch(server, place, load.Plan(port=server.port, way=way, connections=connections, seconds=seconds)) for _ in range(runs)
        ]
        said = {"engine": engine, "connections": connections, "parameters": way.parameters, "indexes": place.indexes()}
        said |= {"rows_before": rows, "rows_after": place.ask("select count(*) from messages")[0][0]}
    say(f"accept_{way.name}", **said, **summary(costs))


def _stretch(server: Server, place: Place, plan: load.Plan) -> Cost:
    before = Meters.read(server, place)
    tally = load.run(plan)
    return cost(before, Meters.read(server, place), tally)


def main() -> None:
    ask = argparse.ArgumentParser(prog="python -m bench.accept")
    ask.add_argument("way", choices=WAYS)
    ask.add_argument("--engine", choices=ENGINES, default="sqlite")
    ask.add_argument("--rows", type=int, default=0)
    ask.add_argument("--connections", type=int, default=32)
    ask.add_argument("--seconds", type=float, default=3.0)
    ask.add_argument("--runs", type=int, default=3)
    given = ask.parse_args()
    accept(**vars(given) | {"way": WAYS[given.way]})


if __name__ == "__main__":
    main()
