"""What searching and the filling of its index do, without doing any I/O. A part of transactions.py, whose rules hold here too.

The mark of a kind of messages ("sent", "received") says up to which id they are in the index, and in which block the last ones are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.storage.transactions import Row, Transaction

SCANNED_AT_ONCE = 500
MOST_SCANNED = 200_000
"""newer messages of an account than the index has that are looked through"""
_MOST_BLOCKS_AT_ONCE = 32


def search(kind: str, asked: dict[str, Any], keyword: str, query: str, columns: tuple[int, int]) -> Transaction:
    """Rows, newest first, up to the limit that is asked for: first those that the index does not have yet, then by the index.

    `query` is that of search_terms.py; `columns` say where a row has its number and its text.
    """
    [found_mark] = yield "search_mark", [{"kind": kind}]
    upto_id = found_mark[0][1] if found_mark else 0
    found: list[Row] = yield from _scan(kind, {**asked, "after_id": upto_id}, keyword, columns)
    [blocks] = yield "search_blocks", [{"kind": kind, "before_id": asked["before_id"]}]
    first, count = 0, 1
    while len(found) < asked["limit"] and first < len(blocks):
        some = blocks[first : first + count]
        one = {**asked, "upto_id": upto_id, "limit": asked["limit"] - len(found)}
        answers = yield f"find_{kind}", [{**one, "match": query.format(block)} for (block,) in some]
        found += [row for rows in answers for row in rows]
        first, count = first + count, min(2 * count, _MOST_BLOCKS_AT_ONCE)
    return found[: asked["limit"]]


def _scan(kind: str, asked: dict[str, Any], keyword: str, columns: tuple[int, int]) -> Transaction:
    # only readers come here: it would take memory of the writing process
    from service.search import Wanted

    wanted, (number, text) = Wanted.of(keyword), columns
    found: list[Row] = []
    before_id, scanned = asked["before_id"], 0
    while len(found) < asked["limit"] and scanned < MOST_SCANNED:
        [page] = yield f"newer_{kind}", [{**asked, "before_id": before_id, "limit": SCANNED_AT_ONCE}]
        found += [row for row in page if wanted.is_in(row[number], row[text])]
        if len(page) < SCANNED_AT_ONCE:
            break
        before_id, scanned = page[-1][0], scanned + len(page)
    return found


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
