"""Every endpoint of SMSMobileAPI, as its own description lists them and their fields, with bad input: a clear error in the API's wording, and
in no case a 500. What an endpoint answers is held to its description too (tests/apis/gateway.py). Keys are in test_keys_everywhere.py.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from adapters.apis import ApiSettings, smsmobileapi
from adapters.call import Route
from service.messages import MoMessage
from tests.apis.gateway import KEY, MemoryGateway
from tests.fakes import START, on_the_loop

OURS, THEIRS = "a-good-key", "the-key-of-another"
LONG = "9" * 10_000
PHONE, THEIR_PHONE = "00112233445566ff", "ffeeddccbbaa9988"

DAYS = ("date", "date_from", "date_to", "date_start", "date_end")
COUNTS = ("limit", "resume_line_how")
WHOLES = ("port", "schedule_timestamp", "validity_s", "after_timestamp_unix")
WISHES = ("sendwa", "waonly", "shorturl", "encrypt_message")
CHOICES = ("sort", "sort_by", "sort_order", "period", "origineConversation", "resume", "sync_sent")
NAMES = ("guid", "guid_message", "sid", "before")
"""what names a message or a phone, or in `before` a moment"""

BAD: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(DAYS, ("yesterday", "2026-13-01", "2026-02-30", "20260320", "0000-00-00", "9999-12-31", "2026-03-20; DROP TABLE")),
    **dict.fromkeys(COUNTS, ("0", "-1", "1.5", "many", "٣", "1e3")),
    **dict.fromkeys(WHOLES, ("-1", "1.5", "soon", "٣", "9" * 30)),
    **dict.fromkeys(WISHES, ("maybe", "2", "oui")),
    **dict.fromkeys(CHOICES, ("unknown", "';--", "mobile_date_ms desc")),
    "recipients": ("nobody", "+", "+1234567890,nobody", "+" + "1" * 30),
    "before": ("nobody", "xyz" * 14),
}
"""values that the field is refused for"""
NEEDED = {
    "recipients": "+32495898697",
    "message": "x",
    "guid": "0" * 40,
    "guid_message": "0" * 40,
    "sid": PHONE,
    "label": "l",
    "alias": "a",
    "origineConversation": "sent",
    "date_start": "2026-03-20",
}
MAY_BE_EMPTY = ("label", "alias")
TAKEN = {
    *("message", "sIdentifiantPhone", "sIdentifiant", "keyword", "number", "search", "numero", "from", "sendsms", "phone_number", "label"),
    *("alias", "idempotency_key", "error_api", "error_mobile", "onlyunread", *NAMES),
}
"""fields of which no value at all is refused for its form, or is bad in a way of its own, which the tests of their endpoints hold"""


@dataclass(frozen=True)
class Endpoint:
    path: str
    fields: tuple[str, ...]
    needed: tuple[str, ...]

    def good(self) -> dict[str, str]:
        """Enough to get past what is required."""
        return {"apikey": OURS, **{name: NEEDED[name] for name in self.fields if name in self.needed}}


def endpoints() -> list[Endpoint]:
    return [_endpoint(route) for route in MemoryGateway(smsmobileapi.api).api.routes]


def _endpoint(route: Route) -> Endpoint:
    (get,) = (operation for operation in route.describe if operation.method == "GET")
    named = tuple(it.name for it in get.parameters)
    # of two ways to say what is to be deleted one is needed, which a description cannot say
    needed = ("date_start",) if route.path == "/deletesms" else tuple(it.name for it in get.parameters if it.is_needed)
    return Endpoint(route.path, named, needed)


ALL = endpoints()
ROWS = [
    pytest.param(at, name, value, id=f"{at.path}-{name}-{value[:12]!a}") for at in ALL for name in at.fields for value in BAD.get(name, ())
]
FIELDS = [pytest.param(at, name, id=f"{at.path}-{name}") for at in ALL for name in at.fields]


async def house() -> MemoryGateway:
    """With a phone and a message each way, of two accounts."""
    at = MemoryGateway(smsmobileapi.api, ApiSettings(public_url="https://sms.example.org"))
    for key, phone in ((KEY, PHONE), (THEIRS, THEIR_PHONE)):
        account = await at.account(key)
        driver = at.connect(phone, account.id)
        await at.get("/sendsms", apikey=key, recipients="+32495898697", message="x")
        await at.deliver(driver)
        await at.outcome.received(MoMessage(sender="+32495898697", text="y", device=phone, received=START))
    return at


def told(body: bytes) -> str:
    """The sentence of a refusal."""
    said = json.loads(body)
    return str(said["error"] if said.get("success") is False else said["result"]["message"])


def test_every_field_is_in_the_matrix_or_said_to_take_anything() -> None:
    assert {name for at in ALL for name in at.fields} - BAD.keys() - TAKEN == set()
    assert len(ROWS) > 60


@pytest.mark.parametrize("by", ["query", "form", "json"])
@pytest.mark.parametrize(("endpoint", "name", "value"), ROWS)
@on_the_loop
async def test_a_value_that_cannot_be_used_is_refused_and_named(endpoint: Endpoint, name: str, value: str, by: str) -> None:
    at = await house()
    before = await at.rows()
    fields = {**endpoint.good(), name: value}
    if by == "query":
        answer = await at.get(endpoint.path, **fields)
    else:
        answer = await (at.post(endpoint.path, fields) if by == "form" else at.post_json(endpoint.path, fields))
    assert answer.status == 400, answer.body
    assert name in told(answer.body) or name == "recipients", answer.body
    assert [row.guid for row in await at.rows() if row.refusal is None] == [row.guid for row in before]


@pytest.mark.parametrize(("endpoint", "name"), [row for row in FIELDS if row.values[1] in row.values[0].needed])
@on_the_loop
async def test_what_is_needed_and_missing_is_named(endpoint: Endpoint, name: str) -> None:
    at, fields = await house(), endpoint.good()
    del fields[name]
    for given in (fields, {**fields, name: ""}):
        answer = await at.post(endpoint.path, given)
        if name in MAY_BE_EMPTY and name in given:
            assert answer.status in (200, 404)
            continue
        assert answer.status == 400
        assert told(answer.body) == f"Missing required parameter: {'guid_message' if name == 'date_start' else name}"


@pytest.mark.parametrize(("endpoint", "name"), [row for row in FIELDS if row.values[1] not in ("message",)])
@on_the_loop
async def test_a_value_of_ten_thousand_characters_does_no_harm(endpoint: Endpoint, name: str) -> None:
    """Text, digits, letters that are long in UTF-8: refused in the API's words, or nothing is found, or it is only ignored."""
    at = await house()
    for value in (LONG, "x" * 10_000, "é" * 10_000, "%" * 10_000, "," * 10_000):
        answer = await at.post(endpoint.path, {**endpoint.good(), name: value})
        assert answer.status in (200, 400, 404), answer.body
        if answer.status != 200:
            assert len(told(answer.body)) < 600, answer.body
    assert not [line for line in at.log.lines if line[0] == "handler failed"]


@pytest.mark.parametrize(("endpoint", "name"), [row for row in FIELDS if row.values[1] in NAMES and row.values[1] != "before"])
@on_the_loop
async def test_what_is_another_accounts_is_as_unknown_as_what_never_was(endpoint: Endpoint, name: str) -> None:
    at = await house()
    theirs = THEIR_PHONE if name == "sid" else (await at.rows(2))[0].guid
    if endpoint.path in ("/getsms/set-read", "/getsms/update"):
        theirs = json.loads((await at.get("/getsms", apikey=THEIRS)).body)["result"]["sms"][0]["guid"]
    unknown = "0" * len(theirs)
    first, second = [await at.post(endpoint.path, {**endpoint.good(), name: value}) for value in (theirs, unknown)]
    assert first.status == second.status
    assert first.body.replace(theirs.encode(), b"") == second.body.replace(unknown.encode(), b"")
    assert len(await at.rows(2)) == 1 and at.fleet.get(2, THEIR_PHONE) is not None
