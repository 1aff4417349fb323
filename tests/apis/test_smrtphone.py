"""smrtPhone's API: what its page and its callers are known to send, what they are known to understand, each refusal by its letter."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.apis import ApiSettings, smrtphone
from adapters.apis._smrtphone_webhooks import sms_id
from service.accounts import Account, ApiKey, Scope, digest_of
from service.errors import OptedOut, Unavailable
from service.fleet import Sim
from service.guesses import GUESSES_MOST
from service.ports import Acceptance
from service.quotas import AccountQuotas, Quotas
from tests.apis.gateway import KEY, MemoryGateway
from tests.fakes import START, on_the_loop
from tests.http_peer import Answer

OURS, SECOND, THEIRS, TO = "+18652730270", "+19088679098", "+12125550123", "+12065551212"
PHONE = "00112233445566ff"
HEADERS = {"X-Auth-smrtPhone": KEY}
FORM = {**HEADERS, "Content-Type": "application/x-www-form-urlencoded"}
SENT = {"from": OURS, "to": TO, "message": "Hello"}
FAILED = b"Error: An unknown error occurred. Please contact your system administrator"


async def house(settings: ApiSettings | None = None, **account: Any) -> MemoryGateway:
    """With a phone of two SIMs, and another account with a phone of its own."""
    at = MemoryGateway(smrtphone.api, settings)
    made = await at.account(**account)
    at.connect(PHONE, made.id, cards=(Sim(slot=1, number=OURS), Sim(slot=2, number="(908) 867-9098")))
    other = await at.account("the-key-of-another", default_country="US")
    at.connect("ffeeddccbbaa9988", other.id, phone_number=THEIRS)
    return at


async def send(at: MemoryGateway, headers: Mapping[str, str] = HEADERS, **fields: str) -> Answer:
    return await at.post("/sms/send", {**SENT, **fields}, headers)


# what is sent


MULTIPART = (
    '--x\r\nContent-Disposition: form-data; name="to"\r\n\r\n+12065551212\r\n'
    '--x\r\nContent-Disposition: form-data; name="from"\r\n\r\n+18652730270\r\n'
    '--x\r\nContent-Disposition: form-data; name="message"\r\n\r\nhé & all\r\n--x--\r\n'
).encode()


@pytest.mark.parametrize(
    ("path", "headers", "body", "text"),
    [
        ("/sms/send", FORM, b"from=%2B18652730270&to=%2B12065551212&message=h%C3%A9+%26+all", "hé & all"),
        ("/sms/send/", FORM, b"from=%2B18652730270&to=%2B12065551212&message=x", "x"),
        ("//sms/send", FORM, b"from=%2B18652730270&to=%2B12065551212&message=x", "x"),
        ("/sms/send", {**FORM, "Accept": "application/json"}, b"from=+18652730270&to=+12065551212&message=x", "x"),
        ("/sms/send", FORM, b"from=8652730270&to=206-555-1212&message=x&smrtPhoneGroupId=7&sfRecordId=1&sfUserId=2", "x"),
        ("/sms/send", {**HEADERS, "Content-Type": "multipart/form-data; boundary=x"}, MULTIPART, "hé & all"),
        ("/sms/send", {**HEADERS, "Content-Type": "application/json"}, json.dumps(SENT).encode(), "Hello"),
        ("/sms/send", {**HEADERS, "Content-Type": "application/json"}, b'{"from":18652730270,"to":12065551212,"message":"x"}', "x"),
        ("/sms/send", HEADERS, b"from=18652730270&to=12065551212&message=x", "x"),
        ("/sms/send", {"x-auth-smrtphone": KEY, "Content-Type": FORM["Content-Type"]}, b"from=18652730270&to=12065551212&message=x", "x"),
    ],
)
@on_the_loop
async def test_what_callers_send_is_accepted(path: str, headers: dict[str, str], body: bytes, text: str) -> None:
    at = await house()
    answer = await at.post(path, body, headers)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json"), answer.body
    [row] = await at.rows()
    assert (row.recipient, row.text, row.wanted_device, row.wanted_sim, row.api) == (TO, text, PHONE, 1, "smrtphone")
    told = json.loads(answer.body)
    assert told == {"success": True, "smsId": sms_id(row.guid), "messageId": sms_id(row.guid), "status": "queued"}
    assert re.fullmatch("[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", told["smsId"])


@pytest.mark.parametrize("kind", ["", "Content-Type: application/x-www-form-urlencoded\r\n"])
@on_the_loop
async def test_what_globiflow_sends_is_accepted_as_its_page_has_it(kind: str) -> None:
    """API Header ::X-Auth-smrtPhone:API KEY    POST Parameters ::from=[From Number]&to=[mobile]&message=[Text Message]"""
    at = await house()
    for body in (
        "from=+18652730270&to=(206) 555-1212&message=Hi there, 50% off?",
        "from=%2B18652730270&to=%28206%29+555-1212&message=Hi+there%2C+50%25+off%3F",
    ):
        head = f"POST /sms/send HTTP/1.1\r\nHost: sms.test\r\nX-Auth-smrtPhone:{KEY}\r\n{kind}Content-Length: {len(body)}\r\n\r\n"
        answer = await at.say((head + body).encode())
        assert answer.status == 200, answer.body
    assert [(row.recipient, row.text) for row in await at.rows()] == [(TO, "Hi there, 50% off?")] * 2


@on_the_loop
async def test_from_says_which_sim_sends_it() -> None:
    at = await house(default_country="US")
    assert (await send(at, **{"from": SECOND})).status == 200
    assert [(row.wanted_device, row.wanted_sim) for row in await at.rows()] == [(PHONE, 2)]


@on_the_loop
async def test_a_plain_answer_is_the_id() -> None:
    at = await house(ApiSettings(smrtphone_plain=True))
    answer = await send(at)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; charset=UTF-8")
    assert answer.body.decode() == sms_id((await at.rows())[0].guid)


@on_the_loop
async def test_an_idempotency_key_makes_a_repetition_the_same() -> None:
    at = await house()
    first, second = [await send(at, {**HEADERS, "Idempotency-Key": "k"}) for _ in range(2)]
    assert first.body == second.body and len(await at.rows()) == 1
    other = await send(at, {**HEADERS, "Idempotency-Key": "k"}, message="another")
    assert (other.status, other.body) == (409, b"This idempotency key was used for another request")


# what is refused


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({}, "from, to, message"),
        ({"message": "x"}, "from, to"),
        ({"from": OURS, "message": "x"}, "to"),
        ({"to": TO, "from": " ", "message": "\t"}, "from, message"),
    ],
)
@on_the_loop
async def test_what_is_missing_is_named_in_order(fields: dict[str, str], missing: str) -> None:
    at = await house()
    answer = await at.post("/sms/send", fields, HEADERS)
    assert (answer.status, answer.body.decode()) == (400, f"Missing required parameter(s): {missing}")
    assert answer.headers["content-type"] == "text/html; charset=UTF-8"
    assert await at.rows() == []


@on_the_loop
async def test_an_empty_call_tries_a_key() -> None:
    at = await house()
    good = await at.post("/sms/send", b"", HEADERS)
    assert (good.status, good.body) == (400, b"Missing required parameter(s): from, to, message")
    bad = await at.post("/sms/send", b"", {"X-Auth-smrtPhone": "bogus"})
    assert (bad.status, bad.body) == (403, b"Forbidden")


@on_the_loop
async def test_the_key_comes_first_and_only_its_header_counts() -> None:
    at = await house()
    account = Account(id=1, name="")
    for secret, fields in {"ended": {"expires": START}, "reader": {"scopes": Scope.READ}}.items():
        given: dict[str, Any] = {"id": 0, "account_id": account.id, "label": "", "digest": digest_of(secret), **fields}
        await at.store.create_key(ApiKey(**given))
    for headers in (
        {},
        {"X-Auth-smrtPhone": ""},
        {"Authorization": f"Bearer {KEY}"},
        *({"X-Auth-smrtPhone": k} for k in ("x", "ended", "reader")),
    ):
        for body in (b"", b"{", b"from=nobody&apikey=" + KEY.encode()):
            answer = await at.post("/sms/send", body, headers)
            assert (answer.status, answer.body) == (403, b"Forbidden")
    for _ in range(GUESSES_MOST):
        answer = await send(at, {"X-Auth-smrtPhone": "x"})
    assert answer.status == 429 and int(answer.headers["retry-after"]) > 0
    assert (await send(at)).status == 200
    assert len(await at.rows()) == 1 and KEY not in repr(at.log.lines)


@pytest.mark.parametrize(
    ("fields", "said", "refusal"),
    [
        ({"from": "nobody"}, "Invalid from number", "invalid"),
        ({"from": "+12065550000"}, "Invalid from number", "invalid"),
        ({"from": THEIRS}, "Invalid from number", "invalid"),
        ({"to": "mobile"}, "Invalid to number", "invalid_recipient"),
        ({"to": "12345"}, "Invalid to number", "invalid_recipient"),
        ({"to": "+1"}, "Invalid to number", "invalid_recipient"),
        ({"to": f"{TO},{OURS}"}, "Invalid to number", "invalid_recipient"),
    ],
)
@on_the_loop
async def test_what_cannot_be_used_is_refused_and_a_row_is_kept(fields: dict[str, str], said: str, refusal: str) -> None:
    at = await house()
    answer = await send(at, **fields)
    assert (answer.status, answer.body.decode()) == (400, said)
    assert [row.refusal for row in await at.rows()] == [refusal]


@on_the_loop
async def test_whoever_does_not_want_texts_is_named_as_callers_look_for_it() -> None:
    at = await house()

    async def accept(acceptance: Acceptance) -> Any:
        raise OptedOut("has asked not to be written to")

    at.store.accept = accept  # type: ignore[method-assign]
    answer = await send(at)
    assert answer.status == 400 and b"do not text" in answer.body.lower()[:200]
    assert [row.refusal for row in await at.rows()] == ["opted_out"]


@on_the_loop
async def test_whatever_is_our_fault_is_one_sentence_to_the_letter() -> None:
    for fault in (Unavailable("the disk is full"), RuntimeError("a bug")):
        at = await house()

        async def accept(acceptance: Acceptance, fault: Exception = fault) -> Any:
            raise fault

        at.store.accept = accept  # type: ignore[method-assign]
        answer = await send(at)
        assert (answer.status, answer.body, answer.headers["content-type"]) == (500, FAILED, "text/html; charset=UTF-8")


@on_the_loop
async def test_what_the_front_door_refuses_is_text_that_no_browser_runs() -> None:
    at = await house()
    answer = await at.get("/sms/send")
    assert answer.status == 405 and "POST" in answer.headers["allow"] and not answer.body.startswith(b"{")
    for body in (b'{"<script>": {}}', b'{"a'):
        answer = await at.post("/sms/send", body, {**HEADERS, "Content-Type": "application/json"})
        assert answer.status == 400 and b"<" not in answer.body, answer.body
        assert answer.headers["x-content-type-options"] == "nosniff"


# the daily limit


def days_begin_at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "midnight", "hours"),
    [
        ("UTC", "2026-03-21T00:00", 24),
        ("America/New_York", "2026-03-08T05:00", 24),
        ("America/New_York", "2026-03-09T04:00", 23),
        ("America/New_York", "2026-11-02T05:00", 25),
    ],
)
@on_the_loop
async def test_a_number_sends_200_a_day_of_the_accounts_zone(zone: str, midnight: str, hours: int) -> None:
    at = await house(time_zone=zone, default_country="US")
    ends = days_begin_at(midnight)
    at.clock.now = ends - timedelta(hours=hours)
    for n in range(200):
        assert (await send(at, message=str(n))).status == 200
    at.clock.now = ends - timedelta(seconds=90)
    answer = await send(at)
    assert (answer.status, answer.headers["retry-after"]) == (429, "90")
    assert answer.body == b"Daily limit of 200 text messages per number exceeded"
    assert (await send(at, **{"from": SECOND})).status == 200, "each number has its own"
    assert [row.refusal for row in await at.rows()][-2:] == ["quota_exceeded", None]
    at.clock.now = ends - timedelta(milliseconds=1)
    assert (await send(at)).status == 429
    at.clock.now = ends
    assert (await send(at)).status == 200


@on_the_loop
async def test_the_operator_decides_how_many_and_how_it_is_said() -> None:
    at = await house(ApiSettings(smrtphone_per_day=2, smrtphone_limit_status=400))
    assert [(await send(at)).status for _ in range(3)] == [200, 200, 400]
    at = await house(ApiSettings(smrtphone_per_day=0))
    assert [(await send(at)).status for _ in range(201)] == [200] * 201
    at = await house(quotas=AccountQuotas(each_number=Quotas(per_day=3)), default_country="US")
    assert [(await send(at)).status for _ in range(4)] == [200, 200, 200, 429]
    assert (await send(at, **{"from": SECOND})).status == 200
    at = await house(quotas=AccountQuotas(whole=Quotas(per_minute=1)), default_country="US")
    assert (await send(at)).status == 200
    answer = await send(at, **{"from": SECOND})
    assert (answer.status, answer.body) == (429, b"The quota of 1 messages a minute for this account is used up")


@on_the_loop
async def test_a_refused_call_is_not_counted() -> None:
    at = await house(ApiSettings(smrtphone_per_day=1))
    for fields in ({"to": "nobody"}, {"message": ""}, {"from": THEIRS}):
        assert (await send(at, **fields)).status == 400
    assert (await send(at)).status == 200
    assert (await send(at)).status == 429


# the footer


@on_the_loop
async def test_the_first_text_to_a_number_has_the_footer_and_again_after_thirty_days() -> None:
    at = await house(ApiSettings(smrtphone_footer="Acme Ltd"))
    footer = '\nMessage sent by Acme Ltd. To opt-out from texts reply with "STOP".'

    async def sent(text: str, to: str = TO) -> str:
        assert (await send(at, message=text, to=to)).status == 200
        return (await at.rows())[-1].text

    assert await sent("one") == "one" + footer
    assert await sent("two") == "two"
    assert await sent(f"not {TO} or +12065551214", "+12065551213") == f"not {TO} or +12065551214" + footer
    assert await sent("one", "+12065551214") == "one" + footer
    at.clock.advance(29 * 86_400)
    assert await sent("three") == "three"
    at.clock.advance(86_400 + 1)
    assert await sent("four") == "four" + footer
    assert await sent("five") == "five"


@on_the_loop
async def test_a_repetition_is_one_with_and_without_the_footer() -> None:
    at = await house(ApiSettings(smrtphone_footer="Acme Ltd"))
    first, second = [await send(at, {**HEADERS, "Idempotency-Key": "k"}) for _ in range(2)]
    assert (first.status, second.status, first.body) == (200, 200, second.body)
    assert len(await at.rows()) == 1


@on_the_loop
async def test_no_footer_unless_a_company_is_named() -> None:
    at = await house()
    await send(at)
    assert [row.text for row in await at.rows()] == ["Hello"]
