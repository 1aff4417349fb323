"""Who works for which device, and who is woken by what."""

from __future__ import annotations

from typing import Any

from adapters.staff import Staff
from service.fleet import Device
from tests.fakes import on_the_loop


class Hand:
    """Stands in for a worker and its driver."""

    deduplicates = True
    room = 4
    burden = (0.0, 0.0)
    lanes = frozenset({0, 1})
    is_crowded = is_called = False

    def __init__(self, device: Device, told: list[str]) -> None:
        self.device, self._told = device, told
        self.driver = self

    async def start(self, inbox: Any) -> None:
        self._told.append(f"{self.device.id} {self.device.label}starts")

    async def stop(self) -> None:
        self._told.append(f"{self.device.id} {self.device.label}stops")

    def wake(self, covered: frozenset[int] = frozenset()) -> None:
        self._told.append(self.device.id)


def device(id: str, account_id: int = 1, **fields: Any) -> Device:
    return Device(**{"id": id, "account_id": account_id, "kind": "test", **fields})


class Office:
    def __init__(self) -> None:
        self.told: list[str] = []
        self.hands: dict[str, Hand] = {}
        hire: Any = lambda driver: driver  # noqa: E731
        inbox: Any = None
        self.staff = Staff(build=self._build, hire=hire, inbox=inbox)

    async def _build(self, device: Device) -> Any:
        if device.kind != "test":
            return None
        self.hands[device.id] = Hand(device, self.told)
        return self.hands[device.id]

    async def with_three(self) -> Office:
        for each in (device("a1"), device("a2"), device("b1", 2)):
            await self.staff.engage(each)
        return self

    def said(self) -> list[str]:
        said, self.told[:] = list(self.told), []
        return said


@on_the_loop
async def test_a_queued_message_wakes_its_phone_or_the_least_busy_of_the_accounts() -> None:
    office = await Office().with_three()
    office.staff.queued(1, None)
    assert office.said() == ["a1"]
    office.hands["a1"].burden = (0.0, 1.0)
    office.staff.queued(1, None)
    assert office.said() == ["a2"]
    office.hands["a2"].burden = (0.5, 0.0)
    office.staff.queued(1, None)
    assert office.said() == ["a1"], "limits count before how much it sent"
    office.hands["a1"].is_crowded = True
    office.staff.queued(1, None)
    assert office.said() == ["a2"]
    office.hands["a2"].room = 0
    office.staff.queued(1, None)
    assert office.said() == ["a1"]
    office.hands["a1"].is_called = True
    office.staff.queued(1, None)
    assert office.said() == [], "who has been called will find it"
    office.staff.queued(1, "a2")
    assert office.said() == ["a2"]
    office.staff.queued(1, "unknown")
    office.staff.queued(3, None)
    assert office.said() == []


@on_the_loop
async def test_what_one_leaves_is_passed_on_to_the_next_that_can_reach_it() -> None:
    office = await Office().with_three()
    first: Any = office.hands["a1"]
    office.staff.pass_on(first, frozenset())
    assert office.said() == ["a2"]
    office.staff.pass_on(first, frozenset({0, 1}))
    assert office.said() == [], "it would look where somebody has just looked"
    office.hands["a2"].lanes = frozenset({0, 1, 2})
    office.staff.ready(office.hands["a2"])  # type: ignore[arg-type]
    office.staff.pass_on(first, frozenset({0, 1}))
    assert office.said() == ["a2"]
    office.hands["a2"].room = 0
    office.staff.pass_on(first, frozenset())
    assert office.said() == []


@on_the_loop
async def test_the_one_that_has_room_is_found_behind_very_many_that_have_none() -> None:
    office = Office()
    for number in range(100):
        await office.staff.engage(device(f"p{number:02}"))
        office.hands[f"p{number:02}"].room = int(number == 77)
    office.staff.queued(1, None)
    assert office.said() == ["p77"]
    last: Any = office.hands["p77"]
    office.staff.pass_on(last, frozenset())
    assert office.said() == []


@on_the_loop
async def test_a_phone_that_comes_online_is_woken() -> None:
    office = await Office().with_three()
    office.staff.changed("a2")
    office.staff.changed("unknown")
    assert office.said() == ["a2"]


@on_the_loop
async def test_nobody_works_before_the_start_and_whoever_comes_later_at_once() -> None:
    office = await Office().with_three()
    assert office.said() == []
    await office.staff.start()
    assert office.said() == ["a1 starts", "a2 starts", "b1 starts"]
    await office.staff.engage(device("c1"))
    assert office.said() == ["c1 starts"]
    await office.staff.engage(device("c1", label="anew "))
    assert office.said() == ["c1 stops", "c1 anew starts"]
    await office.staff.dismiss(device("a1"))
    await office.staff.dismiss(device("a1"))
    assert office.said() == ["a1 stops"]
    assert (len(office.staff), office.staff.deduplicating()) == (3, ["a2", "b1", "c1"])
    await office.staff.stop()
    assert sorted(office.said()) == ["a2 stops", "b1 stops", "c1 anew stops"]


@on_the_loop
async def test_a_device_that_nobody_can_speak_to_has_no_worker() -> None:
    office = Office()
    await office.staff.engage(device("a1", kind="unheard of"))
    assert len(office.staff) == 0
