"""How phones are let in, join, show who they are, and are sent away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from adapters.storage.memory import MemoryStore
from service.accounts import CACHE_FOR, Account, Accounts, ApiKey, Scope, digest_of
from service.enrolment import ALPHABET, CODE_LIFETIME, Enrolment
from service.errors import Invalid, KeyExpired, KeyMissing, KeyUnknown, NotFound, ScopeMissing, TooManyGuesses, WrongNetwork
from service.fleet import Device, Fleet
from service.guesses import GUESSES_MOST
from service.passwords import TRIES
from tests.fakes import START, FakeClock, QuickHasher, on_the_loop
from tests.postbox import OpenSealer

HERE, THERE = "192.0.2.1", "198.51.100.1"
GOOD = "correct horse battery"


class House:
    def __init__(self, store: MemoryStore | None = None, clock: FakeClock | None = None) -> None:
        """Another process of the same gateway, if it is given the store of one."""
        self.store, self.clock, self.hasher = store or MemoryStore(), clock or FakeClock(), QuickHasher()
        self.fleet = Fleet(store=self.store)
        self.accounts = Accounts(store=self.store, clock=self.clock)
        self.enrolment = Enrolment(
            store=self.store, accounts=self.accounts, fleet=self.fleet, sealer=OpenSealer(), hasher=self.hasher, clock=self.clock
        )

    async def account(self, name: str = "acme", password: str | None = None) -> Account:
        account = await self.store.create_account(Account(id=0, name=name))
        if password:
            await self.enrolment.set_password(account, password)
        return account

    async def key(self, account: Account, secret: str, **fields: Any) -> None:
        await self.store.create_key(ApiKey(id=0, account_id=account.id, label="", digest=digest_of(secret), **fields))

    async def phone(self, account: Account, **fields: Any) -> tuple[Device, str]:
        joined = await self.enrolment.join(account, **{"kind": "smsgate", "label": "Fairphone/FP5", "sims": 2, **fields})
        return joined.device, joined.token


async def refusals(what: Callable[[], Awaitable[object]], times: int) -> list[type[Exception]]:
    found = []
    for _ in range(times):
        with pytest.raises(Exception) as refused:  # whichever: they are looked at by the caller
            await what()
        found.append(type(refused.value))
    return found


# private tokens


@on_the_loop
async def test_a_private_token_lets_in_many_phones_however_it_is_typed() -> None:
    house = House()
    account = await house.account()
    token = await house.enrolment.new_token(account, "office")
    assert len(token) == 24 and set(token) <= set(ALPHABET)
    for typed in (token, token, f" {token.capitalize()}\n"):
        assert await house.enrolment.by_token(typed, peer=HERE) == account


@on_the_loop
async def test_private_tokens_are_listed_without_the_secret_and_revoked_one_by_one() -> None:
    house = House()
    account, other = await house.account(), await house.account("other")
    first, second = await house.enrolment.new_token(account, "one"), await house.enrolment.new_token(account)
    theirs = await house.enrolment.new_token(other)
    listed = await house.enrolment.tokens(account)
    assert {token.label for token in listed} == {"one", ""}
    assert first not in str(listed) and second not in str(listed)
    assert len(await house.enrolment.tokens()) == 3
    (one,) = [token for token in listed if token.label == "one"]
    assert await house.enrolment.revoke(one.id) == one
    with pytest.raises(KeyUnknown):
        await house.enrolment.by_token(first, peer=HERE)
    assert await house.enrolment.by_token(second, peer=HERE) == account
    assert await house.enrolment.by_token(theirs, peer=HERE) == other
    with pytest.raises(NotFound):
        await house.enrolment.revoke(one.id)


@on_the_loop
async def test_a_label_that_cannot_be_shown_is_refused() -> None:
    house = House()
    with pytest.raises(Invalid):
        await house.enrolment.new_token(await house.account(), "a\nb")


# codes


@on_the_loop
async def test_a_code_lets_in_one_phone_in_any_case() -> None:
    house = House()
    account = await house.account()
    made = await house.enrolment.new_code(account)
    assert len(made.code) == 8 and set(made.code) <= set(ALPHABET)
    assert made.valid_until == START + timedelta(seconds=300)
    assert made.code not in repr(made)
    found = await asyncio.gather(*(house.enrolment.by_code(made.code.upper(), peer=HERE) for _ in range(10)), return_exceptions=True)
    assert [account for account in found if isinstance(account, Account)] == [account]
    assert {type(error) for error in found} == {Account, KeyUnknown}


@on_the_loop
async def test_a_code_ends_after_five_minutes() -> None:
    house = House()
    account = await house.account()
    first, second = await house.enrolment.new_code(account), await house.enrolment.new_code(account)
    house.clock.advance(CODE_LIFETIME.total_seconds() - 1)
    assert await house.enrolment.by_code(first.code, peer=HERE) == account
    house.clock.advance(1)
    with pytest.raises(KeyUnknown):
        await house.enrolment.by_code(second.code, peer=HERE)


@on_the_loop
async def test_neither_stands_for_the_other_and_nothing_is_missing() -> None:
    house = House()
    account = await house.account()
    token, code = await house.enrolment.new_token(account), (await house.enrolment.new_code(account)).code
    _, own = await house.phone(account)
    for way in (house.enrolment.by_token, house.enrolment.by_code, house.enrolment.device_by):
        wrong = {token, code, own} - {{"by_token": token, "by_code": code, "device_by": own}[way.__name__]}
        for secret in wrong:
            with pytest.raises(KeyUnknown):
                await way(secret, peer=HERE)
        for secret in ("", *([" "] if way != house.enrolment.device_by else [])):
            with pytest.raises(KeyMissing):
                await way(secret, peer=HERE)
    for login, password in (("", GOOD), ("acme", "")):
        with pytest.raises(KeyMissing):
            await house.enrolment.by_password(login, password, peer=HERE)


@pytest.mark.parametrize("way", ["by_token", "by_code", "device_by"])
@on_the_loop
async def test_wrong_ones_are_counted_for_each_address(way: str) -> None:
    house = House()
    account = await house.account()
    good = {
        "by_token": await house.enrolment.new_token(account),
        "by_code": (await house.enrolment.new_code(account)).code,
        "device_by": (await house.phone(account))[1],
    }[way]
    ask = getattr(house.enrolment, way)
    assert await refusals(lambda: ask("wrong", peer=HERE), GUESSES_MOST + 1) == [KeyUnknown] * GUESSES_MOST + [TooManyGuesses]
    assert await refusals(lambda: ask("wrong", peer=THERE), 1) == [KeyUnknown]
    await ask(good, peer=HERE)


# passwords


@on_the_loop
async def test_a_login_is_the_accounts_name_with_its_password() -> None:
    house = House()
    account, _ = await house.account(password=GOOD), await house.account("other", "other " + GOOD)
    assert await house.enrolment.by_password("acme", GOOD, peer=HERE) == account
    for login, password in (("acme", "other " + GOOD), ("ACME", GOOD), ("other", GOOD), ("nobody", GOOD), ("acme\0", GOOD), ("é", "é")):
        with pytest.raises(KeyUnknown):
            await house.enrolment.by_password(login, password, peer=HERE)


@on_the_loop
async def test_an_account_without_a_password_has_no_password() -> None:
    house = House()
    await house.account()
    assert await refusals(lambda: house.enrolment.by_password("acme", GOOD, peer=HERE), 2) == [KeyUnknown] * 2
    assert house.hasher.asked == 2, "it takes as long as with one"


@on_the_loop
async def test_a_login_is_the_accounts_name_with_an_api_key_that_may() -> None:
    house = House()
    account, other = await house.account(), await house.account("other")
    await house.key(account, "a-good-key", scopes=Scope.DEVICES)
    await house.key(account, "no-scope", scopes=Scope.SEND)
    await house.key(account, "ended", expires=START)
    await house.key(account, "elsewhere", networks=(ip_network("10.0.0.0/8"),))
    await house.key(other, "theirs")
    assert await house.enrolment.by_password("acme", "a-good-key", peer=HERE) == account
    assert await house.enrolment.by_password("other", "theirs", peer=HERE) == other
    wrong = [("no-scope", ScopeMissing), ("ended", KeyExpired), ("elsewhere", WrongNetwork), ("theirs", KeyUnknown)]
    for secret, error in wrong:
        with pytest.raises(error):
            await house.enrolment.by_password("acme", secret, peer=HERE)


@on_the_loop
async def test_many_wrong_passwords_hold_the_login_back_wherever_they_come_from_but_no_key() -> None:
    house = House()
    account = await house.account(password=GOOD)
    await house.key(account, "a-good-key")
    peers = iter(f"203.0.113.{n}" for n in range(250))

    async def wrong() -> None:
        await house.enrolment.by_password("acme", "wrong", peer=next(peers))

    assert await refusals(wrong, TRIES + 1) == [KeyUnknown] * TRIES + [TooManyGuesses]
    asked = house.hasher.asked
    with pytest.raises(TooManyGuesses) as refused:
        await house.enrolment.by_password("acme", GOOD, peer=HERE)
    assert (refused.value.retry_after_s, house.hasher.asked) == (30, asked)
    assert await house.enrolment.by_password("acme", "a-good-key", peer=HERE) == account
    house.clock.advance(30)
    assert await refusals(wrong, 2) == [KeyUnknown, TooManyGuesses]
    house.clock.advance(59)
    assert await refusals(wrong, 1) == [TooManyGuesses]
    house.clock.advance(1)
    assert await house.enrolment.by_password("acme", GOOD, peer=HERE) == account
    assert await refusals(wrong, TRIES) == [KeyUnknown] * TRIES, "a right one has begun a new row"


@on_the_loop
async def test_many_tries_at_one_moment_gain_nothing() -> None:
    house = House()
    await house.account(password=GOOD)
    found = await asyncio.gather(
        *(house.enrolment.by_password("acme", f"wrong {n}", peer=f"203.0.113.{n}") for n in range(100)), return_exceptions=True
    )
    assert [type(error) for error in found] == [KeyUnknown] * TRIES + [TooManyGuesses] * 90
    assert house.hasher.asked == TRIES


@on_the_loop
async def test_an_address_that_has_tried_too_many_costs_no_more_hashing() -> None:
    house = House()
    found = await refusals(lambda: house.enrolment.by_password(f"guess {house.hasher.asked}", GOOD, peer=HERE), GUESSES_MOST + 5)
    assert found == [KeyUnknown] * GUESSES_MOST + [TooManyGuesses] * 5
    assert house.hasher.asked == GUESSES_MOST
    assert await refusals(lambda: house.enrolment.by_password("guess", GOOD, peer=THERE), 1) == [KeyUnknown]


@on_the_loop
async def test_a_password_is_changed_by_who_knows_it() -> None:
    house = House()
    account = await house.account(password=GOOD)
    with pytest.raises(KeyUnknown):
        await house.enrolment.change_password(account, "wrong", "n" * 14, peer=HERE)
    with pytest.raises(Invalid) as refused:
        await house.enrolment.change_password(account, GOOD, "n" * 13, peer=HERE)
    assert refused.value.field == "newPassword"
    assert await house.enrolment.by_password("acme", GOOD, peer=HERE) == account
    await house.enrolment.change_password(account, GOOD, "n" * 14, peer=HERE)
    assert await house.enrolment.by_password("acme", "n" * 14, peer=HERE) == account
    with pytest.raises(KeyUnknown):
        await house.enrolment.by_password("acme", GOOD, peer=HERE)


@on_the_loop
async def test_setting_a_password_ends_the_wait() -> None:
    house = House()
    account = await house.account(password=GOOD)
    await refusals(lambda: house.enrolment.by_password("acme", "wrong", peer=HERE), TRIES + 1)
    await house.enrolment.set_password(account, GOOD)
    assert await house.enrolment.by_password("acme", GOOD, peer=HERE) == account


# joining


@on_the_loop
async def test_the_first_phone_of_an_account_brings_its_password() -> None:
    house = House()
    account = await house.account()
    first = await house.enrolment.join(account, kind="smsgate", label="Fairphone/FP5", sims=2)
    second = await house.enrolment.join(account, kind="smsgate", label="x", sims=0)
    assert (first.login, second.login, second.password) == ("acme", "acme", None)
    assert first.password is not None and len(first.password) == 14
    assert await house.enrolment.by_password("acme", first.password, peer=HERE) == account
    assert (first.device.account_id, first.device.kind, first.device.label, first.device.sims) == (
        account.id,
        "smsgate",
        "Fairphone/FP5",
        2,
    )
    assert second.device.sims == 1, "a phone that may not say how many it has"
    assert first.token not in repr(first) and first.password not in repr(first)
    assert house.fleet.of(account.id) == [first.device, second.device]


@on_the_loop
async def test_of_phones_that_join_at_one_moment_one_is_told_the_password_that_counts() -> None:
    house = House()
    account = await house.account()
    joined = await asyncio.gather(*(house.enrolment.join(account, kind="smsgate", label="", sims=1) for _ in range(5)))
    (password,) = [one.password for one in joined if one.password is not None]
    assert await house.enrolment.by_password("acme", password, peer=HERE) == account


@on_the_loop
async def test_a_phone_that_joins_is_linked_with_its_secrets_kept() -> None:
    house = House()
    seen: list[dict[str, str]] = []

    async def linked(device: Device) -> None:
        assert house.fleet.get(device.account_id, device.id) == device
        seen.append(await house.enrolment.secrets(device.id))

    house.fleet.on_link = linked
    await house.phone(await house.account(), secrets={"signing_key": "s3cret"})
    assert seen == [{"signing_key": "s3cret"}]


@on_the_loop
async def test_what_a_phone_calls_itself_is_kept_as_far_as_it_can_be_shown() -> None:
    house = House()
    device, _ = await house.phone(await house.account(), label="Fair\0phone\n\ud800/é" + "x" * 300)
    assert device.label == "Fairphone/é" + "x" * 244


@on_the_loop
async def test_secrets_are_sealed_and_replaced() -> None:
    house = House()
    device, _ = await house.phone(await house.account())
    assert await house.enrolment.secrets(device.id) == {}
    await house.enrolment.set_secrets(device.id, {"hook": "s3cret"})
    assert await house.enrolment.secrets(device.id) == {"hook": "s3cret"}
    assert b"s3cret" not in (await house.store.device_secrets(device.id) or b"")
    for ask in (house.enrolment.secrets("0" * 16), house.enrolment.set_secrets("0" * 16, {})):
        with pytest.raises(NotFound):
            await ask


# a phone's own token


@on_the_loop
async def test_a_phone_is_known_by_its_own_token_as_the_fleet_has_it() -> None:
    house = House()
    account = await house.account()
    device, token = await house.phone(account)
    assert await house.enrolment.device_by(token, peer=HERE) == device
    renamed = await house.fleet.update(account.id, device.id, label="kitchen")
    assert await house.enrolment.device_by(token, peer=HERE) == renamed


@on_the_loop
async def test_another_process_knows_a_phone_and_forgets_it_in_time() -> None:
    house = House()
    other = House(house.store, house.clock)
    account = await house.account()
    device, token = await house.phone(account)
    assert await other.enrolment.device_by(token, peer=HERE) == device
    await house.fleet.unlink(account.id, device.id)
    with pytest.raises(KeyUnknown):
        await house.enrolment.device_by(token, peer=HERE)
    assert await other.enrolment.device_by(token, peer=HERE) == device
    house.clock.advance(CACHE_FOR.total_seconds())
    with pytest.raises(KeyUnknown):
        await other.enrolment.device_by(token, peer=HERE)


@on_the_loop
async def test_a_phone_is_looked_up_once_in_a_while() -> None:
    class Counting(MemoryStore):
        found = 0

        async def find_device(self, token_digest: bytes) -> Device | None:
            self.found += 1
            return await super().find_device(token_digest)

    store = Counting()
    house = House(store)
    _, token = await house.phone(await house.account())
    for _ in range(3):
        await house.enrolment.device_by(token, peer=HERE)
    assert store.found == 1
    house.clock.advance(CACHE_FOR.total_seconds())
    await house.enrolment.device_by(token, peer=HERE)
    assert store.found == 2


@on_the_loop
async def test_a_phone_is_unknown_from_the_moment_it_is_unlinked() -> None:
    house = House()
    account = await house.account()
    device, token = await house.phone(account)
    await house.enrolment.device_by(token, peer=HERE)
    seen: list[type[Exception]] = []

    async def stopping(device: Device) -> None:
        seen.extend(await refusals(lambda: house.enrolment.device_by(token, peer=HERE), 1))

    house.fleet.on_unlink = stopping
    await house.fleet.unlink(account.id, device.id)
    assert seen == [KeyUnknown]


@on_the_loop
async def test_phones_that_join_together_cost_one_password_which_one_of_them_is_told() -> None:
    class Counting(QuickHasher):
        hashed = 0

        async def hash(self, password: str) -> str:
            self.hashed += 1
            return await super().hash(password)

    house = House()
    account = await house.account()
    hasher = house.enrolment.hasher = Counting()
    joined = await asyncio.gather(*(house.enrolment.join(account, kind="smsgate", label="", sims=1) for _ in range(50)))
    assert hasher.hashed == 1
    assert len([each.password for each in joined if each.password]) == 1
    assert len(house.fleet.of(account.id)) == 50
