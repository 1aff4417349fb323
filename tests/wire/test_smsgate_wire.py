"""The wire of SMSGate: dates as the app's JSON library reads them, states, hooks by version, and bad input of any kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.wire import smsgate as wire
from adapters.wire.smsgate import State
from adapters.wire.smsgate_hooks import EVENTS, Received, happened, hooks, is_signed
from service.errors import Invalid
from tests.peers.smsgate_dates import read_date
from tests.peers.smsgate_sse import EventReader

PARSERS: dict[str, Callable[[bytes], object]] = {
    "profile": wire.profile,
    "told": wire.told,
    "password": wire.new_password,
    "hook": happened,
}
NAMES = ["id", "state", "states", "recipients", "error", "phoneNumber", "name", "simCards", "simNumber", "pushToken", "event", "payload"]
NAMES += ["message", "sender", "receivedAt", "messageId", "data", "attachments", "contentType", "health", "checks", "battery:level"]
NAMES += ["observedValue", "status", "currentPassword", "newPassword", "transactionId", "subject", "body", "Sent"]
WORDS = ["Sent", "Failed", "sms:received", "sms:data-received", "mms:downloaded", "system:ping", "app:started", "2026-01-01T00:00:00.000Z"]
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(WORDS)
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6))


@given(parser=st.sampled_from(list(PARSERS)), body=st.binary(max_size=40) | TREES.map(lambda tree: json.dumps(tree).encode()))
def test_whatever_comes_is_read_or_refused_in_words(parser: str, body: bytes) -> None:
    try:
        PARSERS[parser](body)
    except Invalid as refused:
        assert refused.field and refused.why


@given(event=st.sampled_from([*EVENTS, "sms:sent"]), payload=st.dictionaries(st.sampled_from(NAMES), TREES))
def test_whatever_a_hook_carries_is_read_or_refused_in_words(event: str, payload: dict[str, Any]) -> None:
    try:
        happened(json.dumps({"id": "e", "event": event, "payload": payload}).encode())
    except Invalid as refused:
        assert refused.field and refused.why


@given(when=st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1)), offset_h=st.integers(-12, 12))
def test_the_app_reads_a_date_as_it_was_meant(when: datetime, offset_h: int) -> None:
    meant = when.replace(tzinfo=timezone(timedelta(hours=offset_h)))
    text = wire.date(meant)
    assert text[-5] == "." and text[-1] == "Z"
    assert read_date(text, UTC) == int(meant.timestamp() * 1000) or abs(read_date(text, UTC) - meant.timestamp() * 1000) < 1


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["Pending", "Failed"], "Pending"),
        (["Sent", "Cancelling"], "Cancelling"),
        (["Sent", "Cancelled"], "Cancelled"),
        (["Sent", "Processed"], "Processed"),
        (["Failed", "Failed"], "Failed"),
        (["Delivered", "Delivered"], "Delivered"),
        (["Sent", "Sent"], "Sent"),
        (["Failed", "Delivered"], "Sent"),
        (["Sent", "Failed"], "Sent"),
    ],
)
def test_the_state_of_a_message_is_computed_from_its_recipients(states: list[str], expected: str) -> None:
    assert wire.aggregate([State(state) for state in states]) is State(expected)


@pytest.mark.parametrize(
    ("agent", "version"),
    [
        ("me.capcom.smsgateway/1.68.0", (1, 68, 0)),
        ("me.capcom.smsgateway/1.52", (1, 52, 0)),
        ("me.capcom.smsgateway/1.68.0-rc1", (1, 68, 0)),
        ("me.capcom.smsgateway/x", wire.OLDEST),
        ("curl/8", wire.OLDEST),
        ("", wire.OLDEST),
    ],
)
def test_the_version_stands_in_the_user_agent(agent: str, version: wire.Version) -> None:
    assert wire.version_of(agent) == version


def test_each_event_is_listed_from_the_version_that_knows_it() -> None:
    for name, first in EVENTS.items():
        assert name in [hook["event"] for hook in hooks("d", "u", first)]
        before = (first[0], first[1] - 1, 9)
        assert first == wire.OLDEST or name not in [hook["event"] for hook in hooks("d", "u", before)]


def test_an_event_is_one_for_the_app_and_one_without_data_would_not_be() -> None:
    said = (
        wire.event("MessageEnqueued")
        + wire.message_cancelled("m1")
        + wire.export_requested(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
    )
    events = EventReader().feed(said)
    assert [(event.type, json.loads(event.data)) for event in events] == [
        ("MessageEnqueued", None),
        ("MessageCancelled", {"messageId": "m1"}),
        (
            "MessagesExportRequested",
            {
                "since": "2026-01-01T00:00:00.000Z",
                "until": "2026-01-02T00:00:00.000Z",
                "messageTypes": "SMS,MMS",
                "triggerWebhooks": "true",
            },
        ),
    ]


def test_a_signature_is_over_the_body_and_then_the_timestamp() -> None:
    # computed with: printf 'body1763823600' | openssl dgst -sha256 -hmac key
    good = "ef7cc82c39ea1682e36689e579373c85b87361d463bcd5638ed0dd6e1313965a"
    assert is_signed(b"body", "1763823600", good, "key")
    assert is_signed(b"body", "1763823600", good.upper(), "key")
    for body, timestamp, key in ((b"bodY", "1763823600", "key"), (b"body", "1763823601", "key"), (b"body", "1763823600", "kez")):
        assert not is_signed(body, timestamp, good, key)
    assert not is_signed(b"body", "\u20ac", "\u20ac", "key")


def test_a_reception_is_known_by_the_phones_id_and_the_time_in_whatever_zone() -> None:
    def key(**payload: Any) -> str:
        read = happened(json.dumps({"id": "e1", "event": "sms:received", "payload": {"sender": "x", **payload}}).encode())
        assert isinstance(read, Received)
        return read.key

    first = key(messageId="a", receivedAt="2026-10-25T02:30:00.000+02:00")
    assert key(messageId="a", receivedAt="2026-10-25T01:30:00.000+01:00") == first
    assert key(messageId="a", receivedAt="2026-10-25T02:30:00.000+01:00") != first
    assert key(messageId="b", receivedAt="2026-10-25T02:30:00.000+02:00") != first
    assert key(receivedAt="2026-10-25T02:30:00.000+02:00") == "e1"
    assert key(messageId="a", receivedAt="yesterday") == key(messageId="a", receivedAt="yesterday") != key(messageId="a")
