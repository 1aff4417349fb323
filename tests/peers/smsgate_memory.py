"""What a phone remembers when it is killed: its messages with their states, token, hooks, settings, inbox and the work still to do.

One SQLite file holds every phone of a process; each has its number in the `phone` column. A commit survives the end of the process, which
is the crash that is played here. The app keeps the same in Room and in Android's WorkManager (SMSGate app, MessagesDao.kt).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.peers.smsgate_reading import Hook, Item

_SCHEMA = """
CREATE TABLE IF NOT EXISTS settings(phone INTEGER, key TEXT, value TEXT, PRIMARY KEY(phone, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hooks(phone INTEGER, id TEXT, url TEXT, event TEXT, PRIMARY KEY(phone, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages(seq INTEGER PRIMARY KEY, phone INTEGER, id TEXT, text TEXT, data TEXT, port INTEGER, sim INTEGER,
    report INTEGER, encrypted INTEGER, valid_until INTEGER, schedule_at INTEGER, priority INTEGER, state TEXT, created_at INTEGER,
    processed_at INTEGER, UNIQUE(phone, id));
CREATE INDEX IF NOT EXISTS messages_by_state ON messages(phone, state);
CREATE TABLE IF NOT EXISTS recipients(phone INTEGER, message TEXT, position INTEGER, number TEXT, state TEXT, error TEXT,
    PRIMARY KEY(phone, message, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS states(phone INTEGER, message TEXT, state TEXT, at INTEGER, PRIMARY KEY(phone, message, state)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS work(seq INTEGER PRIMARY KEY, phone INTEGER, kind TEXT, due INTEGER, attempt INTEGER, details TEXT);
CREATE INDEX IF NOT EXISTS work_by_phone ON work(phone, kind, due);
CREATE TABLE IF NOT EXISTS inbox(seq INTEGER PRIMARY KEY, phone INTEGER, sender TEXT, text TEXT, at INTEGER, sim INTEGER, processed INTEGER);
"""


_ORDER = ("Pending", "Cancelling", "Cancelled", "Processed", "Sent", "Delivered", "Failed")


@dataclass(frozen=True, kw_only=True)
class Recipient:
    number: str
    """as the server wrote it, encrypted or not"""
    state: str
    error: str | None


@dataclass(frozen=True, kw_only=True)
class Stored:
    seq: int
    id: str
    text: str | None
    data: str | None
    port: int | None
    sim: int | None
    report: bool
    encrypted: bool
    valid_until: int | None
    priority: int
    state: str


@dataclass(frozen=True, kw_only=True)
class Work:
    """Something to do at `due` (ms since 1970), tried `attempt` times before."""

    seq: int
    kind: str
    due: int
    attempt: int
    details: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Received:
    seq: int
    sender: str
    text: str
    at: int
    sim: int | None


class Storage:
    """`path` None keeps it in memory, for phones that are never killed."""

    def __init__(self, path: Path | None = None) -> None:
        self.db = sqlite3.connect(":memory:" if path is None else path, isolation_level=None, check_same_thread=False)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=OFF")
        self.db.executescript(_SCHEMA)

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield self.db
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def close(self) -> None:
        self.db.close()


class Memory:
    """One phone's part of it."""

    def __init__(self, storage: Storage, phone: int) -> None:
        self._storage, self._db, self._phone = storage, storage.db, phone

    def setting(self, key: str, otherwise: Any = None) -> Any:
        row = self._db.execute("SELECT value FROM settings WHERE phone=? AND key=?", (self._phone, key)).fetchone()
        return otherwise if row is None or row[0] is None else json.loads(row[0])

    def set(self, key: str, value: Any) -> None:
        self._db.execute("REPLACE INTO settings VALUES(?,?,?)", (self._phone, key, None if value is None else json.dumps(value)))

    def hooks(self, event: str | None = None) -> list[Hook]:
        rows = self._db.execute("SELECT id, url, event FROM hooks WHERE phone=? ORDER BY id", (self._phone,))
        return [Hook(id=id, url=url, event=name) for id, url, name in rows if event in (None, name)]

    def replace_hooks(self, hooks: list[Hook]) -> None:
        with self._storage.change() as db:
            db.execute("DELETE FROM hooks WHERE phone=?", (self._phone,))
            db.executemany("REPLACE INTO hooks VALUES(?,?,?,?)", [(self._phone, hook.id, hook.url, hook.event) for hook in hooks])

    def store(self, item: Item, *, text: str | None, now: int, has_schedule: bool) -> None:
        """Pending. Raises sqlite3.IntegrityError when a number stands twice in it."""
        assert item.id is not None and item.phone_numbers is not None
        data, port = (None, None) if item.data is None else (item.data.data, item.data.port)
        values = {
            "phone": self._phone,
            "id": item.id,
            "text": text,
            "data": data,
            "port": port,
            "sim": item.sim_number,
            "report": item.with_delivery_report is not False,
            "encrypted": item.is_encrypted is True,
            "valid_until": item.valid_until_ms,
            "schedule_at": item.schedule_at_ms if has_schedule else None,
            "priority": item.priority or 0,
            "state": "Pending",
            "created_at": now if item.created_at_ms is None else item.created_at_ms,
        }
        with self._storage.change() as db:
            marks = ",".join(f":{name}" for name in values)
            db.execute(f"INSERT INTO messages({','.join(values)}) VALUES({marks})", values)
            rows = [(self._phone, item.id, position, number, "Pending") for position, number in enumerate(item.phone_numbers)]
            db.executemany("INSERT INTO recipients VALUES(?,?,?,?,?,NULL)", rows)
            db.execute("INSERT INTO states VALUES(?,?,'Pending',?)", (self._phone, item.id, now))

    def state(self, message: str) -> str | None:
        row = self._db.execute("SELECT state FROM messages WHERE phone=? AND id=?", (self._phone, message)).fetchone()
        return None if row is None else str(row[0])

    def recipients(self, message: str) -> list[Recipient]:
        rows = self._db.execute(
            "SELECT number, state, error FROM recipients WHERE phone=? AND message=? ORDER BY position", (self._phone, message)
        )
        return [Recipient(number=number, state=state, error=error) for number, state, error in rows]

    def states(self, message: str) -> dict[str, int]:
        """When it first had each state, ms since 1970."""
        rows = self._db.execute("SELECT state, at FROM states WHERE phone=? AND message=? ORDER BY at", (self._phone, message))
        return dict(sorted(rows, key=lambda row: (row[1], _ORDER.index(row[0]))))

    def next_pending(self, *, is_lifo: bool, now: int) -> Stored | None:
        order = "DESC" if is_lifo else "ASC"
        row = self._db.execute(
            "SELECT seq, id, text, data, port, sim, report, encrypted, valid_until, priority, state FROM messages "
            "WHERE phone=? AND state='Pending' AND (schedule_at IS NULL OR schedule_at<=?) "
            f"ORDER BY priority DESC, created_at {order}, seq {order} LIMIT 1",
            (self._phone, now),
        ).fetchone()
        if row is None:
            return None
        seq, id, text, data, port, sim, report, encrypted, valid_until, priority, state = row
        return Stored(
            seq=seq,
            id=id,
            text=text,
            data=data,
            port=port,
            sim=sim,
            report=bool(report),
            encrypted=bool(encrypted),
            valid_until=valid_until,
            priority=priority,
            state=state,
        )

    def next_schedule(self) -> int | None:
        query = "SELECT min(schedule_at) FROM messages WHERE phone=? AND state='Pending'"
        found = self._db.execute(query, (self._phone,)).fetchone()[0]
        return None if found is None else int(found)

    def processed_since(self, since: int) -> tuple[int, int]:
        """How many, and when the last."""
        query = "SELECT count(*), coalesce(max(processed_at), 0) FROM messages WHERE phone=? AND processed_at>=? AND state<>'Failed'"
        count, last = self._db.execute(query, (self._phone, since)).fetchone()
        return int(count), int(last)

    def failed_since(self, since: int) -> int:
        query = "SELECT count(*) FROM messages WHERE phone=? AND state='Failed' AND created_at>=?"
        return int(self._db.execute(query, (self._phone, since)).fetchone()[0])

    def set_states(self, message: str, number: str | None, *, state: str, error: str | None, aggregate: str, now: int) -> None:
        """Of one recipient, or of all when number is None."""
        with self._storage.change() as db:
            db.execute(
                "UPDATE recipients SET state=?, error=? WHERE phone=? AND message=? AND (? IS NULL OR number=?)",
                (state, error, self._phone, message, number, number),
            )
            db.execute("UPDATE messages SET state=? WHERE phone=? AND id=?", (aggregate, self._phone, message))
            if aggregate == "Processed":
                db.execute("UPDATE messages SET processed_at=? WHERE phone=? AND id=?", (now, self._phone, message))
            db.execute("INSERT OR IGNORE INTO states VALUES(?,?,?,?)", (self._phone, message, aggregate, now))

    def add_work(self, kind: str, *, due: int, **details: Any) -> None:
        self._db.execute(
            "INSERT INTO work(phone, kind, due, attempt, details) VALUES(?,?,?,0,?)", (self._phone, kind, due, json.dumps(details))
        )

    def next_work(self, kind: str) -> Work | None:
        query = "SELECT seq, due, attempt, details FROM work WHERE phone=? AND kind=? ORDER BY due, seq LIMIT 1"
        row = self._db.execute(query, (self._phone, kind)).fetchone()
        if row is None:
            return None
        seq, due, attempt, details = row
        return Work(seq=seq, kind=kind, due=due, attempt=attempt, details=json.loads(details))

    def put_off(self, work: Work, due: int) -> None:
        self._db.execute("UPDATE work SET due=?, attempt=attempt+1 WHERE seq=?", (due, work.seq))

    def finish(self, work: Work) -> None:
        self._db.execute("DELETE FROM work WHERE seq=?", (work.seq,))

    def receive(self, *, sender: str, text: str, at: int, sim: int | None) -> Received:
        query = "INSERT INTO inbox(phone, sender, text, at, sim, processed) VALUES(?,?,?,?,?,0)"
        seq = self._db.execute(query, (self._phone, sender, text, at, sim)).lastrowid
        assert seq is not None
        return Received(seq=seq, sender=sender, text=text, at=at, sim=sim)

    def inbox(self, *, since: int, until: int, has_processed: bool) -> list[Received]:
        query = "SELECT seq, sender, text, at, sim FROM inbox WHERE phone=? AND at BETWEEN ? AND ? AND (? OR processed=0) ORDER BY at, seq"
        rows = self._db.execute(query, (self._phone, since, until, has_processed))
        return [Received(seq=seq, sender=sender, text=text, at=at, sim=sim) for seq, sender, text, at, sim in rows]

    def mark_processed(self, received: Received) -> None:
        self._db.execute("UPDATE inbox SET processed=1 WHERE seq=?", (received.seq,))
