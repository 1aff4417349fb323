"""What every Store promises about short links, sealed texts, and messages by WhatsApp."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.errors import Conflict, QuotaExceeded
from service.lifecycle import Status
from service.links import ShortLink
from service.messages import Channel, SealedKey
from service.sealed import SealedText
from tests.conformance.stores import STORES, wait_for
from tests.conformance.test_store import HOUR, MINUTE, SECOND, House, _furnish
from tests.fakes import START, on_the_loop

S = Status
WHATSAPP = {"channel": Channel.WHATSAPP}


@pytest.fixture(params=STORES)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    opened = request.param(tmp_path)
    store = wait_for(opened.__aenter__())
    yield wait_for(_furnish(store))
    wait_for(opened.__aexit__(None, None, None))


def link(code: str = "abc", **fields: Any) -> ShortLink:
    given = {"code": code, "account_id": 1, "url": "https://a.test/é?x=1#y", "created": START, "expires": START + HOUR}
    return ShortLink(**{**given, **fields})


def sealed(code: str = "abc", **fields: Any) -> SealedText:
    given = {"code": code, "account_id": 1, "box": bytes(range(256)), "created": START, "expires": START + HOUR}
    return SealedText(**{**given, **fields})


async def accept(house: House, *links: ShortLink, text: SealedText | None = None, **how: Any) -> Any:
    return await house.store.accept(replace(house.acceptance(house.message(), **how), links=links, sealed=text))


# links


@on_the_loop
async def test_links_are_accepted_with_their_message_and_come_back_as_they_were(house: House) -> None:
    await accept(house, link("a"), link("b", url="http://b.test/"), text=sealed("c"))
    assert await house.store.find_link("a") == link("a")
    assert await house.store.find_link("b") == link("b", url="http://b.test/")
    assert await house.store.find_sealed("c") == sealed("c")
    assert await house.store.find_link("c") is None
    assert await house.store.find_link("A") is None
    assert await house.store.find_sealed("a") is None
    assert len(await house.all()) == 1


@on_the_loop
async def test_links_of_what_is_not_accepted_are_not_kept(house: House) -> None:
    await accept(house, link("a"), trial_limit=1, key="k")
    assert (await accept(house, link("b"), text=sealed("b"), trial_limit=1, key="k")).replayed
    with pytest.raises(Conflict):
        await accept(house, link("b"), text=sealed("b"), trial_limit=1, key="k", about=b"other")
    with pytest.raises(QuotaExceeded):
        await accept(house, link("b"), text=sealed("b"), trial_limit=1)
    assert await house.store.find_link("b") is None
    assert await house.store.find_sealed("b") is None
    assert await house.store.find_link("a") == link("a")


@on_the_loop
async def test_clicks_add_up(house: House) -> None:
    await accept(house, link("a"), link("b"))
    await house.store.count_clicks({"a": 2, "unknown": 1})
    await house.store.count_clicks({"b": 1, "a": 3})
    assert await house.store.find_link("a") == link("a", clicks=5)
    assert await house.store.find_link("b") == link("b", clicks=1)


@on_the_loop
async def test_what_has_expired_is_erased_and_nothing_else(house: House) -> None:
    await accept(house, link("a"), link("b", expires=START + 2 * HOUR), text=sealed("c"))
    await accept(house, text=sealed("d", expires=START + 2 * HOUR))
    assert not await house.store.forget_links(START + HOUR - SECOND, 10)
    assert await house.store.find_link("a")
    assert await house.store.find_sealed("c")
    assert not await house.store.forget_links(START + HOUR, 10)
    found = [await house.store.find_link("a"), await house.store.find_sealed("c")]
    assert found == [None, None]
    assert await house.store.find_link("b")
    assert await house.store.find_sealed("d")


@on_the_loop
async def test_erasing_takes_no_more_than_its_limit_and_says_whether_to_come_again(house: House) -> None:
    await accept(house, *(link(str(i)) for i in range(3)))
    assert await house.store.forget_links(START + HOUR, 2)
    assert len([i for i in range(3) if await house.store.find_link(str(i))]) == 1
    assert not await house.store.forget_links(START + HOUR, 2)


@on_the_loop
async def test_a_receipt_keeps_what_is_sealed_in_it_and_forgets_what_is_not(house: House) -> None:
    def acceptance(**fields: Any) -> Any:
        plain = house.acceptance(house.message(), key="k")
        return replace(plain, receipt=replace(plain.receipt, whatsapp=True, sealed="boxed", **fields), sealed=sealed())

    first = await house.store.accept(acceptance())
    again = await house.store.accept(acceptance())
    assert (again.sealed, again.whatsapp, again.replayed, again.sealed_key) == ("boxed", True, True, None)
    assert (first.guids, first.sealed) == (again.guids, "boxed")
    assert SealedKey(key="x", url="y") not in (first.sealed_key, again.sealed_key)


# WhatsApp


@on_the_loop
async def test_a_message_by_whatsapp_goes_only_to_a_device_that_has_it(house: House) -> None:
    sms, whatsapp = await house.accepted(), await house.accepted(**WHATSAPP)
    with_it = replace(house.other, whatsapp=True)
    assert [m.id for m in await house.claim()] == [sms.id]
    assert await house.store.next_due(house.phone) is None
    assert await house.store.next_due(with_it) == START
    [claimed] = await house.claim(with_it)
    assert claimed == replace(whatsapp, status=S.SENDING, due=None, device=with_it.id, attempts=1)
    assert await house.get(whatsapp) == claimed


@on_the_loop
async def test_a_device_with_whatsapp_takes_both_soonest_first(house: House) -> None:
    with_it = replace(house.phone, whatsapp=True)
    late = await house.accepted(due=START)
    early = await house.accepted(due=START - MINUTE, **WHATSAPP)
    own = await house.accepted(due=START - SECOND, wanted_device=with_it.id, **WHATSAPP)
    await house.accepted(wanted_device=house.other.id, **WHATSAPP)
    await house.accepted(account_id=house.account.id + 1, **WHATSAPP)
    assert [m.id for m in await house.claim(with_it)] == [early.id, own.id, late.id]


@pytest.mark.parametrize("same_device", [True, False])
@on_the_loop
async def test_another_try_is_by_whatsapp_again(house: House, same_device: bool) -> None:
    with_it = replace(house.phone, whatsapp=True)
    await house.accepted(**WHATSAPP)
    [message] = await house.claim(with_it)
    await house.settle(message, S.QUEUED, due=START + MINUTE, same_device=same_device)
    assert (await house.get(message)).channel is Channel.WHATSAPP
    assert await house.claim(house.phone, now=START + MINUTE) == []
    assert bool(await house.claim(replace(house.other, whatsapp=True), now=START + MINUTE)) is not same_device
    assert bool(await house.claim(with_it, now=START + MINUTE)) is same_device


@pytest.mark.parametrize("deduplicates", [True, False])
@on_the_loop
async def test_what_a_dead_process_had_claimed_stays_by_whatsapp(house: House, deduplicates: bool) -> None:
    with_it = replace(house.phone, whatsapp=True)
    message = await house.accepted(**WHATSAPP)
    await house.claim(with_it, by="dead")
    await house.store.recover(now=START, leased_by="dead", deduplicating=[with_it.id] if deduplicates else [])
    assert (await house.get(message)).channel is Channel.WHATSAPP
    assert await house.claim() == []
    assert bool(await house.claim(with_it)) is deduplicates


@pytest.mark.parametrize("told", [S.SENT, S.FAILED, S.OUTCOME_UNKNOWN])
@on_the_loop
async def test_what_is_settled_is_still_known_to_be_by_whatsapp(house: House, told: Status) -> None:
    message = await house.accepted(**WHATSAPP)
    await house.claim(replace(house.phone, whatsapp=True))
    await house.settle(message, told, same_device=True)
    assert (await house.get(message)).channel is Channel.WHATSAPP


@on_the_loop
async def test_that_a_device_has_whatsapp_is_kept(house: House) -> None:
    with_it = replace(house.phone, whatsapp=True)
    await house.store.save_device(with_it)
    assert await house.store.devices() == [with_it, house.other]
    assert [d.whatsapp for d in await house.store.devices()] == [True, False]
