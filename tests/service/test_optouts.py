"""Which answers of a handset are words of the ledger, and what the ledger takes from an API or an operator."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.storage.memory import MemoryStore
from service.accounts import Account
from service.errors import Invalid, InvalidRecipient
from service.optouts import MOST_REPLY, WORDS, OptOuts, Source, Trace, Word, word_of
from tests.fakes import START, on_the_loop

BELGIUM = Account(id=1, name="a", default_country="BE")
HOW = Trace(source=Source.OPERATOR, at=START)
_AROUND = st.text(alphabet=" \t\r\n.,;:!?¡¿'\"«»“”()[]-–_*\u00a0\u200b", max_size=6)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("STOP", Word.STOP),
        ("stop", Word.STOP),
        (" Stop. ", Word.STOP),
        ("«STOP»", Word.STOP),
        ("ＳＴＯＰ", Word.STOP),
        ("Arrêt", Word.STOP),
        ("ARRE\u0302T!", Word.STOP),
        ("désabonner", Word.STOP),
        ("¡Baja!", Word.STOP),
        ("stopp", Word.STOP),
        ("Unstop", Word.START),
        ("START\n", Word.START),
        ("help?", Word.HELP),
        ("Info", Word.HELP),
        ("please stop", None),
        ("stop it", None),
        ("stop stop", None),
        ("don't stop", None),
        ("STOP 1", None),
        ("non", None),
        ("uit", None),
        ("yes", None),
        ("", None),
        ("...", None),
        ("s.t.o.p", None),
        ("STOP" + " " * 100, None),
    ],
)
def test_only_a_whole_answer_is_a_word(text: str, word: Word | None) -> None:
    assert word_of(text) is word


@given(word=st.sampled_from(sorted(WORDS)), before=_AROUND, after=_AROUND, lower=st.booleans())
def test_case_and_what_stands_around_a_word_do_not_matter(word: str, before: str, after: str, lower: bool) -> None:
    assert word_of(before + (word.lower() if lower else word) + after) is WORDS[word]


@given(word=st.sampled_from(sorted(WORDS)), other=st.text(alphabet="abcxyz0123456789", min_size=1, max_size=9), ahead=st.booleans())
def test_a_word_among_others_is_none(word: str, other: str, ahead: bool) -> None:
    assert word_of(f"{word} {other}" if ahead else f"{other} {word}") is None


@given(st.text())
def test_any_text_is_a_word_or_none(text: str) -> None:
    word_of(text)


@on_the_loop
async def test_numbers_are_read_as_the_account_writes_them_and_counted_once() -> None:
    store = MemoryStore()
    ledger = OptOuts(store=store)
    numbers = ["0495 89 86 97", "+32495898697", "0495898698"]
    assert await ledger.put_out(BELGIUM, numbers, Trace(source=Source.IMPORT, by="old.csv", at=START)) == 2
    assert await store.opted_out(1, ["+32495898697", "+32495898698", "+32495898699"], "1") == ["+32495898697", "+32495898698"]
    assert await ledger.let_in(BELGIUM, numbers[:1], HOW) == 1
    assert [one.number for one in await store.optouts(1, limit=9)] == ["+32495898698"]


@on_the_loop
async def test_what_cannot_be_used_is_refused_and_nothing_changes() -> None:
    ledger = OptOuts(store=MemoryStore())
    with pytest.raises(InvalidRecipient):
        await ledger.put_out(BELGIUM, ["0495898697", "Anne"], HOW)
    with pytest.raises(Invalid):
        await ledger.put_out(BELGIUM, ["0495898697"], HOW, code="")
    with pytest.raises(Invalid):
        await ledger.set_reply(BELGIUM, Word.HELP, "x" * (MOST_REPLY + 1))
    assert await ledger.store.optouts(1, limit=9) == []
