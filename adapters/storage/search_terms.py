"""The words of the search index, for both engines: what a message is filed under, and how each engine is asked for it.

A term says the block, the account, and what it is: 5b7wbrulee is a word of a message of account 7 in block 5, 5b7n3249 its number and
5b7r9423 that number backwards. So another account's messages cost nothing, and however often a word occurs, no more than a block
of matches has to be gone through to find the newest. Terms are letters and digits only: nothing in them is syntax to an engine.
"""

from __future__ import annotations

from typing import NamedTuple

from service.search import Findable, Wanted

BLOCK_ROWS = 16_384
"""messages in a block, about. On PostgreSQL the matches of a block are sorted, and each block is one look into the index."""


class Grammar(NamedTuple):
    begins: str
    both: str
    either: str


FTS5 = Grammar('"%s" *', " AND ", " OR ")
TSQUERY = Grammar("'%s':*", " & ", " | ")


def terms(block: int, account_id: int, number: str, text: str) -> str:
    """Those of one message, a space between."""
    found, place = Findable.of(number, text), f"{block}b{account_id}"
    numbers = (f"n{found.digits}", f"r{found.digits[::-1]}") if found.digits else ()
    return " ".join(place + term for term in (*numbers, *(f"w{word}" for word in found.words)))


def query(wanted: Wanted, account_id: int, grammar: Grammar) -> tuple[str, tuple[str, ...]]:
    """What an engine is asked for, {0} standing for the block; and, where it is asked for several words, the same for each word alone.

    There must be something that is wanted.
    """

    def begins(term: str) -> str:
        return grammar.begins % f"{{0}}b{account_id}{term}"

    def either(*words: str) -> str:
        ways = [grammar.both.join(words)] if words else []
        ways += [begins(f"n{wanted.first_digits}")] if wanted.first_digits else []
        ways += [begins(f"r{wanted.last_digits[::-1]}")] if wanted.last_digits else []
        return grammar.either.join(f"({way})" for way in ways)

    # the longest is likely to be the rarest
    words = [begins(f"w{word}") for word in sorted(wanted.words, key=len, reverse=True)]
    return either(*words), tuple(map(either, words)) if len(words) > 1 else ()
