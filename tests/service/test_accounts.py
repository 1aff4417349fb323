"""Who may do what: keys, scopes, expiry, and how long a revoked key may go on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from service.accounts import ALL_SCOPES, CACHE_FOR, Account, Accounts, ApiKey, Principal, Scope, digest_of, new_secret
from service.errors import Forbidden, KeyExpired, KeyMissing, KeyUnknown
from tests.fakes import START, FakeClock, on_the_loop

ACCOUNT = Account(id=7, name="shop")


@dataclass
class Keys:
    """A KeyStore that counts how often it is asked."""

    kept: dict[bytes, ApiKey] = field(default_factory=dict)
    asked: int = 0

    def add(self, secret: str, scopes: Scope = ALL_SCOPES, expires: datetime | None = None) -> None:
        digest = digest_of(secret)
        self.kept[digest] = ApiKey(id=len(self.kept) + 1, account_id=7, label="", digest=digest, scopes=scopes, expires=expires)

    async def find_key(self, digest: bytes) -> tuple[ApiKey, Account] | None:
        self.asked += 1
        return (self.kept[digest], ACCOUNT) if digest in self.kept else None


class Desk:
    def __init__(self) -> None:
        self.clock, self.keys = FakeClock(), Keys()
        self.accounts = Accounts(store=self.keys, clock=self.clock)

    async def ask(self, secret: str | None, scope: Scope = Scope.SEND) -> Principal:
        return await self.accounts.authenticate(secret, scope)


@on_the_loop
async def test_a_key_speaks_for_its_account() -> None:
    desk = Desk()
    desk.keys.add("good")
    principal = await desk.ask("good")
    assert (principal.account, principal.key.digest) == (ACCOUNT, digest_of("good"))


@pytest.mark.parametrize("secret", [None, ""])
@on_the_loop
async def test_no_key_is_said_to_be_missing(secret: str | None) -> None:
    with pytest.raises(KeyMissing):
        await Desk().ask(secret)


@pytest.mark.parametrize("secret", ["wrong", "Good", "good ", "x" * 10_000, "é\0\udc80"])
@on_the_loop
async def test_a_wrong_key_is_unknown(secret: str) -> None:
    desk = Desk()
    desk.keys.add("good")
    with pytest.raises(KeyUnknown):
        await desk.ask(secret)


@on_the_loop
async def test_a_key_ends_at_its_time_even_while_it_is_remembered() -> None:
    desk = Desk()
    desk.keys.add("short", expires=START + timedelta(seconds=1))
    await desk.ask("short")
    desk.clock.advance(0.999)
    await desk.ask("short")
    desk.clock.advance(0.001)
    with pytest.raises(KeyExpired):
        await desk.ask("short")
    assert desk.keys.asked == 1


@pytest.mark.parametrize("scope", list(Scope))
@on_the_loop
async def test_a_key_may_do_only_what_its_scopes_say(scope: Scope) -> None:
    desk = Desk()
    desk.keys.add("only", scopes=scope)
    await desk.ask("only", scope)
    for other in ALL_SCOPES & ~scope:
        with pytest.raises(Forbidden, match=f"lacks the scope {str(other.name).lower()}"):
            await desk.ask("only", other)


@on_the_loop
async def test_a_key_is_remembered_for_a_moment_and_no_longer() -> None:
    desk = Desk()
    desk.keys.add("good")
    await desk.ask("good")
    desk.keys.kept.clear()
    desk.clock.advance(CACHE_FOR.total_seconds() - 0.001)
    await desk.ask("good")
    desk.clock.advance(0.001)
    with pytest.raises(KeyUnknown):
        await desk.ask("good")
    assert desk.keys.asked == 2


@on_the_loop
async def test_a_wrong_key_is_never_remembered() -> None:
    desk = Desk()
    with pytest.raises(KeyUnknown):
        await desk.ask("new")
    desk.keys.add("new")
    await desk.ask("new")


def test_a_new_secret_survives_a_url_and_a_form_and_is_never_the_same() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(len(secret) == 40 and secret.isascii() and secret.isalnum() for secret in secrets)


def test_only_the_digest_of_a_secret_is_kept() -> None:
    assert digest_of("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_an_account_knows_its_zone_and_whether_it_is_a_trial() -> None:
    assert ACCOUNT.zone.key == "UTC"
    assert not ACCOUNT.is_trial
    assert Account(id=1, name="a", trial_limit=0).is_trial
