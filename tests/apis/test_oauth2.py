"""/oauth2/token and /oauth2/revoke: a token for a client's secret, each refusal in the words of RFC 6749, section 5.2."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.task import Clock

from adapters.apis import oauth2, smsmobileapi
from adapters.web import FrontDoor
from service import keys
from service.accounts import ALL_SCOPES, ApiKey, Scope
from service.guesses import GUESSES_MOST
from tests.apis.gateway import MemoryGateway
from tests.fakes import on_the_loop
from tests.http_peer import Answer

GRANT = {"grant_type": "client_credentials"}
PEER = "192.168.1.1"
"""of the connections that the tests make"""


class House:
    """A client that may send and read, behind /oauth2 and the vendor's endpoints."""

    at: MemoryGateway
    client: ApiKey
    secret: str

    async def opened(self, scopes: Scope = Scope.SEND | Scope.READ, **fields: Any) -> House:
        self.at = MemoryGateway(oauth2.api)
        self.at.door = FrontDoor(
            [self.at.api, smsmobileapi.api(self.at.gateway, smsmobileapi.ApiSettings())], log=self.at.log, clock=Clock()
        )
        account = await self.at.account()
        self.client, self.secret = await keys.create(self.at.gateway.accounts, account.name, scopes=scopes, is_client=True, **fields)
        return self

    @property
    def form(self) -> dict[str, str]:
        return {**GRANT, "client_id": str(self.client.client_id), "client_secret": self.secret}

    def basic(self, secret: str | None = None) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(f"{self.client.client_id}:{secret or self.secret}".encode()).decode()}

    async def token(self, **fields: str) -> str:
        answer = await self.at.post("/oauth2/token", {**self.form, **fields})
        assert answer.status == 200, answer.body
        return str(json.loads(answer.body)["access_token"])

    async def log(self, token: str) -> Answer:
        return await self.at.get("/log/sent/sms/", {"Authorization": f"Bearer {token}"})

    async def send(self, token: str) -> Answer:
        return await self.at.post("/sendsms", {"recipients": "+32495898697", "message": "x"}, {"Authorization": f"Bearer {token}"})


@on_the_loop
async def test_a_client_gets_a_token_by_the_form_as_the_vendors_page_has_it() -> None:
    house = await House().opened()
    answer = await house.at.post("/oauth2/token", house.form)
    body = json.loads(answer.body)
    assert (answer.status, answer.headers["cache-control"], answer.headers["content-type"]) == (200, "no-store", "application/json")
    assert {name: value for name, value in body.items() if name != "access_token"} == {
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": "send read",
    }
    assert (await house.send(body["access_token"])).status == 200
    assert (await house.log(body["access_token"])).status == 200
    (row,) = await house.at.rows()
    assert row.key_id == house.client.id


@on_the_loop
async def test_a_client_may_say_who_it_is_by_http_basic() -> None:
    house = await House().opened()
    answer = await house.at.post("/oauth2/token/", GRANT, house.basic())
    assert (await house.log(json.loads(answer.body)["access_token"])).status == 200


@on_the_loop
async def test_a_token_may_do_what_was_asked_for_and_no_more() -> None:
    house = await House().opened()
    token = await house.token(scope="read")
    assert (await house.log(token)).status == 200
    answer = await house.send(token)
    assert (answer.status, answer.headers["www-authenticate"]) == (403, 'Bearer error="insufficient_scope", scope="send"')


REFUSED: list[tuple[dict[str, str], int, str]] = [
    ({"client_secret": "wrong"}, 401, "invalid_client"),
    ({"client_id": "nobody"}, 401, "invalid_client"),
    ({"client_secret": ""}, 401, "invalid_client"),
    ({"client_id": "", "client_secret": ""}, 401, "invalid_client"),
    ({"client_secret": "x" * 10_000}, 401, "invalid_client"),
    ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ({"grant_type": "authorization_code"}, 400, "unsupported_grant_type"),
    ({"grant_type": ""}, 400, "invalid_request"),
    ({"scope": "admin"}, 400, "invalid_scope"),
    ({"scope": "send admin"}, 400, "invalid_scope"),
    ({"scope": "everything"}, 400, "invalid_scope"),
    ({"scope": "é" * 5_000}, 400, "invalid_scope"),
]


