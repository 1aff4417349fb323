"""What a phone that holds a stream open and hears nothing costs the front door: memory, and the CPU of opening it and of keeping it alive.

The server is a front door alone, in a process of its own; the clients are sockets of this one.

    python -m bench.streams --streams 5000 --seconds 30
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
import time
from collections.abc import Callable

from adapters import open_files, reactor
from adapters.call import Api, Call, Pipe, Reply, Stream
from adapters.web import FrontDoor, Route
from bench.figures import Failed, say
from bench.procs import cpu_s, memory_mib

_REQUEST = (
    b"GET /events HTTP/1.1\r\nHost: sms.example.org\r\nAuthorization: Bearer " + b"x" * 40 + b"\r\nAccept: text/event-stream\r\n"
    b"User-Agent: me.capcom.smsgateway/1.68.0\r\nAccept-Encoding: gzip\r\nConnection: Keep-Alive\r\n\r\n"
)
_MIB = 1024 * 1024


class _Silent:
    def info(self, event: str, **fields: object) -> None: ...

    error = warning = info


def _opened(pipe: Pipe) -> Callable[[], None]:
    return pipe.close


async def _events(call: Call) -> Reply:
    return Stream(opened=_opened)


def serve() -> None:
    """Prints its port and goes on until it is killed."""
    open_files.room_for(20_000, _Silent())
    api = Api(name="streams", routes=(Route(path="/events", handler=_events),), word=lambda call, refusal: Reply(b"", status=500))

    async def listen() -> None:
        print(reactor.listen("127.0.0.1:0", FrontDoor([api], log=_Silent())).address, flush=True)

    async def close() -> None: ...

    reactor.run(listen, close, _Silent())


def _open(port: int) -> socket.socket:
    stream = socket.create_connection(("127.0.0.1", port), timeout=20)
    stream.sendall(_REQUEST)
    if not stream.recv(4096).startswith(b"HTTP/1.1 200"):
        raise Failed("a stream was refused")
    return stream


def streams(*, streams: int = 5000, seconds: float = 30.0) -> None:
    if open_files.room_for(streams, _Silent()) < streams:
        raise Failed(f"this process may not have {streams} connections: ulimit -Hn")
    server = subprocess.Popen([sys.executable, "-m", "bench.streams", "--serve"], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        port = int(server.stdout.readline().rpartition(":")[2])
        warm = [_open(port) for _ in range(100)]
        before, opening = memory_mib(server.pid, "Rss"), cpu_s([server.pid])
        held = [_open(port) for _ in range(streams)]
        opened = cpu_s([server.pid]) - opening
        bytes_each = (memory_mib(server.pid, "Rss") - before) * _MIB / streams
        began = cpu_s([server.pid])
        time.sleep(seconds)
        alive = (cpu_s([server.pid]) - began) / seconds
        for stream in (*warm, *held):
            stream.close()
    finally:
        server.kill()
        server.wait()
    say("streams", streams=streams, rss_bytes_each=round(bytes_each), open_cpu_us=round(opened / streams * 1e6), idle_cpu=round(alive, 4))


def main() -> None:
    ask = argparse.ArgumentParser(prog="python -m bench.streams")
    ask.add_argument("--streams", type=int, default=5000)
    ask.add_argument("--seconds", type=float, default=30.0)
    ask.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = ask.parse_args()
    serve() if asked.serve else streams(streams=asked.streams, seconds=asked.seconds)


if __name__ == "__main__":
    main()
