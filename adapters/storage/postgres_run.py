"""Runs transactions on a connection of PostgreSQL: a batch in one commit for the writer, a single one for the readers.

One statement for many rows is an executemany, in a pipeline. The hot ones that are written otherwise are in postgres_sql.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from psycopg import AsyncCursor

from adapters.storage.batches import Operation, Outcome
from adapters.storage.postgres_sql import CLAIM, FILE_WORDS, INSERT_MESSAGES, INSERT_WANTED, OPERATIONS, as_json, wanted
from adapters.storage.statements import Statement
from adapters.storage.transactions import MAY_INTERLEAVE, Answer, Ask, Parameters, Transaction
from service.errors import Refused


class Runner:
    def __init__(self, cursor: AsyncCursor[Any], statements: Mapping[str, Statement]) -> None:
        self.cursor = cursor
        self._statements = statements

    async def drive(self, transaction: Transaction) -> Any:
        """Run one transaction to its end and give what it returns."""
        try:
            name, sets = next(transaction)
            while True:
                name, sets = transaction.send(await self._execute(name, sets))
        except StopIteration as done:
            return done.value

    async def run(self, batch: Sequence[Operation]) -> list[Outcome]:
        """In the caller's transaction: those that may interleave in step, all first statements, then all second ones; then the others."""
        outcomes: list[Outcome] = [None] * len(batch)
        running = {i: OPERATIONS[name](*arguments) for i, (name, arguments) in enumerate(batch) if name in MAY_INTERLEAVE}
        answers: dict[int, Answer | None] = dict.fromkeys(running)
        while answers:
            answers = await self._answer(_step(running, answers, outcomes))
        for i, (name, arguments) in enumerate(batch):
            if name not in MAY_INTERLEAVE:
                outcomes[i] = await self.outcome(name, arguments)
        return outcomes

    async def lock_uses(self, batch: Sequence[Operation]) -> None:
        """What the batch uses of quotas, in one order for all servers: else two of them could wait for each other."""
        subjects = {charge[0] for name, arguments in batch if name in ("accept_with_more", "accept_named") for charge in arguments[7]}
        if subjects:
            await self._execute("uses", [{"subject": subject} for subject in sorted(subjects)])

    async def outcome(self, name: str, arguments: tuple[Any, ...]) -> Outcome:
        try:
            return await self.drive(OPERATIONS[name](*arguments))
        except Refused as refused:
            return refused

    async def _answer(self, asks: Mapping[int, Ask]) -> dict[int, Answer | None]:
        groups: dict[str, list[int]] = {}
        for i, (name, _) in asks.items():
            groups.setdefault(name, []).append(i)
        answers: dict[int, Answer | None] = {}
        for name, members in groups.items():
            if name == "insert_wanted":
                answers |= await self._insert_wanted({i: asks[i][1] for i in members})
                continue
            found = await self._execute(name, [one for i in members for one in asks[i][1]])
            for i in members:
                count = len(asks[i][1])
                answers[i], found = found[:count], found[count:]
        return answers

    async def _insert_wanted(self, calls: Mapping[int, Sequence[Parameters]]) -> dict[int, Answer | None]:
        """As many calls as there are by one statement; those with a recipient who has opted out are answered with him, and not kept."""
        [barred] = await self._execute("insert_wanted", [row for rows in calls.values() for row in rows])
        who = {id: (id, recipient) for id, recipient in barred}
        found: dict[int, Answer | None] = {i: [[who[row[0]] for row in rows if row[0] in who]] for i, rows in calls.items()}  # type: ignore[index]
        if barred:
            others = {i: rows for i, rows in calls.items() if found[i] == [[]]}
            found |= await self._insert_wanted(others) if others else {}
        return found

    async def _execute(self, name: str, sets: Sequence[Parameters]) -> Answer:
        cursor = self.cursor
        if name == "insert_messages":
            await cursor.execute(INSERT_MESSAGES, (as_json(sets),))
            return []
        if name == "insert_wanted":
            await cursor.execute(INSERT_WANTED, wanted(sets))
            return [await cursor.fetchall()]
        if name in FILE_WORDS:
            await cursor.execute(FILE_WORDS[name], (orjson.dumps(sets).decode(),))
            return []
        if name == "claim":
            await cursor.execute(CLAIM, sets[0])
            return [await cursor.fetchall()]
        statement = self._statements[name]
        text, bound = statement.text.encode(), [_bind(statement, one) for one in sets]
        if len(bound) == 1:
            await cursor.execute(text, bound[0])
            return [await cursor.fetchall()] if statement.has_rows else []
        await cursor.executemany(text, bound, returning=statement.has_rows)
        return [await cursor.fetchall() async for _ in cursor.results()] if statement.has_rows else []


def _step(running: Mapping[int, Transaction], answers: Mapping[int, Answer | None], outcomes: list[Outcome]) -> dict[int, Ask]:
    """What those that go on ask for next."""
    asks = {}
    for i, answer in answers.items():
        try:
            asks[i] = running[i].send(answer)  # type: ignore[arg-type]
        except StopIteration as done:
            outcomes[i] = done.value
        except Refused as refused:
            outcomes[i] = refused
    return asks


def _bind(statement: Statement, one: Parameters) -> list[Any]:
    assert isinstance(one, dict)
    values = {**statement.constants, **one}
    return [values[name] for name in statement.parameters]
