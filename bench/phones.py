"""Phones, networks and the server fail again and again: no message is lost, none is sent twice, and what nobody can know is said.

Callers post messages, each to a number of its own and under an idempotency key of its own, and try again until they are answered. Played
phones fetch and send them: one whose two streams are cut each second, one whose reports are lost, doubled, dropped and reordered, one
that is away from the network, two that are killed before they store, between storing and sending, and between sending and reporting;
their clocks are hours wrong. The server is killed in each round, most often at the very moment that a phone dies, with messages handed
out that nobody has acknowledged. One phone never comes back. At last everything is left alone, with a quarter of an hour passed in the
store now and then, so that phones are asked about what they have not reported on, and a day for the phone that is lost. The witness is
what the phones wrote when they sent.

Left out is the one point where a phone itself would send twice: killed after the SMS left and before it has noted that (`transmitted`).

    python -m bench.phones --engine sqlite --messages 2000
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from bench.calls import KEY
from bench.figures import say
from bench.places import ENGINES, Place, fresh
from bench.played_phones import PlayedPhone, on_air
from bench.procs import Server, is_alive, tree

MOMENTS = ("pulled", "stored", "sent", "on_air", "answered", "random")
"""when the server is killed: a phone has just died there (see smsgate_faults.POINTS), an SMS has just left, a caller was just answered"""
FATES = ("lost", "answer_lost", "twice", "dropped", "held", "arrives", "arrives")
LOST_PHONES_MESSAGES = 20
SHORTEST_VALIDITY_S = 60
_WAITING = "status in ('queued', 'scheduled', 'sending')"
_A_WHILE_MS = 16 * 60 * 1000
"""longer than a phone is left alone that has acknowledged a message and says nothing"""

_A_DAY_MS = 25 * 3600 * 1000
"""longer than a report is still waited for when the validity has ended"""


class Broken(Exception):
    """A promise was broken; the message says which, with examples."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    messages: int = 2000
    rounds: int = 18
    a_second: float = 80.0
    most_s: float = 240.0
    """for all of it"""
    patience_s: float = 20.0
    """at the end: how long what still waits is left to the phones before time passes in the store"""
    seed: int = 0
    loses_a_phone: bool = True


def recipient(number: int) -> str:
    return f"+3247{number:07d}"


@dataclass(kw_only=True)
class Callers:
    """A thread that posts as many messages as it is allowed, one after the other, each until it is answered."""

    port: int
    a_second: float
    answered: dict[str, str] = field(default_factory=dict)
    """recipients by the id that the caller was told"""
    tried_again: int = 0
    _allowed: int = 0
    _next: int = 0
    _is_over: bool = False

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def allow(self, most: int) -> None:
        """To have posted this many in all."""
        self._allowed = most

    @property
    def is_done(self) -> bool:
        return len(self.answered) >= self._allowed

    def end(self) -> None:
        self._is_over = True
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over:
            if self._next < self._allowed:
                self._post(self._next)
                self._next += 1
            time.sleep(1 / self.a_second)

    def _post(self, number: int) -> None:
        while not self._is_over:
            try:
                guid = post(self.port, recipients=recipient(number), idempotency_key=f"storm-{number}")
            except (OSError, http.client.HTTPException, ValueError):
                self.tried_again += 1
                time.sleep(0.05)
            else:
                self.answered[guid] = recipient(number)
                return


