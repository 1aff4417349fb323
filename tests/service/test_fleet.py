"""Which devices an account has, which are online, and whether one of them could send a message."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from service.errors import Invalid, NotFound, Unavailable
from service.fleet import Device, Fleet, Presence, Sim, new_device_id
from tests.fakes import START, on_the_loop


def phone(id: str, account_id: int = 1, sims: int = 1) -> Device:
    return Device(id=id, account_id=account_id, kind="test", sims=sims)


def fleet(*devices: Device, online: tuple[str, ...] = ()) -> Fleet:
    made = Fleet()
    for device in devices:
        made.register(device)
    for id in online:
        made.online(id, True)
    return made


def test_a_device_is_seen_by_its_own_account_alone() -> None:
    made = fleet(phone("a", 1), phone("b", 2))
    assert made.get(1, "a") == phone("a", 1)
    assert made.get(2, "a") is None
    assert made.get(1, "nowhere") is None
    assert made.of(2) == [phone("b", 2)]
    assert made.owner("b") == 2


def test_a_device_that_is_registered_again_is_replaced() -> None:
    made = fleet(phone("a", sims=1), phone("a", sims=2))
    assert [d.sims for d in made.of(1)] == [2]


def test_coming_and_going_is_noticed_and_told() -> None:
    told: list[str] = []
    made = fleet(phone("a"))
    made.on_change = told.append
    assert not made.is_online("a")
    made.online("a", True)
    assert made.is_online("a")
    made.online("a", False)
    assert not made.is_online("a")
    made.online("a", False)
    assert told == ["a", "a", "a"]


def test_a_new_device_has_an_id_as_the_vendors_show_it() -> None:
    assert re.fullmatch("[0-9a-f]{16}", new_device_id())
    assert new_device_id() != new_device_id()


@pytest.mark.parametrize(
    ("device", "sim", "online", "expected"),
    [
        (None, None, (), False),
        (None, None, ("one",), True),
        (None, None, ("theirs",), False),
        ("one", None, ("two",), False),
        ("two", None, ("two",), True),
        ("two", 2, ("two",), True),
        (None, 2, ("one",), False),
        (None, 2, ("one", "two"), True),
        (None, 1, ("one",), True),
    ],
)
def test_a_message_can_be_sent_now_if_an_able_device_is_online(
    device: str | None, sim: int | None, online: tuple[str, ...], expected: bool
) -> None:
    made = fleet(phone("one"), phone("two", sims=2), phone("theirs", 2, sims=2), online=online)
    assert made.choose(1, device, sim) is expected


@pytest.mark.parametrize(
    ("device", "sim", "field"),
    [("nowhere", None, "device"), ("theirs", None, "device"), ("one", 2, "sim"), (None, 3, "sim"), ("two", 3, "sim"), ("", None, "device")],
)
def test_a_device_or_a_sim_that_the_account_does_not_have_is_refused(device: str | None, sim: int | None, field: str) -> None:
    made = fleet(phone("one"), phone("two", sims=2), phone("theirs", 2, sims=3))
    with pytest.raises(Invalid) as refused:
        made.choose(1, device, sim)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("device", "online", "expected"),
    [(None, (), False), (None, ("able",), True), (None, ("one",), False), ("able", ("able",), True), ("able", ("one",), False)],
)
def test_a_message_by_whatsapp_can_be_sent_now_if_a_device_that_has_it_is_online(
    device: str | None, online: tuple[str, ...], expected: bool
) -> None:
    made = fleet(phone("one"), replace(phone("able"), whatsapp=True), online=online)
    assert made.choose_whatsapp(1, device) is expected


@pytest.mark.parametrize(("device", "field"), [(None, "channels"), ("one", "channels"), ("theirs", "device"), ("nowhere", "device")])
def test_whatsapp_without_a_device_that_has_it_is_refused(device: str | None, field: str) -> None:
    made = fleet(phone("one"), replace(phone("theirs", 2), whatsapp=True), online=("one", "theirs"))
    with pytest.raises(Invalid) as refused:
        made.choose_whatsapp(1, device)
    assert refused.value.field == field


def test_without_any_device_a_message_waits_whatever_sim_it_wants() -> None:
    assert Fleet().choose(1, None, 2) is False


class Kept:
    """Remembers what it is told; fails while `away`."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.away = False

    async def save_device(self, device: Device) -> None:
        self.told.append(f"save {device.label}")

    async def unlink_device(self, device: Device) -> None:
        if self.away:
            raise Unavailable("away")
        self.told.append(f"unlink {device.id}")


