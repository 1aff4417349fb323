"""What WhatsApp upstreams may tell us: only what is signed, about their own device, and on disk before it is answered."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.apis import whatsapp_hooks
from adapters.commands.whatsapp import COMMANDS
from service.errors import Invalid, Missing, NotFound, Unavailable
from service.fleet import Device
from service.lifecycle import Status
from service.mailbox_queries import InboxQuery
from service.messages import Channel
from tests.apis.gateway import MemoryGateway
from tests.fakes import on_the_loop
from tests.http_peer import Answer
from tests.peers.whatsapp_upstreams import CloudApi, Hook, Waha
from tests.scripted_driver import ScriptedDriver, queue

AT = datetime.fromtimestamp(1795368000, UTC)


class House:
    """An account with both kinds, made as an operator makes them."""

    def __init__(self) -> None:
        self.at = MemoryGateway(whatsapp_hooks.api)

    async def open(self) -> House:
        await self.at.account(name="default")
        upstream = CloudApi()
        given = {"phone_number_id": upstream.number_id, "token": upstream.token, "app_secret": upstream.app_secret}
        self.cloud, self.meta = await self.do("add_cloud", **given), upstream
        made = await self.do("add_waha", url="http://waha.test/", key="a-key-of-waha")
        self.waha, self.local = made, Waha(secret=made["secret"])
        return self

    async def do(self, command: str, **arguments: Any) -> dict[str, Any]:
        told = await COMMANDS[f"whatsapp.{command}"](self.at.gateway, arguments)
        json.dumps(told)
        return dict(told)

    def device(self, shown: dict[str, Any]) -> Device:
        return next(device for device in self.at.fleet.all() if device.id == shown["id"])

    async def call(self, device: dict[str, Any], hook: Hook) -> Answer:
        return await self.at.post(f"/whatsapp/hooks/{device['id']}", hook[1], hook[0])

    async def taken(self, shown: dict[str, Any]) -> None:
        """A message that the upstream has, under the id 1."""
        await queue(self.at.store, self.at.clock(), channel=Channel.WHATSAPP)
        self.at.fleet.online(shown["id"], True)
        await self.at.deliver(ScriptedDriver(self.device(shown)))

    async def status(self) -> Status:
        (row,) = await self.at.rows()
        return row.status


@on_the_loop
async def test_meta_asks_whether_the_address_is_ours() -> None:
    house = await House().open()
    path, token = f"/whatsapp/hooks/{house.cloud['id']}", house.cloud["secret"]
    asked = {"hub.mode": "subscribe", "hub.challenge": "1158201444"}
    answer = await house.at.get(path, None, **asked, **{"hub.verify_token": token})
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"1158201444", "text/plain; charset=utf-8")
    for wrong in ("", "x", token[:-1], "é"):
        assert (await house.at.get(path, None, **asked, **{"hub.verify_token": wrong})).status == 403
    assert (await house.at.get(f"/whatsapp/hooks/{house.waha['id']}", None, **asked, **{"hub.verify_token": ""})).status == 403


@pytest.mark.parametrize(
    ("states", "status"),
    [
        (["sent"], Status.SENT),
        (["sent", "delivered"], Status.DELIVERED),
        (["read"], Status.DELIVERED),
        (["delivered", "sent", "delivered"], Status.DELIVERED),
        (["failed"], Status.FAILED),
    ],
)
@on_the_loop
async def test_reports_of_the_cloud_api(states: list[str], status: Status) -> None:
    house = await House().open()
    await house.taken(house.cloud)
    for state in states:
        hook = house.meta.failed("1", 131047, "Re-engagement message") if state == "failed" else house.meta.status("1", state)
        assert (await house.call(house.cloud, hook)).status == 200
    assert await house.status() is status
    (row,) = await house.at.rows()
    assert row.error == ("131047: Re-engagement message" if status is Status.FAILED else None)


@on_the_loop
async def test_reports_of_waha() -> None:
    house = await House().open()
    await house.taken(house.waha)
    for ack, status in ((0, Status.SENT), (1, Status.SENT), (2, Status.DELIVERED), (3, Status.DELIVERED)):
        assert (await house.call(house.waha, house.local.ack("1", ack))).status == 200
        assert await house.status() is status


@on_the_loop
async def test_what_somebody_writes_is_in_the_inbox_once() -> None:
    house = await House().open()
    for hook, device in (
        (house.meta.message("32495898697", "Hi é"), house.cloud),
        (house.local.message("32470000000@c.us", "Hello"), house.waha),
    ):
        for _ in range(2):
            assert (await house.call(device, hook)).status == 200
    kept = await house.at.store.inbox_of(InboxQuery(account_id=1))
    assert [(m.sender, m.text, m.received) for m in kept[::-1]] == [("+32495898697", "Hi é", AT), ("+32470000000", "Hello", AT)]


@on_the_loop
async def test_what_is_not_signed_changes_nothing() -> None:
    house = await House().open()
    await house.taken(house.cloud)
    good, body = house.meta.status("1", "delivered")
    unsigned = {"Content-Type": "application/json"}
    for headers in (unsigned, {**good, "X-Hub-Signature-256": "sha256=" + "0" * 64}, CloudApi(app_secret="another").signed(body)[0]):
        answer = await house.call(house.cloud, (headers, body))
        assert (answer.status, json.loads(answer.body)) == (403, {"error": "the signature is missing or not the one that the secret gives"})
    assert await house.status() is Status.SENT
    # a good signature of one device opens no other
    assert (await house.call(house.waha, (good, body))).status == 403


@on_the_loop
async def test_calls_that_cannot_be_read_and_devices_that_are_not_there() -> None:
    house = await House().open()
    for body in (b"", b"[]", b"nonsense", b'"text"', b"\xff"):
        assert (await house.call(house.cloud, house.meta.signed(body))).status == 400
    assert (await house.call({"id": "0" * 16}, house.meta.status("1", "sent"))).status == 404
    phone = house.at.connect()
    assert (await house.call({"id": phone.device.id}, house.meta.status("1", "sent"))).status == 404
    # of a message that we never sent nothing is known, and asking again would not help
    assert (await house.call(house.cloud, house.meta.status("wamid.unknown", "sent"))).status == 200


@on_the_loop
async def test_a_store_that_is_away_makes_the_upstream_call_again() -> None:
    house = await House().open()

    async def away(*_: Any, **__: Any) -> bool:
        raise Unavailable("the store is away")

    house.at.store.received = away  # type: ignore[method-assign]
    assert (await house.call(house.cloud, house.meta.message("32495898697", "Hi"))).status == 503


@on_the_loop
async def test_a_device_takes_whatsapp_and_no_sms_and_shows_no_secret() -> None:
    house = await House().open()
    device = house.device(house.waha)
    assert (device.sims, device.whatsapp, device.config) == (0, True, {"dialect": "waha", "url": "http://waha.test", "session": "default"})
    assert await house.at.store.devices() == sorted([device, house.device(house.cloud)], key=lambda d: d.id)
    assert house.at.fleet.choose_whatsapp(1, device.id) is False
    with pytest.raises(Invalid, match="sends no SMS"):
        house.at.fleet.choose(1, device.id, None)
    await queue(house.at.store, house.at.clock())
    assert await house.at.dispatch.claim(ScriptedDriver(device), 10) == []


@on_the_loop
async def test_a_new_key_is_kept_beside_the_other_secrets_and_the_device_is_spoken_to_anew() -> None:
    house = await House().open()
    spoken_to: list[str] = []

    async def link(device: Device) -> None:
        spoken_to.append(device.id)

    house.at.fleet.on_link = link
    before = await house.at.gateway.enrolment.secrets(house.cloud["id"])
    assert "secret" not in await house.do("key", id=house.cloud["id"], key="a-new-token")
    after = await house.at.gateway.enrolment.secrets(house.cloud["id"])
    assert (after, spoken_to) == ({**before, "key": "a-new-token"}, [house.cloud["id"]])


@pytest.mark.parametrize(
    ("command", "arguments", "refusal"),
    [
        ("add_cloud", {"token": "t", "app_secret": "s"}, Missing),
        ("add_cloud", {"phone_number_id": "+32495898697", "token": "t", "app_secret": "s"}, Invalid),
        ("add_cloud", {"phone_number_id": "1", "app_secret": "s"}, Missing),
        ("add_cloud", {"phone_number_id": "1", "token": "t"}, Missing),
        ("add_cloud", {"phone_number_id": "1", "token": "t t", "app_secret": "s"}, Invalid),
        ("add_cloud", {"phone_number_id": "1", "token": "t", "app_secret": "s", "version": "latest"}, Invalid),
        ("add_cloud", {"phone_number_id": "1", "token": "t", "app_secret": "s", "account": "nobody"}, NotFound),
        ("add_waha", {"key": "k"}, Missing),
        ("add_waha", {"key": "k", "url": "waha:3000"}, Invalid),
        ("add_waha", {"key": "k", "url": "http://waha?x=1"}, Invalid),
        ("add_waha", {"key": "k", "url": "http://waha", "session": "a/b"}, Invalid),
        ("key", {"id": "0" * 16, "key": "k"}, NotFound),
    ],
)
@on_the_loop
async def test_what_an_operator_gets_wrong(command: str, arguments: dict[str, Any], refusal: type[Exception]) -> None:
    house = await House().open()
    count = len(house.at.fleet.all())
    with pytest.raises(refusal):
        await house.do(command, **arguments)
    assert len(house.at.fleet.all()) == count
