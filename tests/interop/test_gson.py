"""The played phone understands JSON as Gson does, which is what the SMSGate app reads with."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gson_reader import GsonThrows, gson_dates, gson_reads, gson_reads_each
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.peers.smsgate_dates import Unreadable
from tests.peers.smsgate_reading import Item, read_messages
from tests.peers.test_smsgate_dates import ROWS, read

ITEM = {"id": "m1", "textMessage": {"text": "Hi"}, "phoneNumbers": ["+32495898697"], "createdAt": "2026-03-20T12:00:00.123Z"}
FIELDS: tuple[dict[str, Any], ...] = (
    {},
    {"id": None, "phoneNumbers": None, "createdAt": None},
    {"id": 7, "message": 1.5, "textMessage": {"text": True}},
    {"phoneNumbers": "+32495898697"},
    {"phoneNumbers": [None, 32495898697]},
    {"phoneNumbers": {}},
    {"simNumber": "1", "priority": "100"},
    {"simNumber": 1.0},
    {"simNumber": 1.5},
    {"simNumber": "one"},
    {"simNumber": True},
    {"priority": 200},
    {"priority": -128},
    {"priority": 300},
    {"priority": -129},
    {"withDeliveryReport": "true", "isEncrypted": "no"},
    {"withDeliveryReport": 1},
    {"state": "Pending"},
    {"state": "Teleported"},
    {"state": None},
    {"dataMessage": {"data": "aGk=", "port": "53739"}},
    {"dataMessage": {}},
    {"dataMessage": None, "textMessage": None},
    {"textMessage": "Hi"},
    {"textMessage": []},
    {"somethingNew": {"a": [1]}},
    {"validUntil": "2026-03-20T12:00:00.123456Z"},
    {"validUntil": "2026-03-20T12:00:00"},
    {"scheduleAt": 1774008000},
    {"scheduleAt": 20260320},
    {"scheduleAt": True},
    {"scheduleAt": {}},
)


def ours(written: bytes) -> list[dict[str, Any]] | None:
    try:
        return [_told(item) for item in read_messages(written)]
    except Unreadable:
        return None


def _told(item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "message": item.message,
        "text": item.text,
        "data": None if item.data is None else [item.data.data, item.data.port],
        "phoneNumbers": None if item.phone_numbers is None else list(item.phone_numbers),
        "simNumber": item.sim_number,
        "withDeliveryReport": item.with_delivery_report,
        "isEncrypted": item.is_encrypted,
        "validUntil": item.valid_until_ms,
        "scheduleAt": item.schedule_at_ms,
        "priority": item.priority,
        "state": item.state,
        "createdAt": item.created_at_ms,
    }


def theirs(read: list[dict[str, Any]] | GsonThrows) -> list[dict[str, Any]] | None:
    if isinstance(read, GsonThrows):
        return None
    found = []
    for item in read:
        text, data = item.pop("textMessage"), item.pop("dataMessage")
        found.append(
            item | {"text": None if text is None else text["text"], "data": None if data is None else [data["data"], data["port"]]}
        )
    return found


def test_every_row_of_dates_is_as_said() -> None:
    assert dict(zip(ROWS, gson_dates(list(ROWS)), strict=True)) == ROWS


def number(most: int) -> st.SearchStrategy[str]:
    return st.integers(0, most).map(lambda value: f"{value:02}")


def joined(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map("".join)


def often(text: str, *others: str) -> st.SearchStrategy[str]:
    return st.sampled_from([text] * 6 + list(others))


DATES = joined(
    often("", " ", "x"),
    st.integers(1900, 2200).map(str),
    often("-", "", "/"),
    number(14),
    often("-", ""),
    number(33),
    often("T", " ", "t", ""),
    number(26),
    often(":", ""),
    number(65),
    often(":", ""),
    st.one_of(number(65), st.just("")),
    st.one_of(st.just(""), st.text("0123456789", max_size=12).map(lambda digits: "." + digits)),
    st.one_of(
        st.sampled_from(["Z", "Z", "", "z", "+00:00", "-00:00", "+02", "-0330", "+5", " Z"]),
        joined(st.sampled_from("+-"), number(25), often(":", ""), number(65)),
    ),
    often("", " ", "Z", "0"),
)


# one JVM for each example: nothing is shrunk, a text that is read otherwise is shown as it is
@settings(max_examples=4, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(st.lists(DATES, min_size=200, max_size=400))
def test_dates_of_every_kind_are_read_as_gson_reads_them(texts: list[str]) -> None:
    both = {text: (read(text), told) for text, told in zip(texts, gson_dates(texts), strict=True)}
    assert {text: (ours, theirs) for text, (ours, theirs) in both.items() if ours != theirs} == {}
    assert any(told is not None for _, told in both.values())


def test_every_field_is_read_as_gson_reads_it() -> None:
    lists = [json.dumps([ITEM | fields]).encode() for fields in FIELDS]
    for written, told in zip(lists, gson_reads_each(lists), strict=True):
        assert ours(written) == theirs(told), written


def test_what_the_app_would_lose_is_said_by_an_exception() -> None:
    assert [item["id"] for item in gson_reads(json.dumps([ITEM]).encode())] == ["m1"]
    with pytest.raises(GsonThrows, match="no-zone"):
        gson_reads(json.dumps([ITEM | {"validUntil": "no-zone"}]).encode())
