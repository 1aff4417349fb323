"""The commands about phones: what is said to an operator, and what is done."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.cli_phones import for_phones, listened_to, warnings
from adapters.commands import load
from adapters.lan import own_names
from adapters.settings import read
from run_server import look_for_silence
from service.errors import Invalid, NotFound, Refused
from tests.apis.smsgate_peer import House
from tests.fakes import START, on_the_loop
from tests.test_keys_served import asked, dragoman
from tests.test_links_served import server

COMMANDS = load()


async def do(house: House, command: str, **arguments: Any) -> Any:
    return await COMMANDS[command](house.gateway, arguments)


@on_the_loop
async def test_a_phone_is_listed_with_what_it_has_told_of_itself() -> None:
    house = House()
    phone = await house.joined()
    await phone.post("system:ping", {"health": {"checks": {"battery:level": {"observedValue": 87}}}})
    house.later(60)
    [row] = await do(house, "devices.list")
    assert row == {
        "id": phone.id,
        "account": "of a-good-key",
        "kind": "smsgate",
        "label": "Google/panther",
        "phone_number": None,
        "sims": 2,
        "limits": [],
        "online": True,
        "waiting": 0,
        "waiting_reason": None,
        "last_seen": "2026-03-20T12:00:00Z",
        "battery": 87,
        "version": "1.68.0",
    }
    await phone.listen()
    house.later(3600)
    [row] = await do(house, "devices.list")
    assert row["last_seen"] == "2026-03-20T13:01:00Z", "it holds a line open"


@on_the_loop
async def test_of_a_phone_that_was_not_heard_of_it_is_said_when_it_was_last_there() -> None:
    house = House()
    phone = await house.joined()
    await house.fleet.note(phone.id, seen=(START - timedelta(days=1)).isoformat())
    house.pulls.drop(phone.id)
    [row] = await do(house, "devices.list")
    assert row["last_seen"] == "2026-03-19T12:00:00Z"


@on_the_loop
async def test_when_a_phone_was_seen_is_on_disk_and_one_that_fell_silent_is_offline() -> None:
    house = House()
    phone = await house.joined()
    house.clock.advance(1801)
    await look_for_silence(house.pulls, house.fleet)
    [kept] = await house.store.devices()
    assert kept.config == {"seen": "2026-03-20T12:00:00+00:00"}
    assert not house.fleet.is_online(phone.id)


@on_the_loop
async def test_a_phone_is_named_numbered_and_removed() -> None:
    house = House()
    phone = await house.joined()
    row = await do(house, "devices.set", id=phone.id, label="till", number="+32470000009")
    assert (row["label"], row["phone_number"], row["sims"]) == ("till", "+32470000009", 2)
    row = await do(house, "devices.set", id=phone.id, sims=3)
    assert (row["label"], row["phone_number"], row["sims"]) == ("till", "+32470000009", 3)
    assert house.drivers[phone.id].device.sims == 3
    row = await do(house, "devices.set", id=phone.id, number="")
    assert row["phone_number"] is None
    assert [(d.label, d.phone_number, d.sims) for d in await house.store.devices()] == [("till", None, 3)]
    await do(house, "devices.remove", id=phone.id)
    assert await house.store.devices() == []
    assert (await phone.say("GET", "/message")).status == 401


@pytest.mark.parametrize(
    ("arguments", "refusal"), [({"id": "x"}, NotFound), ({"sims": 0}, Invalid), ({"sims": 9}, Invalid), ({"label": "x" * 256}, Invalid)]
)
@on_the_loop
async def test_what_cannot_be_is_refused(arguments: dict[str, Any], refusal: type[Refused]) -> None:
    house = House()
    phone = await house.joined()
    with pytest.raises(refusal):
        await do(house, "devices.set", **{"id": phone.id, **arguments})


@pytest.mark.parametrize(
    ("settings", "url", "count"),
    [
        ({"PUBLIC_URL": "https://sms.example.org/x/"}, "https://sms.example.org/x", 0),
        ({"LISTEN_TLS": "192.168.1.20:8443"}, "https://192.168.1.20:8443", 0),
        ({"LISTEN": "192.168.1.20:8080"}, "http://192.168.1.20:8080", 1),
        ({}, "http://127.0.0.1:8080", 2),
        ({"LISTEN": "[::1]:8080"}, "http://[::1]:8080", 2),
    ],
)
def test_the_address_is_the_one_that_phones_reach_and_it_is_said_when_they_may_not(settings: dict[str, str], url: str, count: int) -> None:
    found = for_phones(listened_to(read(environment={f"DRAGOMAN_{name}": value for name, value in settings.items()})))
    assert found == url
    assert len(warnings(found)) == count


def test_all_addresses_of_the_machine_are_its_own_one() -> None:
    found = for_phones(listened_to(read(environment={"DRAGOMAN_LISTEN_TLS": "0.0.0.0:8443"})))
    assert own_names()[0] in found and found.startswith("https://") and found.endswith(":8443")


@pytest.mark.slow
def test_a_running_server_is_reached_where_it_listens_and_not_where_the_settings_of_the_command_say(tmp_path: Path) -> None:
    with server(tmp_path / "data") as running:
        shown = dragoman(tmp_path / "data", "devices", "add-phone")
    assert f"http://127.0.0.1:{running.port}/mobile/v1\n" in shown.stdout


@pytest.mark.slow
def test_what_is_to_be_typed_into_the_app_is_shown_with_a_code_of_the_address(tmp_path: Path) -> None:
    asked(tmp_path, "accounts", "add", "shop")
    arguments = ["devices", "add-phone", "--account", "shop", "--url", "https://sms.example.org/"]
    shown = dragoman(tmp_path, *arguments)
    assert shown.returncode == 0, shown.stderr
    assert "https://sms.example.org/mobile/v1\n" in shown.stdout and "SSE Only" in shown.stdout and "▀" in shown.stdout
    answered = asked(tmp_path, *arguments)
    assert (answered["api_url"], answered["account"], len(answered["secret"])) == ("https://sms.example.org/mobile/v1", "shop", 24)
    assert answered["secret"] not in shown.stdout
