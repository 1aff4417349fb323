"""Hostile bodies get the fault that they deserve, at once, and learn nothing of what is inside."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from lxml import etree

from adapters.apis import _xml
from tests.apis.hostile_soap import ROWS, Row
from tests.apis.soap_peer import SOAP12, TYPE12, Peer, fault_of

INTERNALS = re.compile(rb"Traceback|lxml|libxml|spyne|Spyne|Error|\.py|passwd|xmlns:a|Entity|namespace prefix|/etc", re.ASCII)


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.kind}: {row.name}" for row in ROWS])
def test_is_refused_before_anything_is_done(row: Row) -> None:
    peer = Peer()
    reply = peer.post(row.body, row.content_type)
    fault = fault_of(reply)
    assert (fault.status, fault.code) == (row.status, row.code)
    assert peer.sent == []
    assert not INTERNALS.search(reply.body)
    assert len(reply.body) < 1000


@pytest.mark.parametrize("kind", sorted({row.kind for row in ROWS}))
def test_each_kind_has_several(kind: str) -> None:
    assert Counter(row.kind for row in ROWS)[kind] >= 3


def test_version_of_the_fault() -> None:
    twelve = [row for row in ROWS if row.content_type == TYPE12]
    assert twelve
    for row in twelve:
        assert SOAP12.encode() in Peer().post(row.body, row.content_type).body


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.kind in ("entities", "XXE") or row.name == "300 levels"], ids=lambda row: row.name
)
def test_the_parser_alone_expands_and_fetches_nothing(row: Row) -> None:
    """Behind the refusal of any DTD stands a parser that could not be harmed by one."""
    try:
        root = etree.fromstring(row.body, _xml._PARSER)
    except etree.XMLSyntaxError:
        return
    assert "".join(root.itertext()).strip(" &;l9a") in ("", "x")
    assert sum(1 for _ in root.iter("*")) < 300
