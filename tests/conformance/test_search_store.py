"""What every Store finds: the same, whether the messages are in its index or not, and the same as the store in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.storage import search_terms
from adapters.storage.memory import MemoryStore
from adapters.storage.search_terms import BLOCK_ROWS
from service.lifecycle import Status
from service.mailbox_queries import DELETE_AT_ONCE, InboxQuery, Span
from service.messages import MoMessage
from service.ports import SentQuery
from tests.conformance.test_store import HOUR, OTHER, PHONE, SECOND, House, house
from tests.fakes import START, on_the_loop

__all__ = ["house"]

LATER = START + 24 * HOUR


@pytest.fixture(params=["new", "indexed", "half"])
def state(request: pytest.FixtureRequest) -> str:
    """How much of what is kept is in the index when something is looked for."""
    return str(request.param)


async def settle_index(house: House, state: str) -> None:
    if state == "indexed":
        while await house.store.index(LATER, 2):
            pass
    elif state == "half":
        await house.store.index(LATER, 2)


async def keep(house: House, *texts: str, **fields: Any) -> None:
    for text in texts:
        await house.accepted(text, **fields)


async def take(house: House, text: str, *, sender: str = "+32495000001", now: datetime = START, **fields: Any) -> None:
    message = MoMessage(**{"device": PHONE, "sender": sender, "text": text, "received": now, **fields})
    assert await house.store.received(message, house.account.id, now)


async def found(house: House, keyword: str, **query: Any) -> list[str]:
    return [message.text for message in await house.all(keyword=keyword, **query)]


async def taken(house: House, keyword: str, **query: Any) -> list[str]:
    return [row.text for row in await house.store.inbox_of(InboxQuery(account_id=house.account.id, keyword=keyword, **query))]


@on_the_loop
async def test_every_word_must_begin_one_of_the_text(house: House, state: str) -> None:
    await keep(house, "Your order 4711 has left", "Crème-brûlée, please!", "order nothing", "ORDER it: crème")
    await settle_index(house, state)
    for keyword, texts in (
        ("order", ["ORDER it: crème", "order nothing", "Your order 4711 has left"]),
        ("ORD", ["ORDER it: crème", "order nothing", "Your order 4711 has left"]),
        ("rder", []),
        ("order cre", ["ORDER it: crème"]),
        ("CRÉME", ["ORDER it: crème", "Crème-brûlée, please!"]),
        ("brule-creme", ["Crème-brûlée, please!"]),
        ("4711", ["Your order 4711 has left"]),
        ("711", []),
        ("order AND creme", []),
        ("", []),
        ("*", []),
        ('"', []),
    ):
        assert await found(house, keyword) == texts, keyword


@on_the_loop
async def test_a_number_is_found_whole_by_its_beginning_or_its_end(house: House, state: str) -> None:
    await keep(house, "a", recipient="+32495898697")
    await keep(house, "b", recipient="10001")
    await keep(house, "call 8697 or 32495", recipient="+4477009")
    await settle_index(house, state)
    for keyword, texts in (
        ("+32495898697", ["a"]),
        ("+32 495-89 86 97", ["a"]),
        ("0032495898697", ["a"]),
        ("0495898697", ["a"]),
        ("8697", ["call 8697 or 32495", "a"]),
        ("697", []),
        ("9589", []),
        ("10001", ["b"]),
        ("0001", ["b"]),
        ("32495", ["call 8697 or 32495", "a"]),
        ("-", []),
        ("+", []),
    ):
        assert await found(house, keyword) == texts, keyword


@on_the_loop
async def test_the_filters_of_the_log_hold_for_what_is_found(house: House, state: str) -> None:
    await house.store.keep_refused(house.message("word refused", status=Status.FAILED, due=None, refusal="invalid"))
    failed = await house.claimed(text="word failed")
    await house.settle(failed, Status.FAILED)
    for i in range(3):
        await keep(house, f"word {i}")
    await house.accept(replace(house.message("word theirs"), account_id=house.account.id + 1))
    await house.accept(replace(house.message("word theirs"), account_id=house.account.id * 10 + 1))
    await settle_index(house, state)
    rows = await house.all()
    assert await found(house, "word") == ["word 2", "word 1", "word 0", "word failed", "word refused"]
    assert await found(house, "word", limit=2) == ["word 2", "word 1"]
    assert await found(house, "word", refused=True) == ["word refused"]
    assert await found(house, "word", failed=True) == ["word failed"]
    assert await found(house, "word", before_id=rows[2].id) == ["word failed", "word refused"]
    assert await found(house, "word", before_id=rows[2].id, limit=1) == ["word failed"]
    assert await found(house, "wor", guid=rows[0].guid) == ["word 2"]
    assert await found(house, "ord", guid=rows[0].guid) == []
    assert await found(house, "theirs") == []


@on_the_loop
async def test_the_inbox_is_searched_too(house: House, state: str) -> None:
    for i, (sender, text) in enumerate((("MPESA", "You got 5"), ("+32495000001", "mpesa is what?"), ("10001", "other"))):
        await take(house, text, sender=sender, device=OTHER if i % 2 else PHONE, now=START + i * SECOND)
    await settle_index(house, state)
    assert await taken(house, "mpesa") == ["mpesa is what?", "You got 5"]
    assert await taken(house, "MPE got") == ["You got 5"]
    assert await taken(house, "0001") == ["other", "mpesa is what?"]
    assert await taken(house, "mpesa", device=OTHER) == ["mpesa is what?"]
    assert await taken(house, "mpesa", since=START + SECOND) == ["mpesa is what?"]
    assert await taken(house, "mpesa", limit=1) == ["mpesa is what?"]
    [row] = await house.store.inbox_of(InboxQuery(account_id=house.account.id, keyword="what"))
    await house.store.set_read(house.account.id, row.guid)
    assert await taken(house, "mpesa", unread=True) == ["You got 5"]


@on_the_loop
async def test_what_is_deleted_is_not_found_and_not_indexed_afterwards(house: House, state: str) -> None:
    await keep(house, "secret one", "secret two")
    await take(house, "secret three")
    await settle_index(house, state)
    one = (await house.all(keyword="one"))[0]
    assert await house.store.delete_one(house.account.id, one.guid) == 1
    assert await found(house, "secret") == ["secret two"]
    assert await house.store.delete_span(house.account.id, Span(since=START, until=LATER)) == 2
    assert await house.store.index(LATER, DELETE_AT_ONCE) == 0
    assert (await found(house, "secret"), await taken(house, "secret")) == ([], [])


@on_the_loop
async def test_only_what_is_old_enough_is_indexed_and_the_rest_is_found_all_the_same(house: House) -> None:
    await keep(house, "word old")
    await keep(house, "word new", created=START + HOUR)
    indexed = await house.store.index(START + HOUR, 10)
    assert indexed == (0 if isinstance(house.store, MemoryStore) else 1)
    assert await house.store.index(START + HOUR, 10) == 0
    assert await found(house, "word") == ["word new", "word old"]


@on_the_loop
async def test_what_is_found_comes_newest_first_over_blocks(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_terms, "BLOCK_ROWS", 3)
    assert BLOCK_ROWS > 3
    for i in range(40):
        await keep(house, f"word {i} {'even' if i % 2 == 0 else 'odd'} {'rare' if i in (1, 38) else ''}", created=START + i * SECOND)
    while await house.store.index(START + 35 * SECOND, 2):
        pass
    rows = await house.all()

    async def numbers(keyword: str, **query: Any) -> list[int]:
        return [int(text.split()[1]) for text in await found(house, keyword, **query)]

    assert await numbers("word") == list(range(39, -1, -1))
    assert await numbers("even", limit=10) == list(range(38, 18, -2))
    assert await numbers("even odd") == []
    assert await numbers("rare") == [38, 1]
    assert await numbers("odd", before_id=rows[20].id, limit=4) == [17, 15, 13, 11]


ODD = [
    "NEAR",
    "NEAR(a b)",
    '"',
    "''",
    "a*",
    "-a",
    "a AND b",
    "OR",
    "{}",
    "{0}",
    "\\",
    "%",
    ":*",
    "!",
    "&",
    "é",
    "É",
    "ß",
    "SS",
    "👍🏽",
    "مرحبا",
    "שלום",
]
WORDS = st.sampled_from(["one", "One", "two", "on", "12", "1234", "+32", "straße", "STRASSE", "हिन्दी", "Ａ", "ﬁn", "fin", "ǆ", *ODD])
TEXTS = st.one_of(
    st.lists(WORDS, max_size=5).map(" ".join), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
)
NUMBERS = st.from_regex(r"\A(\+32[0-9]{5}|[1-9][0-9]{3}|1234)\Z")
QUERIES = st.one_of(TEXTS, NUMBERS, st.from_regex(r"\A[0-9+ \-]{1,6}\Z"), st.text(max_size=10), WORDS.map(lambda word: word[:2]))


@on_the_loop
async def test_every_store_finds_what_the_one_in_memory_finds(house: House) -> None:
    memory, cases = MemoryStore(), []

    @given(st.lists(st.tuples(NUMBERS, TEXTS), min_size=1, max_size=4), st.lists(QUERIES, max_size=6), st.integers(0, 3))
    @settings(max_examples=100, deadline=None, database=None)
    def collect(rows: list[tuple[str, str]], queries: list[str], indexed: int) -> None:
        cases.append((rows, queries, indexed))

    collect()
    for rows, queries, indexed in cases:
        messages = [house.message(text, recipient=number) for number, text in rows]
        await house.accept(*messages)
        await memory.accept(house.acceptance(*messages))
        for _ in range(indexed):
            await house.store.index(LATER, 2)
        for keyword in [*queries, *(text for _, text in rows), *(number[-4:] for number, _ in rows)]:
            query = SentQuery(account_id=house.account.id, keyword=keyword, limit=10_000)
            assert [m.id for m in await house.store.sent(query)] == [m.id for m in await memory.sent(query)], repr(keyword)


@pytest.mark.parametrize(
    "text", ["x" * 10_000, "ab " * 5_000, "é" * 10_000, "\ufdfa" * 10_000, "हिन्दी " * 2_000, "1 2 3 " * 2_000, "a\u0301" * 5_000]
)
@on_the_loop
async def test_a_long_text_is_filed_and_a_long_query_answered(house: House, text: str) -> None:
    await keep(house, text, "".join(f"w{i} " for i in range(4_000)))
    await settle_index(house, "indexed")
    assert text in await found(house, text)
    assert len(await found(house, "".join(f"w{i} " for i in range(4_000)))) == 1
    assert await found(house, "w3999 " + "v" * 10_000) == []
