"""argon2id as it really is: its parameters, its salt, and that the loop goes on meanwhile."""

from __future__ import annotations

import asyncio

from adapters.passwords import Argon2
from tests.fakes import on_the_loop


@on_the_loop
async def test_a_password_matches_its_own_hash_alone() -> None:
    hasher = Argon2()
    first, second = await hasher.hash("corrèct"), await hasher.hash("corrèct")
    assert first.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert first != second
    assert await hasher.matches("corrèct", first) and await hasher.matches("corrèct", second)
    assert not await hasher.matches("correct", first)
    half = await hasher.hash("\ud800")
    assert await hasher.matches("\ud800", half) and not await hasher.matches("?", half)


@on_the_loop
async def test_the_loop_is_not_held() -> None:
    asked = asyncio.ensure_future(Argon2().hash("x"))
    turns = 0
    while not asked.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10, "held, it would turn twice"
