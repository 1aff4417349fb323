"""SQLite's only writer: a process of its own, since a second busy thread would cost 22 µs a message (91 instead of 70).

Started by sqlite.py as `python -m adapters.storage.sqlite_writer FD`, where FD is one end of a socket pair. A frame is four bytes of
length and a marshalled value: first the parent's (path, statements), answered by a complaint or "", then batches of operations, each
answered by the outcomes, after the commit. It ends when the other end closes; signals meant for the server do not concern it.

Nothing but the standard library and the transactions is imported here, so that it stays small.
"""

from __future__ import annotations

import marshal
import signal
import socket
import sqlite3
import struct
import sys
from typing import Any

from adapters.storage.sqlite_run import Runner, open_for_writing

LENGTH = struct.Struct("!I")


def send(peer: socket.socket, value: Any) -> None:
    body = marshal.dumps(value)
    peer.sendall(LENGTH.pack(len(body)) + body)


def receive(peer: socket.socket) -> Any:
    """Raises EOFError when the other end has closed."""
    (length,) = LENGTH.unpack(_exactly(peer, LENGTH.size))
    return marshal.loads(_exactly(peer, length))


def _exactly(peer: socket.socket, length: int) -> bytes:
    body = bytearray()
    while len(body) < length:
        part = peer.recv(length - len(body))
        if not part:
            raise EOFError
        body += part
    return bytes(body)


def serve(peer: socket.socket) -> None:
    path, statements = receive(peer)
    try:
        connection = open_for_writing(path)
    except sqlite3.Error as error:
        return send(peer, str(error))
    send(peer, "")
    runner = Runner(connection, statements)
    try:
        while True:
            send(peer, runner.run(receive(peer)))
    finally:
        connection.close()


def main() -> None:
    # a terminal's Ctrl-C and a service manager's stop reach every process; this one ends after its parent
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as peer:
        try:
            serve(peer)
        except (EOFError, ConnectionError):
            pass


if __name__ == "__main__":
    main()
