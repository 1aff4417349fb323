"""What searching and the filling of its index do, without doing any I/O. A part of transactions.py, whose rules hold here too.

The mark of a kind of messages ("sent", "received") says up to which id they are in the index, and in which block the last ones are.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.storage.transactions import Answer, Ask, Row, Transaction

SCANNED_AT_ONCE = 500
MOST_SCANNED = 200_000
"""newer messages of an account than the index has that are looked through"""
MOST_CHECKED = 200
"""messages of a block that are read for one word and then looked at for the others"""
_MOST_BLOCKS_AT_ONCE = 32


def search(
    kind: str, asked: dict[str, Any], keyword: str, query: tuple[str, Sequence[str]], columns: tuple[int, int]
) -> Generator[Ask, Answer, list[Row]]:
    """Rows, newest first, up to the limit that is asked for: first those that the index does not have yet, then by the index.

    `query` is that of search_terms.py; `columns` say where a row has its number and its text.
    """
    # only readers come here: it would take memory of the writing process
    from service.search import Wanted

    wanted, (number, text), limit = Wanted.of(keyword), columns, asked["limit"]

    def right(rows: Iterable[Row]) -> list[Row]:
        return [row for row in rows if wanted.is_in(row[number], row[text])]

    [mark] = yield "search_mark", [{"kind": kind}]
    upto_id = mark[0][1] if mark else 0
    asked = {**asked, "after_id": upto_id, "upto_id": upto_id}
    found = yield from _scan(kind, asked, right)
    [numbers] = yield "search_blocks", [{"kind": kind, "before_id": asked["before_id"]}]
    blocks = [number for (number,) in numbers]
    rarest = yield from _rarest(kind, blocks, query[1])
    first, count = 0, 1
    while len(found) < limit and first < len(blocks):
        matches = yield from _matches(kind, blocks[first : first + count], query[0], rarest)
        answers = (
            (yield f"find_{kind}", [{**asked, "match": match, "limit": max(limit, MOST_CHECKED)} for match in matches]) if matches else []
        )
        found += right(chain.from_iterable(answers))
        first, count = first + count, min(2 * count, _MOST_BLOCKS_AT_ONCE)
    return found[:limit]


def _scan(kind: str, asked: dict[str, Any], right: Callable[[Iterable[Row]], list[Row]]) -> Generator[Ask, Answer, list[Row]]:
    found: list[Row] = []
    before_id, scanned = asked["before_id"], 0
    while len(found) < asked["limit"] and scanned < MOST_SCANNED:
        [page] = yield f"newer_{kind}", [{**asked, "before_id": before_id, "limit": SCANNED_AT_ONCE}]
        found += right(page)
        if len(page) < SCANNED_AT_ONCE:
            break
        before_id, scanned = page[-1][0], scanned + len(page)
    return found


def _rarest(kind: str, blocks: Sequence[int], words: Sequence[str]) -> Generator[Ask, Answer, str | None]:
    """Of several words the one that fewest messages of the newest block have."""
    if not (words and blocks):
        return None
    counts = yield f"count_{kind}", [{"match": word.format(blocks[0])} for word in words]
    return min(zip(counts, words, strict=True), key=lambda each: each[0][0][0])[1]


def _matches(kind: str, blocks: Sequence[int], all_words: str, rarest: str | None) -> Generator[Ask, Answer, list[str]]:
    """What to ask for, block by block: nothing where nobody has the rarest word, that word alone where few have it, or else all.

    A frequent word costs a block 4 ms even if it is asked for together with a rare one, since both engines gather all its matches first.
    """
    if rarest is None:
        return [all_words.format(block) for block in blocks]
    counts = yield f"count_{kind}", [{"match": rarest.format(block)} for block in blocks]
    ways = [(rarest if count <= MOST_CHECKED else all_words, count, block) for [[count]], block in zip(counts, blocks, strict=True)]
    return [way.format(block) for way, count, block in ways if count]


def index(mark: dict[str, Any], words: Sequence[dict[str, Any]]) -> Transaction:
    """Whether it was done; not when another process was faster. `mark` is the new one, with the id from which it moves on."""
    [moved] = yield "move_search_mark", [mark]
    if not moved:
        return False
    # before the messages are looked at again: what deletes them waits for the mark
    yield "begin_search_block", [mark]
    yield f"insert_{mark['kind']}_words", words
    return True


OPERATIONS: Mapping[str, Callable[..., Transaction]] = {"search": search, "index": index}
