"""What it costs to list and to search what was sent: CPU milliseconds of a request, one after the other on one connection.

All rows are in the search index, and belong to one account. `order` is in all of them, a number of an order in one, and `nowhere` in none;
`order 77` is in one of a hundred. The log looks at all rows, frommobile at the last 7 days of 30.

    python -m bench.search --engine sqlite --rows 5000000
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import time
from urllib.parse import urlencode

from bench import calls
from bench.figures import Failed, Meters, say
from bench.places import ENGINES, Place, fresh
from bench.procs import Server

MOST_S = 3.0
"""for each question, but it is asked once"""
_LISTED = """
insert into devices (id, account_id, kind, label, sims, whatsapp, sync_sent)
select 'absent', id, 'absent', '', 1, false, true from accounts
"""
LOG, MOBILE = "/log/sent/sms/", "/log/sent/frommobile/"


def questions(rows: int) -> dict[str, tuple[str, dict[str, str], int | None]]:
    """Where it is asked, with what, and how many rows it finds, if that is certain."""
    rare = str(rows // 3)
    return {
        "list": (LOG, {}, 200),
        "often": (LOG, {"keyword": "order"}, 200),
        "sometimes": (LOG, {"keyword": "order 77"}, 200),
        "rare": (LOG, {"keyword": f"order {rare}"}, None),
        "never": (LOG, {"keyword": "nowhere"}, 0),
        "last_digits": (LOG, {"keyword": f"{rows // 2}"}, None),
        "frommobile": (MOBILE, {}, 200),
        "frommobile_often": (MOBILE, {"message": "order"}, 200),
        "frommobile_never": (MOBILE, {"message": "nowhere"}, 0),
    }


def search(*, engine: str, rows: int) -> None:
    """Prints a figure for each question."""
    with fresh(engine, rows=rows) as place:
        place.do(_LISTED)
        with Server(data=place.data, url=place.url) as server:
            for name, (path, fields, count) in questions(rows).items():
                figures = _ask(server, place, f"{path}?{urlencode({**fields, 'apikey': calls.KEY})}", count)
                say(f"search_{name}", engine=engine, rows=rows, **figures)


def _ask(server: Server, place: Place, target: str, count: int | None) -> dict[str, object]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
    found = _once(connection, target)  # the first one reads from the disk, and PostgreSQL makes its plans
    if count is not None and found != count:
        raise Failed(f"{found} rows instead of {count}")
    took: list[float] = []
    before = Meters.read(server, place)
    while not took or sum(took) < MOST_S:
        begun = time.perf_counter()
        _once(connection, target)
        took.append(time.perf_counter() - begun)
    after = Meters.read(server, place)
    connection.close()
    names = ("server", "children", "postgres")
    costs = {name: 1e3 * (getattr(after, f"{name}_s") - getattr(before, f"{name}_s")) / len(took) for name in names}
    milliseconds = {f"{name}_ms": round(cost, 2) for name, cost in costs.items()}
    cpu_ms, p50_ms = round(sum(costs.values()), 2), round(1e3 * statistics.median(took), 2)
    return {"found": found, "cpu_ms": cpu_ms, **milliseconds, "p50_ms": p50_ms, "requests": len(took)}


def _once(connection: http.client.HTTPConnection, target: str) -> int:
    connection.request("GET", target)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise Failed(f"{answer.status}: {body[:200]!r}")
    return len(json.loads(body)["result"]["sms"])


def main() -> None:
    ask = argparse.ArgumentParser(prog="python -m bench.search")
    ask.add_argument("--engine", choices=ENGINES, default="sqlite")
    ask.add_argument("--rows", type=int, default=100_000)
    search(**vars(ask.parse_args()))


if __name__ == "__main__":
    main()
