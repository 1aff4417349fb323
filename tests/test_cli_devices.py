"""`dragoman devices`: what is set, what is refused, and what the list says of limits and of what waits."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.apis import health
from adapters.cli import dragoman
from adapters.commands.devices import change, listed
from service.errors import Invalid, NotFound
from service.fleet import Sim
from service.limits import Limits
from tests.apis.gateway import MemoryGateway
from tests.fakes import on_the_loop
from tests.scripted_driver import queue

ID = "00112233445566ff"


async def _house() -> MemoryGateway:
    at = MemoryGateway(health.api)
    await at.account(default_country="BE", time_zone="Europe/Brussels")
    await at.fleet.keep(at.connect().device)
    return at


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"label": "Till", "number": "0470 00 00 01"}, {"label": "Till", "phone_number": "+32470000001"}),
        ({"per_minute": 5, "per_day": 500}, {"limits": Limits(per_minute=5, per_day=500)}),
        ({"quiet": "22:00-7:30"}, {"limits": Limits(quiet_from=1320, quiet_until=450)}),
        (
            {"sim": 2, "sim_number": "+32 470000002", "per_hour": 60},
            {"cards": (Sim(slot=2, number="+32470000002", limits=Limits(per_hour=60)),)},
        ),
    ],
)
@on_the_loop
async def test_what_is_set_is_kept_and_the_rest_stays(given: dict[str, Any], expected: dict[str, Any]) -> None:
    at = await _house()
    await change(at.gateway, {"id": ID, **given})
    (device,) = await at.store.devices()
    assert device == at.fleet.get(1, ID)
    assert {name: getattr(device, name) for name in expected} == expected


@on_the_loop
async def test_what_was_set_can_be_taken_away() -> None:
    at = await _house()
    for given in ({"per_minute": 5, "quiet": "22:00-07:00"}, {"sim": 1, "sim_number": "12345", "per_day": 3}):
        await change(at.gateway, {"id": ID, **given})
    for given in ({"per_minute": 0, "no_quiet": True, "number": ""}, {"sim": 1, "sim_number": "", "per_day": 0}):
        await change(at.gateway, {"id": ID, **given})
    (device,) = await at.store.devices()
    assert (device.limits, device.cards, device.phone_number, device.is_limited) == (Limits(), (Sim(slot=1),), None, False)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"per_minute": -1}, "per_minute"),
        ({"per_day": 100_001}, "per_day"),
        ({"per_hour": "5"}, "per_hour"),
        ({"quiet": "22-07"}, "quiet"),
        ({"quiet": "24:00-07:00"}, "quiet"),
        ({"quiet": "07:00-07:00"}, "quiet"),
        ({"sim": 3, "per_day": 1}, "sim"),
        ({"sim": 0, "per_day": 1}, "sim"),
        ({"sim_number": "+32470000002"}, "sim_number"),
        ({"label": "x" * 256}, "label"),
    ],
)
@on_the_loop
async def test_what_cannot_be_set_is_refused_and_changes_nothing(given: dict[str, Any], field: str) -> None:
    at = await _house()
    before = await at.store.devices()
    with pytest.raises(Invalid) as refused:
        await change(at.gateway, {"id": ID, **given})
    assert refused.value.field == field
    assert await at.store.devices() == before
    with pytest.raises(NotFound):
        await change(at.gateway, {**given, "id": "0" * 16})


@on_the_loop
async def test_the_list_says_what_waits_and_why() -> None:
    at = await _house()
    driver = at.connect()
    await change(at.gateway, {"id": ID, "per_minute": 1, "quiet": "22:00-07:00"})
    await change(at.gateway, {"id": ID, "sim": 2, "sim_number": "+32470000002", "per_day": 9})
    driver.device = at.fleet.current(driver.device)
    for _ in range(3):
        await queue(at.store, at.clock())
    await at.deliver(driver)
    (row,) = await listed(at.gateway, {})
    assert row["limits"] == ["1 a minute", "quiet 22:00-07:00", "SIM 2 (+32470000002): 9 a day"]
    assert (row["waiting"], row["waiting_reason"]) == (2, "1 a minute reached, next at 13:01:00")
    at.clock.advance(9.5 * 3600)
    (row,) = await listed(at.gateway, {})
    assert row["waiting_reason"] == "quiet hours until 07:00"
    at.fleet.online(ID, False, at.clock())
    (row,) = await listed(at.gateway, {})
    assert (row["online"], row["waiting_reason"]) == (False, "offline since 2026-03-20 22:30:00")


def test_the_command_line_has_a_flag_for_each() -> None:
    flags = {option for each in dragoman.commands["devices"].commands["set"].params for option in each.opts}  # type: ignore[attr-defined]
    wanted = {"--label", "--number", "--sim", "--sim-number", "--per-minute", "--per-hour", "--per-day", "--quiet", "--no-quiet"}
    assert wanted <= flags