def post(port: int, **fields: str) -> str:
    """The id. Raises ValueError when the answer is no success, OSError or HTTPException when there is none."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        form = urlencode({"message": "Your order has left our house", "apikey": KEY, **fields})
        line.request("POST", "/sendsms", form, {"Content-Type": "application/x-www-form-urlencoded"})
        answer = line.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise ValueError(f"answered {answer.status}")
        return str(json.loads(body)["result"]["id"])
    finally:
        line.close()


@dataclass(kw_only=True)
class Storm:
    place: Place
    plan: Plan
    server: Server = field(init=False)
    dice: random.Random = field(init=False)
    phones: dict[str, PlayedPhone] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    claimed: int = 0
    """messages that were offered to a phone or handed out, unacknowledged, when the server was killed; over all kills"""
    in_hands: int = 0
    """those of them that the phone had stored"""
    _ends: float = 0.0
    _lost_phone: str = "-"
    """its id, once there is one"""

    def run(self) -> dict[str, object]:
        """What was counted. Raises Broken."""
        plan, self.dice = self.plan, random.Random(self.plan.seed)
        self._ends = time.monotonic() + plan.most_s
        self.server = Server(data=self.place.data, url=self.place.url)
        with ExitStack() as afterwards, self.server:
            afterwards.callback(self._end_phones)
            self._make_phones()
            if plan.loses_a_phone:
                self._lose_a_phone()
            callers = Callers(port=self.server.port, a_second=plan.a_second)
            afterwards.callback(callers.end)
            for number in range(plan.rounds):
                callers.allow(plan.messages * (number + 1) // plan.rounds)
                self._round(MOMENTS[number % len(MOMENTS)], callers)
            self._wait(lambda: callers.is_done, "not all callers were answered")
            self._calm_down()
            self._end_phones()
            return self._verdict(callers)

    # phones

    def _make_phones(self) -> None:
        token = str(self.server.command("devices", "token", "new")["secret"])
        script = self.place.data / "outcomes.json"
        script.write_text(json.dumps({"default": {"sent_after_s": 0.2, "delivered_after_s": 0.5}}))
        hours = {"lost": 0, "cut": 0, "reports": -7, "away": 3, "killed": 5, "killed_too": -2}
        for name, off in hours.items():
            url = f"http://127.0.0.1:{self.server.port}/mobile/v1"
            folder, offset_s = self.place.data, 3600.0 * off
            self.phones[name] = PlayedPhone(name=name, folder=folder, url=url, token=token, clock_offset_s=offset_s, script=script)

    def _lose_a_phone(self) -> None:
        """It has fetched messages for which nobody else is asked, sent some of them, and is never seen again."""
        phone = self.phones["lost"]
        phone.start(kill_at="sent", kill_on=LOST_PHONES_MESSAGES // 2)
        self._wait(lambda: self.place.ask("select count(*) from devices")[0][0], "a phone did not join")
        self._lost_phone = str(self.place.ask("select id from devices")[0][0])
        for number in range(LOST_PHONES_MESSAGES):
            to = recipient(self.plan.messages + number)
            post(self.server.port, recipients=to, sIdentifiant=self._lost_phone, validity_s=str(SHORTEST_VALIDITY_S))
        self._wait(lambda: phone.is_dead, "the phone that is to be lost was not killed")
        phone.kill()
        self._kill_server("sent", with_children=True)
        self.server.start()

    def _set_out(self) -> None:
        """Started anew they listen at once; after a cut they wait for 5 s, and for 30 s once they have often not reached a server."""
        self.phones["cut"].start("--cut-every", "1", "--streams", "2")
        self.phones["reports"].start("--fates", ",".join(self.dice.choices(FATES, k=2000)))
        self.phones["away"].start("--offline", "1:3")

    def _mortal(self) -> list[PlayedPhone]:
        return [self.phones["killed"], self.phones["killed_too"]]

    def _revive(self, phone: PlayedPhone, point: str) -> None:
        phone.start(kill_at=point, kill_on=self.dice.randint(2, 4) if point == "pulled" else self.dice.randint(1, 12))

    def _end_phones(self) -> None:
        for phone in self.phones.values():
            phone.kill()

    # rounds

    def _round(self, moment: str, callers: Callers) -> None:
        first, second = self._mortal()
        self._set_out()
        self._revive(first, moment if moment in ("pulled", "stored", "sent") else self.dice.choice(("pulled", "stored", "sent")))
        if second.is_dead:
            self._revive(second, self.dice.choice(("pulled", "stored", "sent")))
        self._wait_for(moment, first, callers)
        self._kill_server(moment, with_children=self.dice.random() < 0.5)
        time.sleep(self.dice.uniform(0, 0.5))
        self.server.start()

    def _wait_for(self, moment: str, phone: PlayedPhone, callers: Callers) -> None:
        """At most 6 seconds: where nothing comes of it, any moment is as good."""
        sent, answered = self._sent(), len(callers.answered)
        ends = time.monotonic() + (self.dice.uniform(1, 3) if moment == "random" else 6)
        came = {
            "on_air": lambda: self._sent() > sent + 20,
            "answered": lambda: len(callers.answered) > answered + 20,
            "random": lambda: False,
        }.get(moment, lambda: phone.is_dead)
        while not came() and time.monotonic() < ends:
            time.sleep(0.001)

    def _sent(self) -> int:
        return sum(phone.air.stat().st_size for phone in self.phones.values() if phone.air.exists()) // 70

    def _kill_server(self, moment: str, *, with_children: bool) -> None:
        processes = tree(self.server.pid)
        self.server.kill(with_children=with_children)
        self.faults[f"server_killed_{moment}"] += 1
        # a writer or a backend that outlives the server ends its last transaction first
        self._wait(lambda: not any(map(is_alive, processes)) and not self.place.is_busy(), "the killed server's processes are still there")
        claimed = {guid for (guid,) in self.place.ask("select guid from messages where status = 'sending' and taken is null")}
        self.claimed += len(claimed)
        self.in_hands += len(claimed & set().union(*(phone.stored for phone in self.phones.values())))

    # the end

    def _calm_down(self) -> None:
        """No more faults, until nothing waits."""
        self._pass_time(f"update messages set expires = expires - {_A_DAY_MS} where {_WAITING} and wanted_device = '{self._lost_phone}'")
        looked = time.monotonic()
        while self._count(_WAITING):
            if time.monotonic() > self._ends:
                some = self.place.ask(f"select guid, status, device, queue from messages where {_WAITING}")
                raise Broken(f"{len(some)} messages still wait, such as {some[:5]}")
            if time.monotonic() - looked > self.plan.patience_s:
                self._pass_time(f"update messages set taken = taken - {_A_WHILE_MS} where taken is not null")
                looked = time.monotonic()
            time.sleep(0.2)

    def _pass_time(self, in_the_store: str) -> None:
        self.server.stop()
        self.place.do(in_the_store)
        self.server.start()
        for name, phone in self.phones.items():
            if name != "lost":
                phone.start()

    def _verdict(self, callers: Callers) -> dict[str, object]:
        rows = self.place.ask("select recipient, guid, status, coalesce(wanted_device, '') from messages")
        stored = Counter(to for to, *_ in rows)
        sent = on_air(list(self.phones.values()))
        of_lost = {to for to, _, _, wanted in rows if wanted and wanted == self._lost_phone}
        unknown = {to: guid for to, guid, status, _ in rows if status == "outcome_unknown"}
        _none("answered, and not in the store under that id", callers.answered.keys() - {guid for _, guid, *_ in rows})
        _none("stored twice for one caller", {to for to, times in stored.items() if times > 1})
        _none("on the air more than once", {to for to, times in sent.items() if times > 1})
        _none("on the air, not in the store", sent.keys() - stored.keys())
        _none("neither on the air nor OUTCOME_UNKNOWN", stored.keys() - sent.keys() - unknown.keys() - of_lost)
        _none("said to be sent, and not on the air", {to for to, _, status, _ in rows if status in ("sent", "delivered")} - sent.keys())
        _none("on the air, and said not to be", {to for to, _, status, _ in rows if status in ("failed", "expired")} & sent.keys())
        _none("OUTCOME_UNKNOWN, though their phone came back", unknown.keys() - of_lost)
        return {
            "accepted": len(rows),
            "on_air_once": len(sent),
            "on_air_twice": 0,
            "lost": 0,
            "statuses": dict(Counter(status for _, _, status, _ in rows)),
            "outcome_unknown": sorted(unknown.values()),
            "of_these_on_air": len(unknown.keys() & sent.keys()),
            "claimed_at_kills": self.claimed,
            "stored_unacknowledged_at_kills": self.in_hands,
            "callers_tried_again": callers.tried_again,
            "faults": dict(sorted(self._all_faults().items())),
        }

    def _all_faults(self) -> Counter[str]:
        always = Counter(clock_hours_wrong=sum(bool(phone.clock_offset_s) for phone in self.phones.values()), two_streams=1)
        return sum((phone.faults for phone in self.phones.values()), self.faults + always)

    def _count(self, where: str) -> int:
        return int(self.place.ask(f"select count(*) from messages where {where}")[0][0])

    def _wait(self, until: Callable[[], object], else_say: str) -> None:
        while not until():
            if time.monotonic() > self._ends:
                raise Broken(else_say)
            time.sleep(0.005)


def _none(what: str, which: set[str]) -> None:
    if which:
        raise Broken(f"{len(which)} messages are {what}, such as {sorted(which)[:5]}")


def main() -> None:
    ask = argparse.ArgumentParser(prog="python -m bench.phones")
    ask.add_argument("--engine", choices=(*ENGINES, "both"), default="both")
    ask.add_argument("--messages", type=int, default=2000)
    ask.add_argument("--rounds", type=int, default=18)
    ask.add_argument("--seed", type=int, default=random.randrange(10**6))
    ask.add_argument("--under", type=Path, help="a folder to work in")
    given = ask.parse_args()
    for engine in ENGINES if given.engine == "both" else (given.engine,):
        with fresh(engine, **({"under": given.under} if given.under else {})) as place:
            began = time.monotonic()
            found = Storm(place=place, plan=Plan(messages=given.messages, rounds=given.rounds, seed=given.seed)).run()
            say("phones", engine=engine, rounds=given.rounds, seed=given.seed, seconds=round(time.monotonic() - began), **found)


if __name__ == "__main__":
    main()
