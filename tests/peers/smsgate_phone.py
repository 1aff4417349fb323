"""SMSGate phones as a process: `python -m tests.peers.smsgate_phone --url http://127.0.0.1:8080/mobile/v1 --private-token T --phones 3`

It writes one JSON line when each phone is registered, then `{"ready": N}`, and runs until it is told to end. What it puts on the air goes to
`--air FILE`, what it remembers to `--memory FILE`, so that killed and started again it is the same phones. Lines of JSON on standard
input move it: `{"do": "receive", "phone": 0, "sender": "+32470123456", "text": "Yes"}`, `{"do": "lose"}`, `{"do": "regain"}`, `{"do": "cut"}`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import ssl
import stat
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.peers.smsgate_air import Air, FiledAir, ListedAir, Script, read_script
from tests.peers.smsgate_app import Phone
from tests.peers.smsgate_device import Device, Make
from tests.peers.smsgate_faults import POINTS, Fate, Faults, Reception
from tests.peers.smsgate_http import Internet
from tests.peers.smsgate_memory import Memory, Storage
from tests.peers.smsgate_versions import Version


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options().parse_args(arguments)
    raise_file_limit()
    asyncio.run(_run(options))


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="smsgate_phone", description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("--url", required=True, help="as typed into the app: the base of every path")
    add("--private-token")
    add("--login")
    add("--password", default="")
    add("--code")
    add("--phones", type=int, default=1)
    add("--version", default="1.68.0", help="of the app")
    add("--push-token", help="as with Google's push: no stream is opened")
    add("--poll", type=float, default=900, metavar="SECONDS")
    add("--ca", type=Path, metavar="FILE", help="the authority that verifies the server, instead of the system's")
    add("--memory", type=Path, metavar="FILE")
    add("--air", type=Path, metavar="FILE")
    add("--pulls", type=Path, metavar="FILE", help="one line a listed message: its id, and the monotonic clock when the list had come")
    add("--air-text", action="store_true", help="the text itself on the air, as JSON")
    add("--script", type=Path, metavar="FILE", help="JSON: what comes of an SMS, by number")
    add("--keep-alive", type=float, default=300, metavar="SECONDS")
    add("--start-rate", type=float, default=200, metavar="PHONES_A_SECOND")
    faults = parser.add_argument_group("faults")
    faults.add_argument("--kill-at", choices=POINTS, help="the process ends itself by SIGKILL there")
    faults.add_argument("--kill-on", type=int, default=1, metavar="N", help="the Nth time it comes there")
    faults.add_argument("--fates", default="", help=f"of the reports of each phone, by comma: {', '.join(fate.value for fate in Fate)}")
    faults.add_argument("--clock-offset", type=float, default=0, metavar="SECONDS")
    faults.add_argument("--cut-every", type=float, metavar="SECONDS", help="the streams")
    faults.add_argument("--streams", type=int, default=1)
    faults.add_argument("--offline", type=_span, action="append", default=[], metavar="FROM:UNTIL", help="seconds since the start")
    faults.add_argument("--read-pause", type=float, default=0, metavar="SECONDS", help="between two reads of a stream")
    return parser


def _span(text: str) -> tuple[float, float]:
    begin, _, end = text.partition(":")
    return float(begin), float(end)


def raise_file_limit() -> None:
    """As far as it may go without being root: a phone has a stream and a connection."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def make_phones(options: argparse.Namespace) -> list[Phone]:
    storage = Storage(options.memory)
    air: Air = ListedAir() if options.air is None else FiledAir(options.air, has_text=options.air_text)
    pulls: Pulls = _nobody if options.pulls is None else FiledPulls(options.pulls)
    script = Script() if options.script is None else read_script(options.script)
    trust = ssl.create_default_context(cafile=options.ca) if options.url.startswith("https:") else None
    faults = Faults(
        kill_at=options.kill_at,
        kill_on=options.kill_on,
        clock_offset_s=options.clock_offset,
        read_pause_s=options.read_pause,
    )
    shared = {"air": air, "script": script, "faults": faults, "on_listed": pulls}
    return [_phone(options, number, trust, memory=Memory(storage, number), **shared) for number in range(options.phones)]


def _phone(options: argparse.Namespace, number: int, trust: ssl.SSLContext | None, **shared: Any) -> Phone:
    fates = [Fate(name) for name in options.fates.split(",") if name]
    make = Make(
        url=options.url,
        code=options.code,
        login=options.login,
        password=options.password,
        private_token=options.private_token,
        name=f"Google/redfin-{number}",
        version=Version(options.version),
        push_token=options.push_token,
        poll_s=options.poll,
        streams=options.streams,
    )
    log = _Log(number)
    reception = Reception(Internet(trust, keep_alive_s=options.keep_alive), fates=fates, log=log)
    return Phone(Device(make=make, reception=reception, log=log, **shared))


Pulls = Callable[[str], object]


def _nobody(id: str) -> None: ...


class FiledPulls:
    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def __call__(self, id: str) -> None:
        os.write(self._file, f"{id} {time.monotonic():.6f}\n".encode())


class _Log:
    __slots__ = ("_number",)

    def __init__(self, number: int) -> None:
        self._number = number

    def __call__(self, line: str) -> None:
        print(f"phone {self._number}: {line}", file=sys.stderr, flush=True)


async def _run(options: argparse.Namespace) -> None:
    phones = make_phones(options)
    for number, phone in enumerate(phones):
        phone.start()
        if number % max(1, round(options.start_rate / 10)) == 0:
            await asyncio.sleep(0.1)
    tasks = [asyncio.ensure_future(_tell_ready(phones)), asyncio.ensure_future(_obey(phones))]
    tasks += [asyncio.ensure_future(_go_offline(phones, begin, end)) for begin, end in options.offline]
    if options.cut_every:
        tasks.append(asyncio.ensure_future(_cut(phones, options.cut_every)))
    await asyncio.gather(*tasks)
    await asyncio.Event().wait()


async def _tell_ready(phones: list[Phone]) -> None:
    told: set[int] = set()
    while len(told) < len(phones):
        for number, phone in enumerate(phones):
            if number not in told and phone.is_registered:
                told.add(number)
                print(json.dumps({"phone": number, "id": phone.id}), flush=True)
        await asyncio.sleep(0.05)
    print(json.dumps({"ready": len(phones)}), flush=True)


async def _go_offline(phones: list[Phone], begin: float, end: float) -> None:
    await asyncio.sleep(begin)
    for phone in phones:
        phone.device.reception.lose()
    await asyncio.sleep(end - begin)
    for phone in phones:
        phone.device.reception.regain()


async def _cut(phones: list[Phone], every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        for phone in phones:
            phone.device.reception.cut()


async def _obey(phones: list[Phone]) -> None:
    """Until standard input ends, which ends nothing else; a terminal or file there is not read."""
    mode = os.fstat(sys.stdin.fileno()).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        asked: dict[str, Any] = json.loads(line)
        chosen = phones if "phone" not in asked else [phones[asked["phone"]]]
        for phone in chosen:
            match asked["do"]:
                case "receive":
                    phone.receive(asked["sender"], asked["text"])
                case "lose" | "regain" | "cut" as what:
                    getattr(phone.device.reception, what)()
                case unknown:
                    print(f"cannot {unknown}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
