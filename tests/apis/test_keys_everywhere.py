"""Every endpoint of every API that needs a key: no key, a wrong one, one that has ended, one without a scope, one from elsewhere."""

from __future__ import annotations

from ipaddress import ip_network
from urllib.parse import urlencode

import pytest
from twisted.internet.task import Clock

from adapters.apis import ApiSettings, load
from adapters.apis.soap import ENDPOINT
from adapters.web import FrontDoor
from service.accounts import Account, ApiKey, Scope, digest_of
from service.guesses import GUESSES_MOST
from tests.apis.description import Description
from tests.apis.gateway import KEY, MemoryGateway
from tests.fakes import START, on_the_loop

OPEN = {
    "/health",
    "/tls/ca.pem",  # a certificate is for everybody
    "/oauth2/token",
    "/oauth2/revoke",
    "/sendsms/wsdl/sendsms-rpc.wsdl",
    "/sendsms/wsdl/sendsms.wsdl",
    "/openapi.json",
    "/s/*",
    "/m/*",
    "/m/sealed.js",
    "/m/sealed.css",
}
"""what is served without a key, or asks for something else than a key"""
FIELDS = {"recipients": "+32495898697", "message": "x"}
ENVELOPE = (
    '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><sendSms><recipients>+32495898697</recipients>'
    "<message>x</message><apikey>{}</apikey></sendSms></e:Body></e:Envelope>"
)

CALL_BY_THEMSELVES = {"smsgate_device", "smsgate_client", "whatsapp_hooks"}
"""devices have secrets of their own, and SMSGate's programs log in their way: see test_smsgate_device.py, test_smsgate_client.py and
test_whatsapp_hooks.py"""
BY_A_HEADER = {"smrtphone"}
"""which take a key by a header of their own and no other way: see test_smrtphone.py"""
KEYS = {"": 400, "wrong": 403, "ended": 403, "revoked": 403, "no-scope": 403, "elsewhere": 403}
"""a key, and the status by which it is refused"""


async def house() -> MemoryGateway:
    at = MemoryGateway(lambda gateway, settings: load(gateway, settings)[0])
    served = load(at.gateway, ApiSettings())
    at.door, at.description = FrontDoor(served, log=at.log, clock=Clock()), Description(*served)
    account = await at.account()
    await _key(at, account, "ended", expires=START)
    await _key(at, account, "no-scope", scopes=Scope(0))
    await _key(at, account, "elsewhere", networks=(ip_network("10.0.0.0/8"),))
    await _key(at, account, "from-here", networks=(ip_network("192.168.1.0/24"),))
    await _key(at, account, "revoked")
    await at.store.revoke_key(len(await at.store.keys()), START)
    return at


async def _key(at: MemoryGateway, account: Account, secret: str, **fields: object) -> None:
    await at.store.create_key(ApiKey(**{"id": 0, "account_id": account.id, "label": "", "digest": digest_of(secret), **fields}))  # type: ignore[arg-type]


def endpoints() -> list[str]:
    apis = load(MemoryGateway(lambda g, s: load(g, s)[0]).gateway, ApiSettings())
    paths = {route.path for api in apis if api.name not in CALL_BY_THEMSELVES | BY_A_HEADER for route in api.routes}
    return sorted(paths - OPEN - {ENDPOINT})


@pytest.mark.parametrize("by", ["query", "form", "json", "bearer"])
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("path", endpoints())
@on_the_loop
async def test_a_key_that_is_not_good_enough_is_refused(path: str, key: str, by: str) -> None:
    at = await house()
    if by == "query":
        answer = await at.get(f"{path}/?{urlencode({**FIELDS, 'apikey': key})}")
    elif by == "form":
        answer = await at.post(path, {**FIELDS, "apikey": key})
    elif by == "json":
        answer = await at.post_json(path, {**FIELDS, "apikey": key})
    else:
        answer = await at.post(path, FIELDS, {"Authorization": f"Bearer {key}"})
    if path == "/verifytoken" and key == "no-scope":  # it asks only whose the key is
        assert answer.status == 200, answer.body
        return
    unknown = by == "bearer" and key in ("wrong", "ended", "revoked")
    assert answer.status == (401 if unknown else KEYS[key]), answer.body
    challenge = answer.headers.get("www-authenticate", "")
    assert ('error="invalid_token"' in challenge) is unknown
    assert ('error="insufficient_scope"' in challenge) is (by == "bearer" and key == "no-scope")
    assert await at.rows() == []
    assert key == "" or key not in repr(at.log.lines)


@pytest.mark.parametrize("path", endpoints())
@on_the_loop
async def test_a_key_held_to_a_network_works_from_there(path: str) -> None:
    at = await house()
    answer = await at.post(path, {**FIELDS, "apikey": "from-here"})
    assert answer.status not in (401, 403), answer.body


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("", "missing_apikey"),
        ("wrong", "invalid_apikey"),
        ("ended", "expired_apikey"),
        ("revoked", "invalid_apikey"),
        ("no-scope", "forbidden"),
        ("elsewhere", "forbidden"),
    ],
)
@on_the_loop
async def test_soap_says_so_in_a_fault(key: str, code: str) -> None:
    at = await house()
    for headers, in_envelope in (({}, key), ({"Authorization": f"Bearer {key}"}, "")):
        answer = await at.post(ENDPOINT, ENVELOPE.format(in_envelope).encode(), {"Content-Type": "text/xml", **headers})
        assert answer.status == 500 and code.encode() in answer.body, answer.body
    assert await at.rows() == []
    answer = await at.post(ENDPOINT, ENVELOPE.format("from-here").encode(), {"Content-Type": "text/xml"})
    assert answer.status == 200, answer.body


@on_the_loop
async def test_a_good_key_beside_a_wrong_bearer_suffices_even_after_many_wrong_ones() -> None:
    at = await house()
    for _ in range(GUESSES_MOST + 1):
        last = await at.post("/sendsms", {**FIELDS, "apikey": "wrong"})
    assert (last.status, last.headers["retry-after"]) == (429, "60")
    assert (await at.post("/sendsms", {**FIELDS, "apikey": KEY}, {"Authorization": "Bearer wrong"})).status == 200