@pytest.mark.parametrize(("fields", "status", "code"), REFUSED)
@on_the_loop
async def test_each_refusal_has_its_word(fields: dict[str, str], status: int, code: str) -> None:
    house = await House().opened()
    answer = await house.at.post("/oauth2/token", {**house.form, **fields})
    assert (answer.status, json.loads(answer.body)["error"]) == (status, code)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers.get("www-authenticate") == ('Basic realm="dragoman"' if status == 401 else None)


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/oauth2/token", b""),
        ("/oauth2/token", b"\xff\xfe%zz=&&&"),
        ("/oauth2/token", b'{"grant_type": "client_credentials"}'),
        ("/oauth2/token?grant_type=client_credentials", b"grant_type=client_credentials"),
        ("/oauth2/token", b"grant_type=client_credentials&grant_type=client_credentials&client_id=a&client_secret=b"),
        ("/oauth2/token", b"grant_type=client_credentials&client_id=a&client_id=b&client_secret=c"),
    ],
)
@on_the_loop
async def test_a_request_that_cannot_be_read_is_the_callers_fault(target: str, body: bytes) -> None:
    house = await House().opened()
    answer = await house.at.post(target, body, {"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status in (400, 401)
    assert json.loads(answer.body)["error"] in ("invalid_request", "invalid_client")


@pytest.mark.parametrize("authorization", ["Basic", "Basic ###", "Basic /////w==", "Basic YQ==", "Bearer x"])
@on_the_loop
async def test_a_header_that_names_no_client_is_invalid_client(authorization: str) -> None:
    house = await House().opened()
    answer = await house.at.post("/oauth2/token", GRANT, {"Authorization": authorization})
    assert (answer.status, json.loads(answer.body)["error"]) == (401, "invalid_client")


@on_the_loop
async def test_a_client_that_says_twice_who_it_is_is_refused() -> None:
    house = await House().opened()
    answer = await house.at.post("/oauth2/token", house.form, house.basic())
    assert (answer.status, json.loads(answer.body)["error"]) == (400, "invalid_request")


@on_the_loop
async def test_only_post_is_served() -> None:
    house = await House().opened()
    answer = await house.at.get("/oauth2/token", **house.form)
    assert (answer.status, answer.headers["allow"]) == (405, "OPTIONS, POST")


@on_the_loop
async def test_a_client_held_to_networks_gets_and_uses_tokens_there_only() -> None:
    house = await House().opened(networks=keys.networks_of(["10.0.0.0/8"]))
    answer = await house.at.post("/oauth2/token", house.form)
    assert (answer.status, json.loads(answer.body)["error"]) == (400, "unauthorized_client")
    accounts = house.at.gateway.accounts
    await keys.change(accounts, await _with(house, f"{PEER}/32"))
    token = await house.token()
    assert (await house.log(token)).status == 200
    await keys.change(accounts, await _with(house, "10.0.0.0/8"))
    assert (await house.log(token)).status == 403


async def _with(house: House, network: str) -> ApiKey:
    return replace(house.client, networks=keys.networks_of([network]))


@on_the_loop
async def test_many_wrong_secrets_are_told_to_stop_and_the_right_one_works() -> None:
    house = await House().opened()
    wrong = {**house.form, "client_secret": "wrong"}
    for _ in range(GUESSES_MOST):
        assert (await house.at.post("/oauth2/token", wrong)).status == 401
    answer = await house.at.post("/oauth2/token", wrong)
    assert (answer.status, answer.headers["retry-after"]) == (429, "60")
    assert await house.token()


@on_the_loop
async def test_a_secret_is_no_api_key_and_a_revoked_client_gets_nothing() -> None:
    house = await House().opened()
    token = await house.token()
    assert (await house.log(house.secret)).status == 401
    assert (await house.at.get("/log/sent/sms", apikey=house.secret)).status == 403
    await keys.revoke(house.at.gateway.accounts, house.client)
    answer = await house.log(token)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')
    assert (await house.at.post("/oauth2/token", house.form)).status == 401


@on_the_loop
async def test_a_token_ends_after_an_hour() -> None:
    house = await House().opened()
    token = await house.token()
    house.at.clock.advance(3599.999)
    assert (await house.log(token)).status == 200
    house.at.clock.advance(0.001)
    answer = await house.log(token)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')


@on_the_loop
async def test_a_client_revokes_its_token_and_no_other() -> None:
    house = await House().opened()
    other = await House().opened()
    token, kept = await house.token(), await house.token()
    client = {name: value for name, value in house.form.items() if name != "grant_type"}
    strange = {"client_id": str(other.client.client_id), "client_secret": other.secret}
    assert (await house.at.post("/oauth2/revoke", {**strange, "token": token})).status == 401
    assert (await house.log(token)).status == 200
    answer = await house.at.post("/oauth2/revoke", {**client, "token": token})
    assert (answer.status, answer.body) == (200, b"")
    assert (await house.log(token)).status == 401
    assert (await house.log(kept)).status == 200
    assert (await house.at.post("/oauth2/revoke", {**client, "token": "unknown"})).status == 200
    assert (await house.at.post("/oauth2/revoke", client)).status == 400
    assert (await house.at.post("/oauth2/revoke", {"token": kept})).status == 401


@on_the_loop
async def test_no_secret_and_no_token_is_in_the_log_of_the_server_or_in_the_store() -> None:
    house = await House().opened(ALL_SCOPES)
    token = await house.token()
    await house.log(token)
    await house.at.post("/oauth2/token", {**house.form, "client_secret": "wrong-secret"})
    kept = repr(house.at.store)
    for secret in (token, house.secret, "wrong-secret"):
        assert secret not in repr(house.at.log.lines) and secret not in kept
