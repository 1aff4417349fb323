"""What every Store promises about phones that join, sentence by sentence of service.invitations.EnrolmentStore."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from service.accounts import Account, digest_of
from service.errors import Unavailable
from service.fleet import Device
from service.invitations import Invitation, Kind
from service.ports import Store
from tests.conformance.stores import STORES, wait_for
from tests.fakes import START, on_the_loop

MINUTE = timedelta(minutes=1)


@dataclass
class Desk:
    store: Store
    account: Account
    other: Account

    async def invite(self, secret: str, kind: Kind, *, created: datetime = START, expires: datetime | None = None) -> Invitation:
        made = Invitation(
            digest=digest_of(secret), account_id=self.account.id, kind=kind, label=f"é {secret}", created=created, expires=expires
        )
        await self.store.invite(made)
        return made

    async def enrol(self, id: str = "00112233445566ff", password: str | None = None, account: Account | None = None) -> Device:
        device = Device(id=id, account_id=(account or self.account).id, kind="smsgate", label="Fairphone/FP5", sims=2)
        self.kept = await self.store.enrol(device, token_digest=digest_of(id), sealed=b"\x00sealed", password=password)
        return device


@pytest.fixture(params=STORES)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    opened = request.param(tmp_path)
    store = wait_for(opened.__aenter__())
    account, other = (wait_for(store.create_account(Account(id=0, name=name))) for name in ("acme", "other"))
    yield Desk(store, account, other)
    wait_for(opened.__aexit__(None, None, None))


@on_the_loop
async def test_a_private_token_lets_in_again_and_again_until_it_is_revoked(desk: Desk) -> None:
    made = await desk.invite("t", Kind.TOKEN)
    for _ in range(3):
        assert await desk.store.find_token(made.digest) == desk.account
    assert await desk.store.find_token(digest_of("u")) is None
    assert await desk.store.take_code(made.digest, START) is None
    assert await desk.store.revoke_token(made.digest)
    assert not await desk.store.revoke_token(made.digest)
    assert await desk.store.find_token(made.digest) is None


@on_the_loop
async def test_private_tokens_are_listed_as_they_were_made_and_codes_are_not(desk: Desk) -> None:
    later = await desk.invite("a", Kind.TOKEN, created=START + MINUTE)
    first = await desk.invite("b", Kind.TOKEN)
    await desk.invite("c", Kind.CODE, expires=START + MINUTE * 5)
    assert await desk.store.private_tokens(desk.account.id) == [first, later]
    assert await desk.store.private_tokens(desk.other.id) == []
    assert await desk.store.private_tokens(None) == [first, later]


@on_the_loop
async def test_a_code_is_taken_once(desk: Desk) -> None:
    made = await desk.invite("c", Kind.CODE, expires=START + MINUTE)
    assert await desk.store.find_token(made.digest) is None
    assert not await desk.store.revoke_token(made.digest)
    taken = await asyncio.gather(*(desk.store.take_code(made.digest, START) for _ in range(10)))
    assert [account for account in taken if account is not None] == [desk.account]
    assert await desk.store.take_code(digest_of("d"), START) is None


@on_the_loop
async def test_a_code_that_has_ended_is_not_taken_and_is_forgotten_by_the_next(desk: Desk) -> None:
    made = await desk.invite("c", Kind.CODE, expires=START + MINUTE)
    assert await desk.store.take_code(made.digest, START + MINUTE) is None
    await desk.invite("d", Kind.CODE, created=START + MINUTE, expires=START + 2 * MINUTE)
    assert await desk.store.take_code(made.digest, START) is None
    assert await desk.store.take_code(digest_of("d"), START + MINUTE) == desk.account


@on_the_loop
async def test_a_phone_is_found_by_its_token_as_it_is_now(desk: Desk) -> None:
    device = await desk.enrol()
    other = await desk.enrol("ff00112233445566", account=desk.other)
    assert await desk.store.find_device(digest_of(device.id)) == device
    assert await desk.store.find_device(digest_of(other.id)) == other
    assert await desk.store.find_device(digest_of("no")) is None
    assert await desk.store.devices() == [device, other]
    await desk.store.save_device(replace(device, label="new"))
    assert await desk.store.find_device(digest_of(device.id)) == replace(device, label="new")


@on_the_loop
async def test_unlinking_a_phone_ends_its_token_and_its_secrets(desk: Desk) -> None:
    device, other = await desk.enrol(), await desk.enrol("ff00112233445566")
    await desk.store.unlink_device(device)
    assert await desk.store.find_device(digest_of(device.id)) is None
    assert await desk.store.device_secrets(device.id) is None
    await desk.store.save_device(device)
    assert await desk.store.find_device(digest_of(device.id)) is None, "not when a device of this id comes back, either"
    assert await desk.store.device_secrets(device.id) is None
    assert await desk.store.find_device(digest_of(other.id)) == other
    assert await desk.store.device_secrets(other.id) == b"\x00sealed"


@on_the_loop
async def test_secrets_are_replaced_and_the_token_stays(desk: Desk) -> None:
    device = await desk.enrol()
    assert await desk.store.device_secrets(device.id) == b"\x00sealed"
    assert await desk.store.keep_device_secrets(device.id, b"\xff\x00")
    assert await desk.store.device_secrets(device.id) == b"\xff\x00"
    assert await desk.store.find_device(digest_of(device.id)) == device


@on_the_loop
async def test_a_device_that_did_not_join_may_have_secrets_but_one_that_is_none_may_not(desk: Desk) -> None:
    for id in ("1122334455667788", "2233445566778899"):
        await desk.store.save_device(Device(id=id, account_id=desk.account.id, kind="smpp"))
        assert await desk.store.device_secrets(id) is None
        assert await desk.store.keep_device_secrets(id, b"s")
        assert await desk.store.device_secrets(id) == b"s"
    assert not await desk.store.keep_device_secrets("0000000000000000", b"s")
    assert await desk.store.device_secrets("0000000000000000") is None


@on_the_loop
async def test_only_the_first_password_of_an_account_is_kept_by_joining(desk: Desk) -> None:
    assert await desk.store.password_of(desk.account.id) is None
    await desk.enrol("01", password=None)
    assert not desk.kept
    assert await desk.store.password_of(desk.account.id) is None
    await desk.enrol("02", password="hash 1")
    assert desk.kept
    await desk.enrol("03", password="hash 2")
    assert not desk.kept
    await desk.enrol("04", password="hash 3", account=desk.other)
    assert desk.kept
    assert await desk.store.password_of(desk.account.id) == "hash 1"
    assert await desk.store.password_of(desk.other.id) == "hash 3"


@on_the_loop
async def test_of_many_first_passwords_one_is_kept(desk: Desk) -> None:
    def device(n: int) -> Device:
        return Device(id=f"{n:016x}", account_id=desk.account.id, kind="smsgate")

    kept = await asyncio.gather(
        *(desk.store.enrol(device(n), token_digest=bytes([n]), sealed=b"", password=f"hash {n}") for n in range(10))
    )
    assert sorted(kept) == [False] * 9 + [True]
    assert await desk.store.password_of(desk.account.id) == f"hash {kept.index(True)}"


@on_the_loop
async def test_a_password_is_set_and_set_again(desk: Desk) -> None:
    for hash in ("one", "two"):
        await desk.store.set_password(desk.account.id, hash)
        assert await desk.store.password_of(desk.account.id) == hash
    assert await desk.store.password_of(desk.other.id) is None


@on_the_loop
async def test_a_phone_that_cannot_be_kept_leaves_nothing_behind(desk: Desk) -> None:
    """Two phones with one token: the second is refused as a whole."""
    device = await desk.enrol()
    second = replace(device, id="ff00112233445566")
    with pytest.raises(Unavailable):
        await desk.store.enrol(second, token_digest=digest_of(device.id), sealed=b"", password="hash")
    assert await desk.store.devices() == [device]
    assert await desk.store.password_of(desk.account.id) is None
