"""Access tokens: what an OAuth2 client shows instead of its secret, for an hour. Random, so their SHA-256 is all that is kept of them."""

from __future__ import annotations

import hmac
from datetime import timedelta

from service.accounts import Accounts, ApiKey, Scope, Token, digest_of
from service.errors import KeyExpired, KeyUnknown, WrongNetwork

LIFETIME = timedelta(hours=1)
_NOBODY = bytes(32)


async def client_of(accounts: Accounts, client_id: str, secret: str, *, peer: str | None) -> ApiKey:
    """The OAuth2 client that says who it is. Raises KeyUnknown, TooManyGuesses, KeyExpired, WrongNetwork."""
    now = accounts.clock()
    found = await accounts.store.find_client(client_id)
    digest = digest_of(secret)
    key = found[0] if found else None
    is_right = hmac.compare_digest(digest, key.digest if key else _NOBODY)
    if key is not None and key.former_digest is not None and key.former_ends is not None and now < key.former_ends:
        is_right |= hmac.compare_digest(digest, key.former_digest)
    if key is None or key.revoked or not is_right:
        accounts.guesses.wrong(peer, now)
        raise KeyUnknown()
    if key.expires is not None and now >= key.expires:
        raise KeyExpired()
    if not key.allows(peer):
        raise WrongNetwork()
    return key


async def keep(accounts: Accounts, client: ApiKey, token: str, scopes: Scope) -> Token:
    """Let a new token speak for the client, for LIFETIME and at most as long as the client itself."""
    now = accounts.clock()
    kept = Token(digest=digest_of(token), key_id=client.id, scopes=scopes, created=now, expires=now + LIFETIME)
    await accounts.store.create_token(kept)
    accounts.use(client.id, now)
    return kept


async def drop(accounts: Accounts, client: ApiKey, token: str) -> None:
    """End a token of this client; another's, or none at all, is left as it is."""
    if await accounts.store.drop_token(digest_of(token), client.id):
        accounts.forget()
