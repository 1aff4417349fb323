"""Which words a text has, and what somebody who looks for something finds: one answer, whichever store gives it.

A word is a run of letters, digits and the signs that belong to them, in any script, without regard to case, accents and vowel points:
"Crème-brûlée!" has the words creme and brulee. Whoever looks for "bru creme" finds it: each of his words must begin one of the text's.
What looks like a number ("+32 495-89") also finds numbers that begin so, and those that end so when it has 4 digits or more.
Only letters and digits are looked for: a query of nothing but signs or emoji finds nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from unicodedata import category, combining, normalize

MOST_CHARACTERS = 20_000
"""of a text that count; no SMS is as long"""
MOST_OF_A_WORD = 64
"""characters that count"""
MOST_WANTED = 32
"""words of a query that count"""
FEWEST_LAST_DIGITS = 4

_ascii_words = re.compile(r"[a-z0-9]+").findall
_is_number = re.compile(r"\+?[0-9]+").fullmatch
_looks_like_a_number = re.compile(r"[0-9+ ()./\-]*[0-9][0-9+ ()./\-]*").fullmatch
_TRUNK_FROM = 8
"""digits from which on a leading 0 is taken for a trunk prefix, which no international number ends with"""


class _Pieces(dict[int, str]):
    """What becomes of a character: itself if it belongs to a word, a space between words, or nothing."""

    def __missing__(self, code: int) -> str:
        c = chr(code)
        kind = category(c)
        # accents; joiners, soft hyphens and direction marks; variation selectors, which only say how an emoji looks
        is_nothing = combining(c) or kind == "Cf" or 0xFE00 <= code <= 0xFE0F
        is_word = c.isalnum() or kind in ("Mn", "Mc")
        piece = "" if is_nothing else c if is_word else " "
        if code < 0x3000:  # the others are too many to be kept
            self[code] = piece
        return piece


_pieces = _Pieces()


def words_of(text: str) -> tuple[str, ...]:
    """Each once, in no particular order."""
    text = text[:MOST_CHARACTERS]
    if text.isascii():
        found = _ascii_words(text.lower())
    else:
        folded = normalize("NFKD", normalize("NFKD", text).casefold()).translate(_pieces)
        found = folded[:MOST_CHARACTERS].split()
    return tuple({word[:MOST_OF_A_WORD] for word in found})


def digits_of(number: str) -> str | None:
    """Of a recipient or sender; None for a name, such as "MPESA"."""
    return number.removeprefix("+") if _is_number(number) else None


def _beside(number: str, text: str) -> str:
    """What words are looked for in: a name in the place of a number counts as text."""
    return text if digits_of(number) is not None else f"{number} {text}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Findable:
    """By what one message is found."""

    words: tuple[str, ...]
    digits: str
    """of the number that it is from or to; empty for a name"""

    @classmethod
    def of(cls, number: str, text: str) -> Findable:
        return cls(words=words_of(_beside(number, text)), digits=digits_of(number) or "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What is looked for: either of words and number is enough."""

    words: tuple[str, ...]
    """each begins a word of the text"""
    first_digits: str
    """empty when the query does not look like a number, as is last_digits"""
    last_digits: str

    @classmethod
    def of(cls, query: str) -> Wanted:
        words = sorted(words_of(query))[:MOST_WANTED]
        digits = re.sub("[^0-9]", "", query) if len(query) <= MOST_OF_A_WORD and _looks_like_a_number(query) else ""
        last = digits[1:] if digits.startswith("0") and len(digits) >= _TRUNK_FROM else digits
        return cls(
            words=tuple(words),
            first_digits=digits[2:] if digits.startswith("00") else digits,
            last_digits=last if len(digits) >= FEWEST_LAST_DIGITS else "",
        )

    @property
    def is_nothing(self) -> bool:
        return not (self.words or self.first_digits or self.last_digits)

    def is_in(self, number: str, text: str) -> bool:
        """Whether a message from or to this number, with this text, is found."""
        return self.is_number(number) or self.are_in(_beside(number, text))

    def is_number(self, number: str) -> bool:
        """Whether it begins or ends so."""
        digits = digits_of(number) or ""
        begins = bool(self.first_digits) and digits.startswith(self.first_digits)
        return begins or (bool(self.last_digits) and digits.endswith(self.last_digits))

    def are_in(self, text: str) -> bool:
        """Whether there are words that are wanted, and each begins one of the text."""
        there = words_of(text) if self.words else ()
        return bool(self.words) and all(any(word.startswith(begin) for word in there) for begin in self.words)
