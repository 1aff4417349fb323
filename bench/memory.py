"""What a queue costs in memory: 200,000 messages accepted for a phone whose link is dead, against the same server idle.

RSS of all server processes, an upper bound: pages that the server and its writer share are counted twice. PSS is beside it; it moves
when other processes come and go. PostgreSQL's own memory is not counted: it is not the gateway's.

    python -m bench.memory --engine sqlite --messages 200000
"""

from __future__ import annotations

import argparse

from bench import calls, load
from bench.figures import Failed, say
from bench.places import ENGINES, fresh
from bench.procs import Server, memory_mib

_AT_MOST_S = 300.0
# the first message that it is handed loses the connection, for longer than this runs
DEAD_LINK = {"drop_after": 1, "away_s": 86_400}


def memory(*, engine: str, messages: int = 200_000, connections: int = 32) -> None:
    with fresh(engine) as place, Server(data=place.data, url=place.url, phones=1, behaviour=DEAD_LINK) as server:
        idle = {kind: memory_mib(server.pid, kind) for kind in ("Rss", "Pss")}
        tally = load.run(load.Plan(port=server.port, way=calls.FORM_POST, connections=connections, seconds=_AT_MOST_S, most=messages))
        if tally.ok != messages:
            raise Failed(f"only {tally.ok} of {messages} were accepted: {tally.first_refused}")
        full = {kind: memory_mib(server.pid, kind) for kind in ("Rss", "Pss")}
        waiting = place.ask("select count(*) from messages where due is not null")[0][0]
    figures = {"rss_idle_mib": idle["Rss"], "rss_mib": full["Rss"], "growth_mib": full["Rss"] - idle["Rss"]}
    figures |= {"pss_idle_mib": idle["Pss"], "pss_mib": full["Pss"]}
    say("memory_queued", engine=engine, connections=connections, queued=waiting, **{name: round(mib, 1) for name, mib in figures.items()})


def main() -> None:
    ask = argparse.ArgumentParser(prog="python -m bench.memory")
    ask.add_argument("--engine", choices=ENGINES, default="sqlite")
    ask.add_argument("--messages", type=int, default=200_000)
    memory(**vars(ask.parse_args()))


if __name__ == "__main__":
    main()
