"""A whole gateway for the API tests: the real rules over a store in memory, behind the real front door. No socket, no disk, no waiting."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from twisted.internet.task import Clock

from adapters.aes_gcm import AesGcm
from adapters.apis import ApiSettings
from adapters.call import Api
from adapters.storage.memory import MemoryStore
from adapters.web import FrontDoor
from service.accounts import ALL_SCOPES, Account, Accounts, ApiKey, Scope, digest_of
from service.campaigns import Campaigns
from service.dispatch import Dispatch
from service.enrolment import Enrolment
from service.fleet import Device, Fleet
from service.gateway import Gateway
from service.links import Links
from service.mailbox import Mailbox
from service.messages import MtMessage
from service.optouts import OptOuts
from service.outcome import Outcome
from service.ports import SentQuery
from service.pulling import Pulls
from service.submission import Submission
from service.webhooks import Webhooks
from tests.apis.description import Description
from tests.fakes import FakeClock, QuickHasher, ripple
from tests.http_peer import Answer, Log, Wire, answers
from tests.postbox import NoPoster, OpenSealer
from tests.scripted_driver import ScriptedDriver

KEY = "a-good-key"


class MemoryGateway:
    """The given API alone behind the door; accounts and phones are for a test to add."""

    def __init__(self, build: Any, settings: ApiSettings | None = None, *, store: MemoryStore | None = None) -> None:
        """`build` is the `api` of a file in adapters/apis."""
        self.clock, self.store, self.log = FakeClock(), store or MemoryStore(), Log()
        self.fleet = Fleet(store=self.store)
        settings = settings or ApiSettings()
        self.links = Links(store=self.store, cipher=AesGcm(), clock=self.clock, public_url=settings.public_url)
        self.dispatch = Dispatch(store=self.store, clock=self.clock, node="here", sleep=asyncio.sleep)
        self.outcome = Outcome(store=self.store, fleet=self.fleet, dispatch=self.dispatch, clock=self.clock)
        accounts = Accounts(store=self.store, clock=self.clock)
        self.gateway = Gateway(
            accounts=accounts,
            submission=Submission(store=self.store, fleet=self.fleet, clock=self.clock, links=self.links),
            mailbox=Mailbox(store=self.store, fleet=self.fleet, clock=self.clock),
            fleet=self.fleet,
            clock=self.clock,
            store=self.store,
            links=self.links,
            webhooks=Webhooks(store=self.store, fleet=self.fleet, poster=NoPoster(), sealer=OpenSealer(), formats={}, clock=self.clock),
            outcome=self.outcome,
            pulls=Pulls(clock=self.clock),
            enrolment=Enrolment(
                store=self.store, accounts=accounts, fleet=self.fleet, sealer=OpenSealer(), hasher=QuickHasher(), clock=self.clock
            ),
            optouts=OptOuts(store=self.store),
            campaigns=Campaigns(store=self.store, clock=self.clock),
        )
        self.api: Api = build(self.gateway, settings)
        self.door = FrontDoor([self.api], log=self.log, clock=Clock())
        self.description = Description(self.api)

    async def account(self, key: str = KEY, scopes: Scope = ALL_SCOPES, expires: datetime | None = None, **fields: Any) -> Account:
        """A new account with one key."""
        account = await self.store.create_account(Account(**{"id": 0, "name": f"of {key}", **fields}))
        await self.key(account, key, scopes, expires)
        return account

    async def key(self, account: Account, secret: str, scopes: Scope = ALL_SCOPES, expires: datetime | None = None) -> None:
        await self.store.create_key(ApiKey(id=0, account_id=account.id, label="", digest=digest_of(secret), scopes=scopes, expires=expires))

    def connect(self, id: str = "00112233445566ff", account_id: int = 1, **fields: Any) -> ScriptedDriver:
        """A phone that is online."""
        device = Device(**{"id": id, "account_id": account_id, "kind": "test", "sims": 2, **fields})
        self.fleet.register(device)
        self.fleet.online(id, True)
        return ScriptedDriver(device)

    async def deliver(self, driver: ScriptedDriver) -> None:
        """All that is due for the phone is handed to it."""
        for message in await self.dispatch.claim(driver, 1000):
            await self.dispatch.send(driver, message)

    async def rows(self, account_id: int = 1) -> list[MtMessage]:
        """What is on disk, oldest first."""
        return (await self.store.sent(SentQuery(account_id=account_id)))[::-1]

    async def say(self, request: bytes) -> Answer:
        """One request on a connection of its own; the answer is one that the API's description has."""
        wire, connection = Wire(lenient=True), self.door.buildProtocol(None)  # type: ignore[no-untyped-call]
        connection.makeConnection(wire)  # type: ignore[no-untyped-call]
        connection.dataReceived(request)
        for _ in range(5):  # whatever waits for something else in turn
            await ripple()
        (answer,) = answers(wire.value())  # type: ignore[no-untyped-call]
        connection.connectionLost()
        method, target, _ = request.decode("latin-1").split(" ", 2)
        self.description.hold(method, target, answer)
        return answer

    async def get(self, target: str, headers: Mapping[str, str] | None = None, /, **fields: str) -> Answer:
        """`fields` are encoded into the query; a query in `target` goes as it is."""
        query = urlencode(fields)
        return await self.say(_request("GET", target + ("?" + query if query else ""), headers or {}, b""))

    async def post(self, target: str, body: bytes | Mapping[str, str], headers: Mapping[str, str] | None = None) -> Answer:
        if isinstance(body, Mapping):
            body = urlencode(body).encode()
            headers = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        return await self.say(_request("POST", target, headers or {}, body))

    async def post_json(self, target: str, fields: Mapping[str, Any]) -> Answer:
        return await self.post(target, json.dumps(fields).encode(), {"Content-Type": "application/json"})


def _request(method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: sms.test", *(f"{name}: {value}" for name, value in headers.items())]
    if method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
