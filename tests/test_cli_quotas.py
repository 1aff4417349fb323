"""`dragoman accounts` and `dragoman keys`: quotas are set, kept, taken away, and hold what any API sends."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.apis import smsmobileapi
from adapters.cli import dragoman
from adapters.commands import accounts, keys
from service.accounts import Scope
from service.errors import Invalid
from service.quotas import AccountQuotas, Quotas
from tests.apis.gateway import MemoryGateway
from tests.fakes import on_the_loop

SENT = {"recipients": "+32495898697", "message": "x"}


@on_the_loop
async def test_quotas_of_an_account_are_changed_one_by_one() -> None:
    at = MemoryGateway(smsmobileapi.api)
    made = await accounts.add(at.gateway, {"name": "shop", "per_day": 500, "number_per_day": 200})
    assert made["quotas"] == {"per_day": 500, "number_per_day": 200}
    await accounts.change(at.gateway, {"name": "shop", "country": "BE"})
    told = await accounts.change(at.gateway, {"name": "shop", "device_per_minute": 5, "number_per_day": 0})
    assert told["quotas"] == {"per_day": 500, "device_per_minute": 5}
    kept = await at.store.find_account("shop")
    assert kept is not None and kept.quotas == AccountQuotas(whole=Quotas(per_day=500), each_device=Quotas(per_minute=5))
    assert (await accounts.change(at.gateway, {"name": "shop", "per_day": 0, "device_per_minute": 0}))["quotas"] == {}
    kept = await at.store.find_account("shop")
    assert kept is not None and kept.quotas is None


@on_the_loop
async def test_a_quota_of_a_key_holds_what_is_sent_with_it_alone() -> None:
    at = MemoryGateway(smsmobileapi.api)
    await accounts.add(at.gateway, {"name": "shop"})
    bound = await keys.create(False, at.gateway, {"account": "shop", "per_day": 1})
    free = await keys.create(False, at.gateway, {"account": "shop"})
    assert (bound["quotas"], free["quotas"]) == ({"per_day": 1}, {})
    answers = [await at.post("/sendsms", {**SENT, "apikey": secret}) for secret in (bound["secret"], bound["secret"], free["secret"])]
    assert [answer.status for answer in answers] == [200, 429, 200]
    assert answers[1].headers["retry-after"] == str(12 * 3600)
    assert b"the quota of 1 messages a day for this key is used up" in answers[1].body
    assert (await keys.change(False, at.gateway, {"id": bound["id"], "per_day": 2, "label": "till"}))["quotas"] == {"per_day": 2}
    assert (await keys.rotate(False, at.gateway, {"id": bound["id"]}))["quotas"] == {"per_day": 2}
    assert (await keys.change(False, at.gateway, {"id": bound["id"], "label": "x"}))["quotas"] == {"per_day": 2}
    assert (await at.gateway.accounts.authenticate(free["secret"], Scope.SEND)).key.quotas is None


@on_the_loop
async def test_quotas_of_a_device_and_of_its_number_hold_what_names_it() -> None:
    at = MemoryGateway(smsmobileapi.api)
    await at.account(quotas=AccountQuotas(each_device=Quotas(per_hour=2), each_number=Quotas(per_hour=1)))
    one, other = at.connect("00112233445566ff", phone_number="+32470000001"), at.connect("ffeeddccbbaa9988")

    async def send(**fields: str) -> int:
        return (await at.post("/sendsms", {**SENT, "apikey": "a-good-key", **fields})).status

    assert [await send(sIdentifiant=one.device.id) for _ in range(2)] == [200, 429]
    assert [await send(sIdentifiant=other.device.id) for _ in range(3)] == [200, 200, 429]
    assert [await send() for _ in range(3)] == [200] * 3, "which phone sends them is not known yet"


@pytest.mark.parametrize("name", ["per_day", "number_per_hour", "device_per_minute"])
@on_the_loop
async def test_what_is_no_number_of_messages_is_refused(name: str) -> None:
    at = MemoryGateway(smsmobileapi.api)
    for bad in (-1, "5", 1.5, True, 10**12):
        with pytest.raises(Invalid):
            await accounts.add(at.gateway, {"name": "shop", name: bad})
    assert await at.store.accounts() == []


def flags(*path: str) -> set[str]:
    command: Any = dragoman
    for name in path:
        command = command.commands[name]
    return {option for parameter in command.params for option in parameter.opts}


def test_every_quota_has_its_flag() -> None:
    of_key = {f"--per-{per}" for per in ("minute", "hour", "day")}
    of_account = {f"--{whose}per-{per}" for per in ("minute", "hour", "day") for whose in ("", "number-", "device-")}
    assert all(of_account <= flags("accounts", verb) for verb in ("add", "set"))
    assert all(of_key <= flags(noun, verb) for noun in ("keys", "oauth") for verb in ("create", "set"))
