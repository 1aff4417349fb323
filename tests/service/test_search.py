"""Which words a text has, and what is found by what is looked for."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.search import MOST_CHARACTERS, MOST_OF_A_WORD, MOST_WANTED, Findable, Wanted, digits_of, words_of

WORDS: list[tuple[str, str]] = [
    ("", ""),
    ("Your order has left", "has left order your"),
    ("order, ORDER; order!", "order"),
    ("snake_case and-dash it's", "and case dash it s snake"),
    ("a1 1a 3.14 €5", "14 1a 3 5 a1"),
    ("Crème brûlée", "brulee creme"),
    ("CRE\u0300ME", "creme"),
    ("Straße STRASSE", "strasse"),
    ("İstanbul ISTANBUL", "istanbul"),
    ("ΣΊΣΥΦΟΣ σίσυφος", "σισυφοσ"),
    ("Ёлка", "елка"),
    ("Ｆｕｌｌ １２３", "123 full"),
    ("ﬁn ½ x²", "1 2 fin x2"),
    ("𝐀𝐁𝐂", "abc"),
    ("مَرْحَبًا بالعالم", "بالعالم مرحبا"),
    ("שָׁלוֹם", "שלום"),
    ("می\u200cخواهم", "میخواهم"),
    ("soft\u00adhyphen left\u200eright", "leftright softhyphen"),
    ("हिन्दी", "हिनदी"),
    ("你好，世界", "世界 你好"),
    ("👍🏽 ok👍 1️⃣", "1 ok"),
    ("\0\ud800a", "a"),
]


@pytest.mark.parametrize(("text", "words"), WORDS)
def test_a_text_has_these_words(text: str, words: str) -> None:
    assert " ".join(sorted(words_of(text))) == words


def test_only_the_beginnings_of_long_things_count() -> None:
    assert words_of("x" * 1_000) == ("x" * MOST_OF_A_WORD,)
    assert words_of("é" * 1_000) == ("e" * MOST_OF_A_WORD,)
    assert len(words_of("".join(f"{i:05} " for i in range(10_000)))) == MOST_CHARACTERS // 6 + 1
    assert len(Wanted.of("".join(f"w{i} " for i in range(1_000))).words) == MOST_WANTED
    assert Wanted.of("a" * 100).is_in("1", "a" * 100)


@given(st.text())
def test_the_words_of_words_are_themselves_and_hold_nothing_that_an_engine_could_take_for_syntax(text: str) -> None:
    words = words_of(text)
    assert all(word.isalnum() for word in words if word.isascii())
    assert not any(set(word) & set("\"'\\:*&|!()<>{}%- \t\n\0") for word in words)
    assert {word for each in words for word in words_of(each)} == set(words)


NUMBERS: list[tuple[str, str, str]] = [
    ("+32495898697", "32495898697", "32495898697"),
    ("+32 495-89", "3249589", "3249589"),
    ("(0032) 495", "32495", "0032495"),
    ("0495/89.86.97", "0495898697", "495898697"),
    ("0001", "01", "0001"),
    ("697", "697", ""),
    ("order 12", "", ""),
    ("+", "", ""),
    ("", "", ""),
    ("١٢٣٤", "", ""),
    ("1" * 65, "", ""),
]


@pytest.mark.parametrize(("query", "first", "last"), NUMBERS)
def test_what_looks_like_a_number_is_looked_for_among_numbers(query: str, first: str, last: str) -> None:
    wanted = Wanted.of(query)
    assert (wanted.first_digits, wanted.last_digits) == (first, last)


FOUND: list[tuple[str, str, str, bool]] = [
    ("+32495898697", "x", "324", True),
    ("+32495898697", "x", "8697", True),
    ("+32495898697", "x", "697", False),
    ("+32495898697", "x", "9589", False),
    ("+32495898697", "order 324", "order 324", True),
    ("+32495898697", "order", "order 324", False),
    ("MPESA", "you got 5", "mpesa got", True),
    ("MPESA 12", "x", "12", True),
    ("+1", "x", "%", False),
    ("+1", "%", "%", False),
    ("+1", "x", "", False),
]


@pytest.mark.parametrize(("number", "text", "query", "is_found"), FOUND)
def test_words_or_the_number_are_enough(number: str, text: str, query: str, is_found: bool) -> None:
    assert Wanted.of(query).is_in(number, text) is is_found


def test_a_name_is_filed_as_text() -> None:
    assert digits_of("MPESA") is None
    assert digits_of("+") is None
    assert Findable.of("MPESA", "x") == Findable(words=words_of("mpesa x"), digits="")
    assert Findable.of("+32", "x") == Findable(words=("x",), digits="32")


@pytest.mark.parametrize(
    "text", ["\ufdfa" * 1_000_000, "a\u0301" * 1_000_000, "ab " * 1_000_000, "𐀀" * 1_000_000], ids=["long", "marks", "words", "astral"]
)
def test_hostile_texts_cost_little(text: str) -> None:
    tries = []
    for _ in range(3):
        begun = time.process_time()
        words_of(text)
        tries.append(time.process_time() - begun)
    assert min(tries) < 0.5
