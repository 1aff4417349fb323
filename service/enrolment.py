"""How phones join an account, and how they show afterwards who they are.

A phone is let in by a private token, a one-time code, or the account's name with its password or with one of its API keys. It is
given a token of its own, which it shows with each call. Wrong ones are counted as wrong API keys are (guesses.py), passwords more
strictly (passwords.py).
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from service import passwords
from service.accounts import CACHE_FOR, Account, Accounts, Principal, Scope, digest_of, new_secret
from service.errors import KeyMissing, KeyUnknown, NotFound
from service.fleet import MOST_LABEL, Device, Fleet, new_device_id
from service.grants import by_password
from service.invitations import Code, Invitation, Joined, Kind
from service.keys import label_of
from service.ports import Clock, Hasher, Sealer, Store

ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
"""nothing in it is mistaken for something else when it is read from a screen"""
TOKEN_LENGTH = 24
"""118 random bits, and still to be typed by hand"""
CODE_LENGTH = 8
CODE_LIFETIME = timedelta(seconds=300)
_CACHE_MOST = 20_000


@dataclass(kw_only=True)
class Enrolment:
    store: Store
    accounts: Accounts
    fleet: Fleet
    sealer: Sealer
    hasher: Hasher
    clock: Clock
    tries: passwords.Tries = field(default_factory=passwords.Tries)
    _cache: dict[bytes, tuple[datetime, Device]] = field(default_factory=dict, repr=False)
    _logins: dict[bytes, tuple[datetime, asyncio.Future[Account]]] = field(default_factory=dict, repr=False)
    """of programs that show a password with each call: until when it need not be looked at again, by the SHA-256 of both"""
    _first: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    """phones that join together make one password and not one each: a hash costs as much as a hundred phones"""
    _nobodys: str | None = field(default=None, repr=False)
    """the hash of a password that nobody has"""

    # being let in

    async def by_token(self, token: str, *, peer: str | None) -> Account:
        """Whose private token it is. Raises KeyMissing, KeyUnknown, TooManyGuesses."""
        account = await self.store.find_token(_typed(token))
        return account or self._unknown(peer)

    async def by_code(self, code: str, *, peer: str | None) -> Account:
        """Whose one-time code it is; it works no more. Raises KeyMissing, KeyUnknown (also when it has ended), TooManyGuesses."""
        account = await self.store.take_code(_typed(code), self.clock())
        return account or self._unknown(peer)

    async def by_password(self, login: str, password: str, *, peer: str | None) -> Account:
        """The account of this name, by its password or by an API key of it. Raises as `logged_in` does, of a key that lacks DEVICES."""
        return (await self.logged_in(login, password, Scope.DEVICES, peer=peer)).account

    async def logged_in(self, login: str, password: str, scope: Scope, *, peer: str | None) -> Principal:
        """Who is calling: an account by its name and its password, which may do everything, or by its name and an API key of it.

        Raises KeyMissing, KeyUnknown, TooManyGuesses; of a key KeyExpired, WrongNetwork, ScopeMissing.
        """
        if not login or not password:
            raise KeyMissing()
        found = await self.store.find_key(digest_of(password))
        if found is not None and found[1].name == login:
            return await self.accounts.authenticate(password, scope, peer=peer)
        return by_password(await self._remembered(login, password, peer))

    async def _remembered(self, login: str, password: str, peer: str | None) -> Account:
        """A program shows its password with each call, and looking at one is dear: a right one is right for CACHE_FOR, and calls that
        come at the same moment are one look, not as many tries."""
        digest, now = digest_of(f"{login}\0{password}"), self.clock()
        until, looking = self._logins.get(digest, (now, None))
        if looking is None or (looking.done() and now >= until):
            if len(self._logins) >= _CACHE_MOST:
                self._logins.clear()
            looking = asyncio.ensure_future(self._logged_in(login, password, peer))
            self._logins[digest] = now + CACHE_FOR, looking
        try:
            return await asyncio.shield(looking)
        except BaseException:
            if looking.done() and self._logins.get(digest, (now, None))[1] is looking:
                del self._logins[digest]
            raise

    async def _logged_in(self, login: str, password: str, peer: str | None) -> Account:
        """It takes as long for a login that nobody has, so that nobody learns which there are."""
        now = self.clock()
        self.accounts.guesses.hold(peer, now)
        self.tries.begin(login, now)
        account = await self.store.find_account(login) if login.isascii() and login.isprintable() else None
        kept = await self.store.password_of(account.id) if account is not None else None
        is_right = await self.hasher.matches(password, kept or await self._of_nobody())
        if account is None or kept is None or not is_right:
            return self._unknown(peer)
        self.tries.right(login)
        return account

    async def _of_nobody(self) -> str:
        self._nobodys = self._nobodys or await self.hasher.hash(passwords.new_password())
        return self._nobodys

    def _unknown(self, peer: str | None) -> Account:
        self.accounts.guesses.wrong(peer, self.clock())
        raise KeyUnknown()

    # joining, and what comes after

    async def join(self, account: Account, *, kind: str, label: str, sims: int, secrets: Mapping[str, str] | None = None) -> Joined:
        """A new device of the account, which is linked; `secrets` are what its driver has to read back. Raises Unavailable."""
        device = Device(id=new_device_id(), account_id=account.id, kind=kind, label=_printable(label), sims=max(sims, 1))
        token, sealed = new_secret(), self.sealer.seal(json.dumps(dict(secrets or {})))
        if await self.store.password_of(account.id) is None:
            async with self._first:
                password = await self._enrol_first(device, token, sealed)
        else:
            password = None
            await self.store.enrol(device, token_digest=digest_of(token), sealed=sealed, password=None)
        await self.fleet.link(device)
        return Joined(device=device, token=token, login=account.name, password=password)

    async def _enrol_first(self, device: Device, token: str, sealed: bytes) -> str | None:
        """The account's password, which it has from now on; None when another phone was faster."""
        password, hashed = None, None
        if await self.store.password_of(device.account_id) is None:
            password = passwords.new_password()
            hashed = await self.hasher.hash(password)
        is_kept = await self.store.enrol(device, token_digest=digest_of(token), sealed=sealed, password=hashed)
        return password if is_kept else None

    async def device_by(self, token: str, *, peer: str | None) -> Device:
        """The phone whose own token it is. Once it is unlinked it is unknown: here at once, to other processes within accounts.CACHE_FOR.

        Raises KeyMissing, KeyUnknown, TooManyGuesses.
        """
        if not token:
            raise KeyMissing()
        digest, now = digest_of(token), self.clock()
        cached = self._cache.get(digest)
        device = cached[1] if cached is not None and now < cached[0] else await self._look_up(digest, now)
        if device is None or self.fleet.was_unlinked(device.id):
            self._cache.pop(digest, None)
            self.accounts.guesses.wrong(peer, now)
            raise KeyUnknown()
        return self.fleet.get(device.account_id, device.id) or device

    async def _look_up(self, digest: bytes, now: datetime) -> Device | None:
        device = await self.store.find_device(digest)
        if device is not None:
            if len(self._cache) >= _CACHE_MOST:
                self._cache.clear()
            self._cache[digest] = now + CACHE_FOR, device
        return device

    async def secrets(self, device_id: str) -> dict[str, str]:
        """What the device's driver has to read back. Raises NotFound, SealBroken."""
        sealed = await self.store.device_secrets(device_id)
        if sealed is None:
            raise NotFound("there is no such device, or it has no secrets")
        return {str(name): str(value) for name, value in json.loads(self.sealer.open(sealed)).items()}

    async def set_secrets(self, device_id: str, secrets: Mapping[str, str]) -> None:
        """In place of those that it had. Raises NotFound."""
        if not await self.store.keep_device_secrets(device_id, self.sealer.seal(json.dumps(dict(secrets)))):
            raise NotFound("there is no such device")

    # invitations

    async def new_token(self, account: Account, label: str = "") -> str:
        """A private token, shown only here. Raises Invalid."""
        return await self._invite(account, Kind.TOKEN, TOKEN_LENGTH, label=label_of(label))

    async def tokens(self, account: Account | None = None) -> list[Invitation]:
        """An account's private tokens, or everybody's, the oldest first."""
        return await self.store.private_tokens(None if account is None else account.id)

    async def revoke(self, id: str) -> Invitation:
        """End a private token, by its `Invitation.id`; phones that joined by it stay. Raises NotFound."""
        for invitation in await self.tokens():
            if invitation.id == id and await self.store.revoke_token(invitation.digest):
                return invitation
        raise NotFound(f"there is no private token {id!a}")

    async def new_code(self, account: Account) -> Code:
        """A code for one phone."""
        valid_until = self.clock() + CODE_LIFETIME
        return Code(code=await self._invite(account, Kind.CODE, CODE_LENGTH, expires=valid_until), valid_until=valid_until)

    async def _invite(self, account: Account, kind: Kind, length: int, *, label: str = "", expires: datetime | None = None) -> str:
        secret = "".join(secrets.choice(ALPHABET) for _ in range(length))
        made = Invitation(digest=digest_of(secret), account_id=account.id, kind=kind, label=label, created=self.clock(), expires=expires)
        await self.store.invite(made)
        return secret

    # passwords

    async def set_password(self, account: Account, new: str) -> None:
        """Raises Invalid (newPassword)."""
        await self.store.set_password(account.id, await self.hasher.hash(passwords.checked(new, "newPassword")))
        self._logins.clear()
        self.tries.right(account.name)

    async def change_password(self, account: Account, current: str, new: str, *, peer: str | None) -> None:
        """Raises Invalid (newPassword), KeyUnknown (current), TooManyGuesses."""
        passwords.checked(new, "newPassword")
        await self._logged_in(account.name, current, peer)
        await self.set_password(account, new)


def _typed(secret: str) -> bytes:
    """The SHA-256 of what somebody may have typed into a phone, which likes to begin with a capital. Raises KeyMissing."""
    typed = secret.strip().lower()
    if not typed:
        raise KeyMissing()
    return digest_of(typed)


def _printable(label: str) -> str:
    """What a phone calls itself, as far as it can be kept and shown."""
    return "".join(filter(str.isprintable, label))[:MOST_LABEL]