@on_the_loop
async def test_a_change_is_kept_and_then_seen() -> None:
    made = fleet(phone("a"))
    made.store = kept = Kept()
    changed = await made.update(1, "a", label="Door", phone_number="+32495000001", sync_sent=True)
    assert changed == made.get(1, "a") == await made.update(1, "a", label="Door")
    assert (changed.label, changed.phone_number, changed.sync_sent, kept.told) == ("Door", "+32495000001", True, ["save Door"] * 2)
    for account_id, id in ((2, "a"), (1, "b")):
        with pytest.raises(NotFound):
            await made.update(account_id, id, label="x")
        with pytest.raises(NotFound):
            await made.unlink(account_id, id)


@on_the_loop
async def test_a_device_is_stopped_before_its_messages_are_given_away() -> None:
    made = fleet(phone("a"), online=("a",))
    made.store = kept = Kept()

    async def stop(device: Device) -> None:
        assert made.get(1, "a") is None, "nothing more is accepted for it"
        kept.told.append(f"stop {device.id}")

    made.on_unlink = stop
    kept.away = True
    with pytest.raises(Unavailable):
        await made.unlink(1, "a")
    assert made.get(1, "a") == phone("a"), "it can be tried again"
    kept.away = False
    await made.unlink(1, "a")
    assert kept.told == ["stop a", "stop a", "unlink a"]
    assert (made.of(1), made.is_online("a"), made.owner("a"), made.owner("b")) == ([], False, 1, None)


def test_what_a_device_says_of_itself_is_remembered() -> None:
    made = fleet(phone("a"))
    assert made.presence("a") == Presence()
    made.heard("a", battery=50)
    made.heard("a", version="2")
    made.online("a", True, START)
    made.heard("a", battery=49)
    made.online("a", False)
    assert made.presence("a") == Presence(since=START, battery=49, version="2")


@on_the_loop
async def test_a_device_that_is_linked_is_kept_before_it_is_spoken_to_and_one_that_is_kept_is_not_spoken_to_anew() -> None:
    made = fleet()
    made.store = kept = Kept()

    async def start(device: Device) -> None:
        assert made.get(1, "a") == device, "what it hands in straight away has an owner"
        kept.told.append(f"start {device.label}")

    made.on_link = start
    await made.link(replace(phone("a"), label="one"))
    await made.keep(replace(phone("a"), label="two"))
    assert kept.told == ["save one", "start one", "save two"]
    assert [d.label for d in made.all()] == ["two"]


NUMBERED = replace(
    phone("a", sims=2),
    phone_number="0470 00 00 03",
    cards=(Sim(slot=1), Sim(slot=2, number="+32470000002"), Sim(slot=3, number="+32470000009")),
)


@pytest.mark.parametrize(
    ("number", "expected"),
    [("+32470000002", ("a", 2)), ("+32470000003", ("a", None)), ("+32470000004", None), ("+32470000009", None), ("+32470000005", None)],
)
def test_a_number_is_one_of_a_sim_or_of_a_device_of_the_account(number: str, expected: tuple[str, int | None] | None) -> None:
    made = fleet(NUMBERED, phone("b"), replace(phone("c", account_id=2), phone_number="+32470000005"))
    owner = made.owner_of_number(1, number, "BE")
    assert (owner and (owner[0].id, owner[1])) == expected
    if expected is not None:
        assert made.number_of(1, expected[0], expected[1], "BE") == number


def test_of_two_devices_with_one_number_the_one_that_is_online_is_taken() -> None:
    both = [replace(phone(id), phone_number="+32470000001") for id in "ab"]
    for online, expected in (((), "a"), (("b",), "b"), (("a", "b"), "a")):
        owner = fleet(*both, online=online).owner_of_number(1, "+32470000001")
        assert owner is not None and owner[0].id == expected


def test_a_number_that_nobody_has_told_is_none() -> None:
    made = fleet(NUMBERED, phone("b"), replace(phone("c", account_id=2), phone_number="+32470000005"))
    assert [made.number_of(1, *asked, "BE") for asked in ((None, None), ("b", 1), ("c", 1), ("nobody", 1))] == [None] * 4
    assert made.number_of(1, "a", 1, "BE") == "+32470000003", "the SIM has none of its own"


@on_the_loop
async def test_the_slots_of_a_device_are_changed_and_it_is_spoken_to_anew() -> None:
    made = fleet(phone("a"), replace(phone("w"), sims=0, whatsapp=True))
    spoken_to: list[int] = []

    async def start(device: Device) -> None:
        spoken_to.append(device.sims)

    made.on_link = start
    assert (await made.set_slots(1, "a", 2)).sims == 2
    assert (await made.set_slots(1, "a", 2)).sims == 2
    assert spoken_to == [2]
    for id, sims in (("a", 0), ("a", 9), ("w", 1)):
        with pytest.raises(Invalid):
            await made.set_slots(1, id, sims)
    with pytest.raises(NotFound):
        await made.set_slots(2, "a", 1)
    assert [device.sims for device in made.all()] == [2, 0], "what sends no SMS never gets one"
