"""What every Store promises about accounts, keys and tokens, sentence by sentence of service.accounts.KeyStore."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from service.accounts import ALL_SCOPES, Account, ApiKey, Scope, Token, digest_of
from service.ports import Store
from tests.conformance.stores import STORES, wait_for
from tests.fakes import START, on_the_loop

HOUR = timedelta(hours=1)


@dataclass
class Desk:
    store: Store
    account: Account

    async def key(self, secret: str, **fields: Any) -> ApiKey:
        given = {"id": 0, "account_id": self.account.id, "label": "l", "digest": digest_of(secret), "created": START, **fields}
        return await self.store.create_key(ApiKey(**given))

    async def token(self, client: ApiKey, secret: str, **fields: Any) -> Token:
        given = {
            "digest": digest_of(secret),
            "key_id": client.id,
            "scopes": Scope.SEND,
            "created": START,
            "expires": START + HOUR,
            **fields,
        }
        await self.store.create_token(Token(**given))
        return Token(**given)

    async def find(self, secret: str) -> ApiKey | None:
        found = await self.store.find_key(digest_of(secret))
        assert found is None or found[1] == self.account
        return found[0] if found else None


@pytest.fixture(params=STORES)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    opened = request.param(tmp_path)
    store = wait_for(opened.__aenter__())
    yield Desk(store, wait_for(store.create_account(Account(id=0, name="acme"))))
    wait_for(opened.__aexit__(None, None, None))


@on_the_loop
async def test_accounts_are_listed_by_name_and_changed_but_for_their_name(desk: Desk) -> None:
    other = await desk.store.create_account(Account(id=0, name="Zoo", default_country="BE"))
    assert await desk.store.accounts() == [other, desk.account]
    changed = replace(
        desk.account, default_country="FR", time_zone="Europe/Paris", validity_s=99, trial_limit=7, resend_unknown=True, name="renamed"
    )
    assert await desk.store.change_account(changed)
    assert await desk.store.find_account("acme") == replace(changed, name="acme")
    assert await desk.store.find_account("Zoo") == other
    assert not await desk.store.change_account(replace(changed, id=99))


@on_the_loop
async def test_a_key_comes_back_as_it_was(desk: Desk) -> None:
    networks = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))
    made = await desk.key("a", label="é", scopes=Scope.SEND | Scope.ADMIN, expires=START + HOUR, networks=networks)
    assert await desk.find("a") == made
    plain = await desk.key("b", created=None)
    other = await desk.store.create_account(Account(id=0, name="other"))
    theirs = await desk.key("c", account_id=other.id)
    assert await desk.store.keys(desk.account.id) == [made, plain]
    assert await desk.store.keys() == [made, plain, theirs]


@on_the_loop
async def test_a_key_is_changed_but_not_what_it_is(desk: Desk) -> None:
    made, other = await desk.key("a"), await desk.key("b")
    networks = (ip_network("10.0.0.0/8"),)
    changed = replace(made, label="new", scopes=Scope.READ, expires=START, networks=networks)
    assert await desk.store.change_key(replace(changed, digest=b"x", used=START, client_id="x", former_digest=b"y", revoked=START))
    assert await desk.store.keys() == [changed, other]
    assert not await desk.store.change_key(replace(changed, id=99))


@on_the_loop
async def test_after_a_rotation_both_secrets_find_the_key_and_the_old_one_ends(desk: Desk) -> None:
    made = await desk.key("old")
    assert await desk.store.rotate_key(replace(made, former_ends=START + HOUR), digest_of("new"))
    rotated = replace(made, digest=digest_of("new"), former_digest=digest_of("old"), former_ends=START + HOUR)
    assert await desk.find("new") == rotated
    assert await desk.find("old") == replace(rotated, expires=START + HOUR)
    assert not await desk.store.rotate_key(replace(made, former_ends=START), digest_of("lost")), "by somebody who has not seen the first"
    assert await desk.store.rotate_key(replace(rotated, former_ends=START), digest_of("newest"))
    assert await desk.find("old") is None
    assert (await desk.store.find_key(digest_of("new")) or (made,))[0].expires == START


@on_the_loop
async def test_an_old_secret_does_not_outlive_its_key(desk: Desk) -> None:
    made = await desk.key("old", expires=START)
    await desk.store.rotate_key(replace(made, former_ends=START + HOUR), digest_of("new"))
    found = await desk.find("old")
    assert found is not None and found.expires == START


@on_the_loop
async def test_two_rotations_at_once_are_one(desk: Desk) -> None:
    made = replace(await desk.key("old"), former_ends=START)
    done = await asyncio.gather(*(desk.store.rotate_key(made, digest_of(f"new{i}")) for i in range(10)))
    assert sorted(done) == [False] * 9 + [True]


@on_the_loop
async def test_a_revoked_key_is_found_by_no_secret_and_stays_revoked(desk: Desk) -> None:
    made, other = await desk.key("old"), await desk.key("other")
    await desk.store.rotate_key(replace(made, former_ends=START + HOUR), digest_of("new"))
    assert await desk.store.revoke_key(made.id, START)
    assert await desk.find("old") is await desk.find("new") is None
    revoked, untouched = await desk.store.keys()
    assert (revoked.revoked, untouched) == (START, other)
    assert not await desk.store.revoke_key(made.id, START + HOUR)
    assert not await desk.store.revoke_key(99, START)
    assert not await desk.store.change_key(made)
    assert not await desk.store.rotate_key(replace(revoked, former_ends=START), digest_of("newer"))
    assert (await desk.store.keys())[0] == revoked


@on_the_loop
async def test_a_use_is_noted_and_never_moves_back(desk: Desk) -> None:
    first, second = await desk.key("a"), await desk.key("b")
    await desk.store.note_used({first.id: START + HOUR, second.id: START, 99: START})
    await desk.store.note_used({first.id: START, second.id: START + HOUR})
    assert [key.used for key in await desk.store.keys()] == [START + HOUR, START + HOUR]


@on_the_loop
async def test_the_secret_of_a_client_is_no_key_but_its_tokens_are(desk: Desk) -> None:
    client = await desk.key("secret", client_id="c1", scopes=ALL_SCOPES & ~Scope.ADMIN)
    assert await desk.find("secret") is None
    await desk.store.rotate_key(replace(client, former_ends=START + HOUR), digest_of("new"))
    assert await desk.find("secret") is await desk.find("new") is None
    found = await desk.store.find_client("c1")
    assert found is not None and (found[0].id, found[1]) == (client.id, desk.account)
    assert await desk.store.find_client("c2") is None
    await desk.token(client, "t", scopes=Scope.SEND | Scope.ADMIN)
    key = await desk.find("t")
    assert key is not None
    assert (key.id, key.scopes, key.expires) == (client.id, Scope.SEND, START + HOUR), "what the client may not, its token may not"


@on_the_loop
async def test_a_token_does_not_outlive_its_client(desk: Desk) -> None:
    client = await desk.key("secret", client_id="c1", expires=START)
    await desk.token(client, "t")
    key = await desk.find("t")
    assert key is not None and key.expires == START


@on_the_loop
async def test_a_token_ends_by_its_client_alone_and_with_it(desk: Desk) -> None:
    client, other = await desk.key("s1", client_id="c1"), await desk.key("s2", client_id="c2")
    for secret in ("a", "b"):
        await desk.token(client, secret)
    await desk.token(other, "theirs")
    assert not await desk.store.drop_token(digest_of("a"), other.id)
    assert await desk.find("a") is not None
    assert await desk.store.drop_token(digest_of("a"), client.id)
    assert not await desk.store.drop_token(digest_of("a"), client.id)
    assert await desk.find("a") is None
    await desk.store.revoke_key(client.id, START)
    assert await desk.find("b") is None
    assert await desk.find("theirs") is not None
    found = await desk.store.find_client("c1")
    assert found is not None and found[0].revoked == START


@on_the_loop
async def test_tokens_that_have_ended_are_forgotten(desk: Desk) -> None:
    client = await desk.key("s", client_id="c1")
    await desk.token(client, "short", expires=START + HOUR)
    await desk.token(client, "long", expires=START + 2 * HOUR)
    await desk.token(client, "later", created=START + HOUR, expires=START + 2 * HOUR)
    assert await desk.find("short") is None
    assert await desk.find("long") is not None
