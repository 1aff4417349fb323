"""Keys are made, limited to networks, rotated, revoked, and their use is noted; wrong ones are counted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.storage.memory import MemoryStore
from service import keys, owners, tokens
from service.accounts import ALL_SCOPES, CACHE_FOR, USED_EVERY, Account, Accounts, Scope, digest_of
from service.errors import Conflict, Invalid, KeyExpired, KeyUnknown, NotFound, Refused, TooManyGuesses, WrongNetwork
from service.guesses import ADDRESSES_MOST, GUESSES_MOST, WINDOW, Guesses
from tests.fakes import START, FakeClock, on_the_loop

HOUR = timedelta(hours=1)


class Desk:
    def __init__(self) -> None:
        self.clock, self.store, self.many = FakeClock(), MemoryStore(), list[str]()
        self.accounts = Accounts(store=self.store, clock=self.clock, guesses=Guesses(on_many=self.many.append))

    async def opened(self) -> Desk:
        await self.store.create_account(Account(id=0, name="shop"))
        return self

    async def works(self, secret: str, peer: str | None = "192.0.2.1") -> bool:
        try:
            await self.accounts.authenticate(secret, Scope.SEND, peer=peer)
        except (KeyUnknown, KeyExpired, WrongNetwork):
            return False
        return True


@on_the_loop
async def test_a_secret_is_told_once_and_only_its_digest_is_kept() -> None:
    desk = await Desk().opened()
    key, secret = await keys.create(desk.accounts, "shop", label="till")
    assert (key.created, key.scopes, key.client_id) == (START, ALL_SCOPES, None)
    assert await desk.works(secret)
    assert secret not in repr(await desk.store.keys())
    with pytest.raises(NotFound):
        await keys.create(desk.accounts, "nobody")


@on_the_loop
async def test_during_a_rotation_both_secrets_work_and_then_the_new_one() -> None:
    desk = await Desk().opened()
    key, old = await keys.create(desk.accounts, "shop")
    key, new = await keys.rotate(desk.accounts, key, HOUR)
    assert await desk.works(old) and await desk.works(new)
    desk.clock.advance(3600)
    assert not await desk.works(old) and await desk.works(new)
    _, newest = await keys.rotate(desk.accounts, key, timedelta(0))
    assert not await desk.works(new) and await desk.works(newest)
    with pytest.raises(Conflict):
        await keys.rotate(desk.accounts, key)
    with pytest.raises(Invalid):
        await keys.rotate(desk.accounts, key, timedelta(days=-1))


@on_the_loop
async def test_a_revoked_key_ends_at_once_though_it_was_remembered() -> None:
    desk = await Desk().opened()
    key, secret = await keys.create(desk.accounts, "shop")
    assert await desk.works(secret)
    await keys.revoke(desk.accounts, key)
    assert not await desk.works(secret)
    await keys.revoke(desk.accounts, key)
    with pytest.raises(Conflict):
        await keys.change(desk.accounts, key)


@on_the_loop
async def test_a_change_counts_at_once() -> None:
    desk = await Desk().opened()
    key, secret = await keys.create(desk.accounts, "shop")
    assert await desk.works(secret)
    await keys.change(desk.accounts, replace(key, networks=keys.networks_of(["10.0.0.0/8"])))
    assert not await desk.works(secret)


@pytest.mark.parametrize(
    ("peer", "is_within"),
    [
        ("192.0.2.77", True),
        ("192.0.3.1", False),
        ("::ffff:192.0.2.77", True),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("fe80::1%eth0", False),
        ("", False),
        (None, False),
        ("nonsense", False),
    ],
)
@on_the_loop
async def test_a_key_works_from_its_networks_only(peer: str | None, is_within: bool) -> None:
    desk = await Desk().opened()
    _, secret = await keys.create(desk.accounts, "shop", networks=keys.networks_of(["192.0.2.0/24", "2001:db8::/32"]))
    for _ in range(2):  # looked up, and remembered
        assert await desk.works(secret, peer) is is_within


@pytest.mark.parametrize("text", ["192.0.2.1/24", "300.0.0.0/8", "example.org", "", "10.0.0.0/33"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        keys.networks_of([text])


def test_scopes_have_names() -> None:
    assert keys.scopes_of(["send", " Read "]) == Scope.SEND | Scope.READ
    assert keys.names_of(ALL_SCOPES) == ["send", "read", "devices", "webhooks", "admin"]
    for names in (["sending"], [""], []):
        with pytest.raises(Invalid):
            keys.scopes_of(names)


@on_the_loop
async def test_uses_are_written_at_most_once_a_minute_for_each_key() -> None:
    desk = await Desk().opened()
    _, secret = await keys.create(desk.accounts, "shop")
    noted = []
    for _ in range(30):
        await desk.works(secret)
        await desk.accounts.note_used()
        noted.append((await desk.store.keys())[0].used)
        desk.clock.advance(CACHE_FOR.total_seconds())
    assert sorted({at for at in noted if at}) == [START, START + USED_EVERY, START + 2 * USED_EVERY]


# wrong keys


async def _guess(desk: Desk, peer: str | None, times: int) -> list[type[Refused]]:
    told = []
    for i in range(times):
        with pytest.raises(Refused) as refused:
            await desk.accounts.authenticate(f"wrong{i}", Scope.SEND, peer=peer)
        told.append(refused.type)
    return told


@on_the_loop
async def test_many_wrong_keys_are_told_to_stop_and_a_good_one_works_all_the_time() -> None:
    desk = await Desk().opened()
    _, secret = await keys.create(desk.accounts, "shop")
    told = await _guess(desk, "192.0.2.1", GUESSES_MOST + 3)
    assert told == [KeyUnknown] * GUESSES_MOST + [TooManyGuesses] * 3
    assert await desk.works(secret)
    assert await _guess(desk, "192.0.2.2", 1) == [KeyUnknown], "another address is counted for itself"
    assert desk.many == ["192.0.2.1"], "it is said once"
    desk.clock.advance(WINDOW.total_seconds())
    assert await _guess(desk, "192.0.2.1", 1) == [KeyUnknown]


@on_the_loop
async def test_it_is_said_how_long_to_wait() -> None:
    desk = await Desk().opened()
    await _guess(desk, None, GUESSES_MOST)
    desk.clock.advance(WINDOW.total_seconds() - 1.5)
    with pytest.raises(TooManyGuesses) as told:
        await desk.accounts.authenticate("wrong", Scope.SEND)
    assert told.value.retry_after_s == 2


def test_addresses_of_one_network_of_ipv6_are_one_and_old_ones_are_forgotten() -> None:
    guesses = Guesses()
    for i in range(GUESSES_MOST):
        with_port = guesses.wrong(f"2001:db8::{i:x}", START)
        assert with_port is None
    with pytest.raises(TooManyGuesses):
        guesses.wrong("2001:db8::ffff:1", START)
    for i in range(ADDRESSES_MOST):
        guesses.wrong(f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}", START)
    assert len(guesses._counts) == ADDRESSES_MOST
    guesses.wrong("2001:db8::1", START)


# clients and accounts


@on_the_loop
async def test_a_client_says_who_it_is_by_either_secret_of_a_rotation() -> None:
    desk = await Desk().opened()
    client, old = await keys.create(desk.accounts, "shop", is_client=True, networks=keys.networks_of(["192.0.2.0/24"]))
    client, new = await keys.rotate(desk.accounts, client, HOUR)
    assert client.client_id is not None

    async def says(secret: str, id: str = client.client_id, peer: str = "192.0.2.1") -> int:
        return (await tokens.client_of(desk.accounts, id, secret, peer=peer)).id

    assert await says(old) == await says(new) == client.id
    for wrong in ({"secret": "wrong"}, {"secret": new, "id": "nobody"}):
        with pytest.raises(KeyUnknown):
            await says(**wrong)
    with pytest.raises(WrongNetwork):
        await says(new, peer="10.0.0.1")
    desk.clock.advance(3600)
    with pytest.raises(KeyUnknown):
        await says(old)
    await keys.revoke(desk.accounts, client)
    with pytest.raises(KeyUnknown):
        await says(new)


@on_the_loop
async def test_a_client_that_has_ended_gets_no_token() -> None:
    desk = await Desk().opened()
    client, secret = await keys.create(desk.accounts, "shop", is_client=True, expires=START + HOUR)
    desk.clock.advance(3600)
    with pytest.raises(KeyExpired):
        await tokens.client_of(desk.accounts, str(client.client_id), secret, peer=None)


@on_the_loop
async def test_a_token_works_for_an_hour_and_not_after_its_client_has_ended() -> None:
    desk = await Desk().opened()
    client, _ = await keys.create(desk.accounts, "shop", is_client=True)
    await tokens.keep(desk.accounts, client, "t1", Scope.SEND)
    assert await desk.works("t1")
    assert digest_of("t1") in desk.store._tokens and "t1" not in repr(desk.store._tokens)
    desk.clock.advance(3599)
    assert await desk.works("t1")
    desk.clock.advance(1)
    assert not await desk.works("t1")
    await tokens.keep(desk.accounts, client, "t2", Scope.SEND)
    await tokens.keep(desk.accounts, client, "t3", Scope.SEND)
    assert await desk.works("t2") and await desk.works("t3")
    await tokens.drop(desk.accounts, client, "t2")
    assert not await desk.works("t2") and await desk.works("t3")
    await keys.revoke(desk.accounts, client)
    assert not await desk.works("t3")


@pytest.mark.parametrize(
    "fields",
    [
        {"default_country": "XX"},
        {"default_country": "be"},
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../UTC"},
        {"validity_s": 59},
        {"validity_s": 604_801},
        {"trial_limit": -2},
    ],
)
@on_the_loop
async def test_an_account_that_makes_no_sense_is_refused(fields: dict[str, object]) -> None:
    desk = await Desk().opened()
    with pytest.raises(Invalid):
        await owners.change(desk.accounts, "shop", **fields)
    for name in ("", "a b", "é", "-a", "x" * 65):
        with pytest.raises(Invalid):
            await owners.add(desk.accounts, name)
    assert await desk.store.accounts() == [Account(id=1, name="shop")]
