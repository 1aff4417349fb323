"""Counting and cutting against the tables of the standard, against smspdudecoder's codecs, and against the radio's own limits."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smspdudecoder.codecs import GSM, UCS2

from service.errors import Invalid
from service.segments import BASIC, EXTENDED, MOST_SEGMENTS, Encoding, count, encoding_of, forcing, split

gsm_texts = st.text(BASIC + EXTENDED, max_size=700)
any_texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=400)
mixed_texts = st.text(st.sampled_from("ab€{😀é\nПñ👩\u200d"), max_size=700)


def octets(part: str, encoding: Encoding) -> int:
    """What the part takes in a radio message, counted by another codec."""
    if encoding is Encoding.UCS2:
        return len(UCS2.encode(part)) // 2
    return len(GSM.encode(part)) // 2


def test_the_alphabet_has_127_characters_and_the_extension_ten() -> None:
    assert len(set(BASIC)) == len(BASIC) == 127  # and the escape
    assert len(set(EXTENDED)) == len(EXTENDED) == 10
    assert not set(BASIC) & set(EXTENDED)


def test_alphabet_and_extension_are_those_of_another_implementation() -> None:
    assert set(BASIC) == set(GSM.ALPHABET) - {"\x1b"}
    assert set(EXTENDED) == set(GSM.ALPHABET_EXT.values())


@given(st.characters())
def test_a_character_is_gsm_exactly_when_another_codec_can_encode_it(char: str) -> None:
    try:
        GSM.encode(char)
    except ValueError:
        assert encoding_of(char) is Encoding.UCS2
        assert forcing(char) == char
    else:
        assert encoding_of(char) is Encoding.GSM7
        assert forcing(char) == ""


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 159 + "€", 2),
        ("€" * 152, 2),  # 304 septets, but only 76 pairs fit into the 153 of a part
        ("€" * 153, 3),
        ("a" + "€" * 152, 2),
        ("\n" * 160, 1),
        ("ç" * 70, 1),  # only the capital is in the alphabet
        ("ç" * 71, 2),
        ("я" * 70, 1),
        ("я" * 71, 2),
        ("я" * 134, 2),
        ("я" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("😀" * 66, 2),  # 132 units, but only 33 pairs fit into the 67 of a part
        ("😀" * 67, 3),
        ("\x1b" * 70, 1),  # the escape itself is no character of the alphabet
        ("\x1b" * 71, 2),
        ("\u00a0", 1),
        ("a" * 160 + "`", 3),
        ("a" * 39_015, 255),
        ("я" * 17_085, 255),
        ("😀" * 8_415, 255),
    ],
    ids=lambda value: ascii(value)[:12] if isinstance(value, str) else str(value),
)
def test_count(text: str, segments: int) -> None:
    assert count(text) == segments
    assert len(split(text)) == segments


@pytest.mark.parametrize("text", ["a" * 39_016, "я" * 17_086, "😀" * 8_416, "€" * 19_381, "a" * 1_000_000], ids=lambda text: ascii(text[0]))
def test_more_than_255_segments_are_refused(text: str) -> None:
    for ask in (count, split):
        with pytest.raises(Invalid) as refused:
            ask(text)
        assert refused.value.field == "text"
        assert str(MOST_SEGMENTS) in refused.value.why


@pytest.mark.parametrize("text", ["\0", "a\0b", "я\0", "\ud83d", "\ude00b", "a\ude00\ud83d", "a" * 200 + "\0", "€\ud83d"], ids=ascii)
def test_what_cannot_be_sent_is_refused(text: str) -> None:
    for ask in (count, split):
        with pytest.raises(Invalid) as refused:
            ask(text)
        assert refused.value.field == "text"


def test_the_characters_that_force_ucs2_are_named_once_in_their_order() -> None:
    assert forcing("née à l’œuvre: ç’est ça 😀 {€}") == "’œç😀"


@given(st.one_of(gsm_texts, any_texts, mixed_texts))
def test_the_parts_are_the_text_and_each_fits_a_radio_message(text: str) -> None:
    parts, encoding = split(text), encoding_of(text)
    assert "".join(parts) == text
    assert len(parts) == count(text)
    most = 140 if len(parts) == 1 else 134
    for part in parts:
        part.encode("utf-16-be")  # fails for half of a pair
        assert octets(part, encoding) <= most


@given(st.one_of(gsm_texts, any_texts, mixed_texts))
def test_no_part_has_room_for_the_character_that_the_next_begins_with(text: str) -> None:
    parts, encoding = split(text), encoding_of(text)
    if len(parts) > 1:
        assert octets(text, encoding) > 140
    for part, following in pairwise(parts):
        assert octets(part + following[0], encoding) > 134


@given(gsm_texts)
def test_each_part_of_a_gsm_text_survives_another_codec(text: str) -> None:
    for part in split(text):
        decoded = GSM.decode(GSM.encode(part))
        # seven spare bits at the end of the last octet read as one @ more
        assert decoded in (part, part + "@")


@given(any_texts)
def test_each_part_of_a_ucs2_text_survives_another_codec(text: str) -> None:
    for part in split(text):
        assert UCS2.decode(UCS2.encode(part)) == part
