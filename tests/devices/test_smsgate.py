"""What the driver of an SMSGate phone adds to its outbox. Its promises as a driver are in tests/conformance."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from adapters.devices import Tools, load
from adapters.devices.smsgate import KIND, driver
from service.errors import SendFailed
from service.fleet import Device
from service.messages import Channel
from service.pulling import PATIENCE, SEEN, Pulls
from tests.fakes import START, FakeClock, mt_message, on_the_loop

SINCE = START - timedelta(hours=3)
PHONE = Device(id="00112233445566ff", account_id=1, kind=KIND, config={SEEN: SINCE.isoformat()})


def tools() -> Tools:
    clock = FakeClock()
    return Tools(clock=clock, folder=Path(), pulls=Pulls(clock=clock))


def test_it_is_found_by_its_kind_and_waits_longer_than_its_outbox() -> None:
    made = load()[KIND](PHONE, tools())
    assert made.device == PHONE
    assert made.deduplicates
    assert made.submit_timeout_s > PATIENCE.total_seconds()


def test_it_knows_since_when_the_phone_was_not_heard_of_unless_it_was_since_we_are_up() -> None:
    given = tools()
    driver(PHONE, given)
    assert given.pulls.of(PHONE.id).missed_since == SINCE
    given = tools()
    given.pulls.of(PHONE.id).heard(START)
    driver(PHONE, given)
    assert given.pulls.of(PHONE.id).missed_since is None


@on_the_loop
async def test_a_whatsapp_message_is_refused_for_good() -> None:
    with pytest.raises(SendFailed) as refused:
        await driver(PHONE, tools()).submit(mt_message(channel=Channel.WHATSAPP))
    assert refused.value.permanent
