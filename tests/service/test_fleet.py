"""Which devices an account has, which are online, and whether one of them could send a message."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from service.errors import Invalid
from service.fleet import Device, Fleet, new_device_id


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
