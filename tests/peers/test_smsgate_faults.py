"""A phone that is killed, that loses reports, that has no network: what it puts on the air and what it tells afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.peers.scripted_gateway import ScriptedGateway
from tests.peers.smsgate_air import Outcome
from tests.peers.smsgate_faults import Fate
from tests.peers.smsgate_house import NUMBER, OTHER, House, after, message
from tests.virtual_time import in_virtual_time

ONCE = [("m1", NUMBER)]


@pytest.mark.parametrize(
    ("point", "before", "in_all", "told_before"),
    [("pulled", [], ONCE, []), ("stored", [], ONCE, []), ("transmitted", ONCE, ONCE * 2, []), ("sent", ONCE, ONCE, [])],
)
@in_virtual_time
async def test_killed_there_and_started_again(
    point: str, before: list[object], in_all: list[object], told_before: list[object], tmp_path: Path
) -> None:
    """SMSGate app, MessagesService.kt: the SMS goes out first and is noted then, so a kill between the two sends it again."""
    house = House(ScriptedGateway(messages=[message()]), path=tmp_path / "phone.db")
    phone = house.phone(faults={"kill_at": point})
    phone.start()
    await asyncio.sleep(5)
    assert phone.is_over
    await phone.stop()
    assert (house.sent, house.gateway.reports()) == (before, told_before)
    await after(5, house.phone())
    assert house.sent == in_all
    assert house.gateway.reports()[-1] == ("m1", "Delivered")
    house.storage.close()


@in_virtual_time
async def test_a_phone_keeps_its_registration_hooks_inbox_and_unsent_reports_in_its_file(tmp_path: Path) -> None:
    """SMSGate app, MessagesDao.kt; reports and posts wait in Android's WorkManager"""
    path = tmp_path / "phone.db"
    house = House(
        ScriptedGateway(messages=[message()], hooks=[{"id": "h", "url": "http://gateway.test/mobile/v1/hook", "event": "sms:received"}]),
        path=path,
    )
    phone = house.phone(fates=[Fate.LOST] * 3)
    phone.start()
    await asyncio.sleep(0.5)
    phone.device.reception.lose()
    phone.receive(OTHER, "x")
    await asyncio.sleep(5)
    await phone.stop()
    house.storage.close()
    assert house.gateway.reports() == []
    again = House(house.gateway, path=path)
    await after(60, again.phone())
    assert (again.sent, again.gateway.reports()[-1], len(again.gateway.named("POST /hook"))) == ([], ("m1", "Delivered"), 1)
    assert len(again.gateway.named("POST /device")) == 1
    again.storage.close()


SLOW = Outcome(sent_after_s=1, delivered_after_s=1)


@pytest.mark.parametrize(
    ("fates", "expected"),
    [
        ([Fate.LOST], ["Sent", "Delivered", "Delivered"]),
        ([Fate.ANSWER_LOST], ["Processed", "Sent", "Delivered", "Delivered"]),
        ([Fate.TWICE], ["Processed", "Processed", "Sent", "Delivered"]),
        ([Fate.DROPPED] * 3, []),
        ([Fate.ARRIVES, Fate.HELD], ["Processed", "Delivered", "Sent"]),
    ],
    ids=str,
)
@in_virtual_time
async def test_the_fate_of_a_report(fates: list[Fate], expected: list[str]) -> None:
    """SMSGate app, SendStateWorker.kt: a report that is tried again tells the state of then."""
    house = House(ScriptedGateway(messages=[message()]))
    await after(30, house.phone(outcome=SLOW, fates=fates))
    assert [state for _, state in house.gateway.reports()] == expected


@in_virtual_time
async def test_without_network_nothing_is_tried_and_afterwards_everything_goes_on() -> None:
    """SMSGate app, SendStateWorker.kt, constraints: no network, no try, so none of the ten is used up."""
    house = House(ScriptedGateway(messages=[message()]))
    phone = house.phone(outcome=SLOW)
    phone.start()
    await asyncio.sleep(0.5)
    phone.device.reception.lose()
    asked = len(house.gateway.asked)
    await asyncio.sleep(86400)
    assert len(house.gateway.asked) == asked
    phone.device.reception.regain()
    await asyncio.sleep(61)
    await phone.stop()
    assert house.gateway.reports()[-1] == ("m1", "Delivered")
    assert house.gateway.times("GET /events")[-1] > 86400
    assert house.sent == ONCE


@in_virtual_time
async def test_a_stream_that_is_cut_comes_back_and_two_may_stand_at_once() -> None:
    """SMSGate app, SSEManager.kt"""
    house = House()
    phone = house.phone(streams=2)
    phone.start()
    for _ in range(3):
        await asyncio.sleep(10)
        assert len(house.gateway.streams) == 2
        phone.device.reception.cut()
    await phone.stop()
    assert house.gateway.times("GET /events") == [0, 0, 15, 15, 25, 25]


@in_virtual_time
async def test_a_wrong_clock_is_in_every_date_and_decides_what_is_too_late() -> None:
    """SMSGate app, MessagesService.kt, PayloadSingingPlugin.kt"""
    house = House(ScriptedGateway(messages=[message(validUntil="2026-03-20T13:00:00.000Z")]))
    await after(1, house.phone(faults={"clock_offset_s": 2 * 3600}))
    assert house.sent == []
    [report] = house.gateway.bodies("PATCH /message")[0]
    assert report["states"]["Pending"] == "2026-03-20T14:00:00.000Z"


@in_virtual_time
async def test_a_slow_reader_takes_its_time_between_two_events() -> None:
    house = House()
    phone = house.phone(faults={"read_pause_s": 10})
    phone.start()
    await asyncio.sleep(1)
    for _ in range(3):
        house.gateway.tell("SettingsUpdated")
    await asyncio.sleep(40)
    await phone.stop()
    assert house.gateway.times("GET /settings") == [0, 1, 11, 21]
