"""Ids, which order and hide messages, and the fingerprint that tells a repeated submit from another one."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.messages import SEQUENCE_BITS, Ids, Submit, id_of, queue_of
from tests.fakes import START, mt_message

SUBMIT = Submit(recipients=("+32495898697",), text="hello", api="form")


def test_a_guid_is_40_lowercase_hex_and_leads_to_its_id() -> None:
    ids = Ids()
    for _ in range(1000):
        id, guid = ids.new(START)
        assert re.fullmatch("[0-9a-f]{40}", guid)
        assert id_of(guid) == id < 1 << 63


def test_ids_grow_within_a_millisecond_and_over_many() -> None:
    ids = Ids()
    made = [ids.new(START + timedelta(milliseconds=n // 500)) for n in range(2000)]
    assert [id for id, _ in made] == sorted({id for id, _ in made})
    assert [guid for _, guid in made] == sorted({guid for _, guid in made})


def test_an_id_begins_with_its_millisecond() -> None:
    id, guid = Ids().new(START + timedelta(milliseconds=7))
    ms = int(START.timestamp() * 1000) + 7
    assert (id >> SEQUENCE_BITS, int(guid[:12], 16)) == (ms, ms)


def test_ids_that_two_processes_make_in_one_millisecond_differ() -> None:
    starts = {Ids().new(START)[0] for _ in range(200)}
    assert len(starts) > 190


def test_what_follows_an_id_in_its_guid_cannot_be_guessed() -> None:
    ids = Ids()
    tails = [int(ids.new(START)[1], 16) & ((1 << 91) - 1) for _ in range(64)]
    for bit in range(91):
        assert len({tail >> bit & 1 for tail in tails}) == 2, f"bit {bit} is always the same"


@pytest.mark.parametrize(
    "guid",
    ["", "x" * 40, "A" * 40, "0" * 39, "0" * 41, "0" * 40 + "\n", "c319d3b35e8f8712cde20dae39ac3c19f86eda25", "٠" * 40],
)
def test_what_is_no_guid_of_ours_has_no_id(guid: str) -> None:
    assert id_of(guid) is None


@given(st.text())
def test_any_text_may_be_asked_for_as_a_guid(text: str) -> None:
    id_of(text)


@given(st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)))
def test_every_time_makes_an_id_that_fits_in_63_bits(at: datetime) -> None:
    id, guid = Ids().new(at.replace(tzinfo=UTC))
    assert 0 < id < 1 << 63
    assert id_of(guid) == id


OTHERS: dict[str, Any] = {
    "recipients": ("+32495898698",),
    "text": "hallo",
    "device": "00112233445566ff",
    "sim": 1,
    "due": START,
    "validity_s": 60,
}


@pytest.mark.parametrize("field", OTHERS)
def test_a_submit_that_differs_has_another_fingerprint(field: str) -> None:
    assert replace(SUBMIT, **{field: OTHERS[field]}).fingerprint() != SUBMIT.fingerprint()


def test_the_way_that_a_submit_came_and_its_key_do_not_count() -> None:
    assert replace(SUBMIT, api="soap", idempotency_key="a").fingerprint() == SUBMIT.fingerprint()


def test_fingerprints_do_not_confuse_the_last_recipient_with_the_text() -> None:
    two = replace(SUBMIT, recipients=("1111", "2222"), text="3333")
    assert replace(two, recipients=("1111",), text="2222").fingerprint() != two.fingerprint()
    assert replace(two, recipients=("1111", "2222", "3333"), text="3333").fingerprint() != two.fingerprint()


def test_a_message_waits_with_the_device_that_it_asked_for_or_in_the_pool_of_its_account() -> None:
    pooled = mt_message()
    assert pooled.queue == queue_of(1, None) == "pool-1" != queue_of(2, None)
    assert replace(pooled, wanted_device="00112233445566ff").queue == "00112233445566ff"
