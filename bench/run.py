"""What `make bench` runs: every figure, one JSON line each, on both engines (ten thousand phones on SQLite).

python -m bench.run            about thirteen minutes; wants `make bench-data` first
python -m bench.run --quick    a second each, without the rows that want stored data: whether it works, not what it costs
python -m bench.run --only accept_soap
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial

from bench import calls
from bench.accept import accept
from bench.deliver import deliver
from bench.figures import say_machine
from bench.memory import memory
from bench.places import ENGINES
from bench.search import search
from bench.ten_thousand import ten_thousand

MILLION = 1_000_000
QUEUED = 200_000
SEARCHED = (100_000, 5_000_000)


def figures(*, quick: bool) -> Iterator[tuple[str, Callable[[], None]]]:
    """(name, what measures and prints it)"""
    seconds, runs = (1.0, 1) if quick else (3.0, 3)
    for engine in ENGINES:
        for way in (calls.FORM_POST, calls.SOAP, calls.SOAP_ALL):
            yield f"accept_{way.name}_{engine}", partial(accept, way, engine=engine, seconds=seconds, runs=runs)
        yield f"accept_and_deliver_{engine}", partial(deliver, engine=engine, seconds=seconds, runs=runs)
        yield f"memory_queued_{engine}", partial(memory, engine=engine, messages=5_000 if quick else QUEUED)
        if not quick:
            for rows in SEARCHED:
                yield f"search_{engine}_{rows}", partial(search, engine=engine, rows=rows)
            yield f"accept_and_deliver_{engine}_million", partial(deliver, engine=engine, rows=MILLION)
            for way in (calls.FORM_POST, calls.SOAP):
                yield f"accept_{way.name}_{engine}_million", partial(accept, way, engine=engine, rows=MILLION)
    yield "ten_thousand_phones", partial(ten_thousand, **({"phones": 100, "idle_s": 2.0, "messages": 20} if quick else {}))


def main() -> None:
    ask = argparse.ArgumentParser(prog="python -m bench.run")
    ask.add_argument("--quick", action="store_true", help="a second each, and nothing that wants stored data")
    ask.add_argument("--only", default="", metavar="WORD", help="only the figures whose name contains it")
    given = ask.parse_args()
    say_machine()
    for name, measure in figures(quick=given.quick):
        if given.only in name:
            measure()


if __name__ == "__main__":
    main()
