"""Every request of the app, whole, as it stands on the wire, by the versions that make it otherwise.

SMSGate app, GatewayApi.kt, SSEManager.kt. What the order of the headers is depends on the app's libraries and is not claimed.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from tests.peers.scripted_gateway import ScriptedGateway
from tests.peers.smsgate_air import Outcome
from tests.peers.smsgate_house import House, message
from tests.peers.smsgate_http import Request
from tests.virtual_time import in_virtual_time

COMMON = ("Host: gateway.test", "Connection: Keep-Alive", "Accept-Encoding: gzip")
JSON = ("Accept: application/json", "Accept-Charset: UTF-8")
TOKEN = "Authorization: Bearer token-1"
SIM = b'{"slotIndex":0,"simNumber":1,"phoneNumber":"********0001","carrierName":"****imus","iccid":"***************1234"}'


@dataclass(frozen=True, kw_only=True)
class Transcript:
    versions: tuple[str, ...]
    first: str
    headers: tuple[str, ...]
    body: bytes = b""

    def at(self, version: str) -> tuple[str, set[str], bytes]:
        length = {f"Content-Length: {len(self.body)}"} if self.body else set()
        typed = {"Content-Type: application/json"} if self.body else set()
        agent = (
            set() if any(header.startswith("User-Agent") for header in self.headers) else {f"User-Agent: me.capcom.smsgateway/{version}"}
        )
        return self.first, {*self.headers, *COMMON, *length, *typed, *agent}, self.body


ALL = ("1.38.0", "1.42.0", "1.45.0", "1.52.0", "1.60.0", "1.64.0", "1.66.0", "1.68.0")
UP_TO_64, FROM_66 = ALL[:6], ALL[6:]
TRANSCRIPTS = (
    Transcript(
        versions=UP_TO_64,
        first="POST /mobile/v1/device HTTP/1.1",
        headers=(*JSON, "Authorization: Bearer private"),
        body=b'{"name":"Google/redfin"}',
    ),
    Transcript(
        versions=FROM_66,
        first="POST /mobile/v1/device HTTP/1.1",
        headers=(*JSON, "Authorization: Bearer private"),
        body=b'{"name":"Google/redfin","simCards":[%s]}' % SIM,
    ),
    Transcript(versions=UP_TO_64, first="PATCH /mobile/v1/device HTTP/1.1", headers=(*JSON, TOKEN), body=b'{"id":"device-1"}'),
    Transcript(
        versions=FROM_66, first="PATCH /mobile/v1/device HTTP/1.1", headers=(*JSON, TOKEN), body=b'{"id":"device-1","simCards":[%s]}' % SIM
    ),
    Transcript(versions=ALL, first="GET /mobile/v1/device HTTP/1.1", headers=(*JSON, TOKEN)),
    Transcript(versions=ALL, first="GET /mobile/v1/webhooks HTTP/1.1", headers=(*JSON, TOKEN)),
    Transcript(versions=ALL, first="GET /mobile/v1/settings HTTP/1.1", headers=(*JSON, TOKEN)),
    Transcript(versions=ALL[:3], first="GET /mobile/v1/message HTTP/1.1", headers=(*JSON, TOKEN)),
    Transcript(versions=ALL[3:], first="GET /mobile/v1/message?order=lifo HTTP/1.1", headers=(*JSON, TOKEN)),
    # the stream is asked for by another client of the app, which does not tell the app's version
    Transcript(
        versions=ALL[2:],
        first="GET /mobile/v1/events HTTP/1.1",
        headers=(TOKEN, "Accept: text/event-stream", "User-Agent: okhttp/4.10.0"),
    ),
    Transcript(
        versions=ALL,
        first="PATCH /mobile/v1/message HTTP/1.1",
        headers=(*JSON, TOKEN),
        body=b'[{"id":"m1","state":"Failed","recipients":[{"phoneNumber":"+32495898697","state":"Failed",'
        b'"error":"Send result: RESULT_ERROR_RADIO_OFF (a \\u003d b)"}],'
        b'"states":{"Pending":"2026-03-20T12:00:01.000Z","Processed":"2026-03-20T12:00:01.000Z","Failed":"2026-03-20T12:00:01.000Z"}}]',
    ),
    Transcript(
        versions=ALL,
        first="GET /mobile/v1/user/code HTTP/1.1",
        headers=(*JSON, "Authorization: Basic QUJDREVGOnNlY3JldC1wYXNzd29yZA=="),
    ),
    Transcript(
        versions=ALL,
        first="PATCH /mobile/v1/user/password HTTP/1.1",
        headers=(*JSON, TOKEN),
        body=b'{"currentPassword":"secret-password","newPassword":"a-new-password"}',
    ),
)


def taken_apart(request: Request) -> tuple[str, set[str], bytes]:
    head, _, body = request.wire().partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    assert len(lines) == len({line.partition(":")[0].lower() for line in lines})
    return first, set(lines), body


@pytest.mark.parametrize("version", ALL)
@in_virtual_time
async def test_it_asks_this_and_nothing_else(version: str) -> None:
    house = House(ScriptedGateway())
    phone = house.phone(version, outcome=Outcome(failure="RESULT_ERROR_RADIO_OFF (a = b)"))
    phone.start()
    await asyncio.sleep(1)
    await phone.stop()
    house.gateway.messages = [message()]
    phone.start()
    await asyncio.sleep(0.1)
    await phone.stop()
    phone.device.reception.regain()
    assert await phone.api.login_code() == "abc234"
    await phone.api.change_password("a-new-password")
    asked = [taken_apart(request) for _, request in house.gateway.asked]
    expected = [transcript.at(version) for transcript in TRANSCRIPTS if version in transcript.versions]
    for transcript in expected:
        assert transcript in asked
    for request in asked:
        assert request in expected
