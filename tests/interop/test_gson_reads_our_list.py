"""What the device API lists is what the SMSGate app's own JSON library makes of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

from gson_reader import gson_reads

from adapters.wire.smsgate import Outgoing, State, message_list
from tests.peers.smsgate_reading import read_messages

WHEN = datetime(2026, 3, 20, 12, 0, 0, 123_456, tzinfo=UTC)


def test_the_app_understands_every_message_that_we_list() -> None:
    plain = Outgoing(id="a" * 40, text='é😀"\\\n', recipient="+32495898697", sim=None, created=WHEN, valid_until=WHEN + timedelta(days=3))
    dressed = Outgoing(
        id="b" * 40 + "-2",
        text="x",
        recipient="8080",
        sim=2,
        created=WHEN.astimezone(timezone(timedelta(hours=5, minutes=30))),
        valid_until=WHEN.replace(microsecond=0),
        state=State.CANCELLING,
        priority=-128,
    )
    listed = json.dumps(message_list([plain, dressed])).encode()
    first, second = gson_reads(listed)
    assert first["id"] == plain.id and first["textMessage"]["text"] == plain.text and first["phoneNumbers"] == ["+32495898697"]
    assert (first["simNumber"], first["withDeliveryReport"], first["isEncrypted"], first["state"]) == (None, True, False, "Pending")
    ms = 1_774_008_000_123
    assert (first["createdAt"], first["validUntil"]) == (ms, ms + 3 * 86_400_000)
    assert (second["id"], second["simNumber"], second["priority"], second["state"]) == (dressed.id, 2, -128, "Cancelling")
    assert (second["createdAt"], second["validUntil"]) == (ms, ms - 123)
    assert [item.id for item in read_messages(listed, UTC)] == [plain.id, dressed.id]
