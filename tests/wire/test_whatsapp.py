"""What is asked of WhatsApp upstreams and what is understood of them, in both dialects; shapes as their documentation has them."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.wire.whatsapp import CloudApi, Dialect, Incoming, Told, Unreadable, Waha, dialect_of
from service.errors import SendFailed
from tests.peers import whatsapp_upstreams as upstreams

META = CloudApi(phone_number_id="106540352242922", token="a-token-of-meta", app_secret="a-secret-of-the-app")
WAHA = Waha(session="default", key="a-key-of-waha", secret="a-secret-for-hooks")
BOTH = pytest.mark.parametrize("dialect", [META, WAHA], ids=["cloud", "waha"])
AT = datetime.fromtimestamp(1795368000, UTC)


def headers_of(hook: upstreams.Hook) -> Any:
    kept = {name.lower(): value for name, value in hook[0].items()}
    return lambda name: kept.get(name, "")


def test_a_text_by_the_cloud_api() -> None:
    request = META.submit("+32495898697", 'é "😀"')
    assert (request.method, request.path) == ("POST", "/v23.0/106540352242922/messages")
    assert request.headers == {"Authorization": "Bearer a-token-of-meta", "Content-Type": "application/json"}
    assert json.loads(request.body) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "32495898697",
        "type": "text",
        "text": {"body": 'é "😀"'},
    }


def test_a_text_within_a_template() -> None:
    config = {"dialect": "cloud", "phone_number_id": "1", "version": "v30.0", "template": "notice", "language": "nl"}
    request = dialect_of(config, {"key": "k", "secret": "s"}).submit("+32495898697", "Hi")
    assert request.path == "/v30.0/1/messages"
    body = json.loads(request.body)
    assert (body["type"], body["template"]["name"], body["template"]["language"]) == ("template", "notice", {"code": "nl"})
    assert body["template"]["components"] == [{"type": "body", "parameters": [{"type": "text", "text": "Hi"}]}]
    assert "text" not in body


def test_a_text_by_waha() -> None:
    request = dialect_of({"dialect": "waha", "session": "default"}, {"key": "k", "secret": "s"}).submit("+32495898697", "Hi é")
    assert (request.method, request.path, request.headers["X-Api-Key"]) == ("POST", "/api/sendText", "k")
    assert json.loads(request.body) == {"session": "default", "chatId": "32495898697@c.us", "text": "Hi é"}


@pytest.mark.parametrize(
    ("dialect", "body", "id"),
    [
        (META, {"messages": [{"id": "wamid.HBgL"}], "contacts": []}, "wamid.HBgL"),
        (WAHA, {"id": "true_3249@c.us_3EB0"}, "true_3249@c.us_3EB0"),
        (WAHA, {"id": {"fromMe": True, "id": "3EB0", "_serialized": "true_3249@c.us_3EB0"}}, "true_3249@c.us_3EB0"),
        (WAHA, {"key": {"id": "3EB0", "remoteJid": "3249@s.whatsapp.net"}}, "3EB0"),
    ],
)
def test_a_message_that_was_taken(dialect: Dialect, body: object, id: str) -> None:
    assert dialect.taken(201, json.dumps(body).encode()) == id


def meta_error(code: int) -> dict[str, Any]:
    return {"error": {"message": "what it says", "type": "OAuthException", "code": code, "error_data": {"details": "why"}}}


@pytest.mark.parametrize(
    ("dialect", "status", "body", "permanent", "unknown", "reason"),
    [
        (META, 400, meta_error(131026), True, False, "131026: why"),
        (META, 400, meta_error(131047), True, False, "131047: why"),
        (META, 400, meta_error(130429), False, False, "130429: why"),
        (META, 401, meta_error(190), False, False, "190: why"),
        (META, 429, meta_error(80007), False, False, "80007: why"),
        (META, 500, meta_error(131000), False, False, "131000: why"),
        (META, 500, meta_error(99), False, False, "99: why"),
        (META, 400, {"error": {"code": 100, "message": "m" * 500}}, True, False, ("100: " + "m" * 500)[:200]),
        (META, 502, "<html>", False, True, "answered HTTP 502"),
        (META, 404, "<html>", True, False, "answered HTTP 404"),
        (META, 403, "<html>", False, False, "answered HTTP 403"),
        (META, 400, {"error": {"code": [], "message": "m"}}, True, False, "[]: m"),
        (META, 200, {"messages": []}, False, True, "the answer names no message"),
        (META, 200, "garbage", False, True, "the answer names no message"),
        (WAHA, 422, {"error": "Session status is not as expected"}, False, False, "422: Session status is not as expected"),
        (WAHA, 400, {"message": ["chatId must be a string"]}, True, False, "400: ['chatId must be a string']"),
        (WAHA, 401, {"message": "Unauthorized"}, False, False, "401: Unauthorized"),
        (WAHA, 500, {"message": "Internal"}, False, False, "500: Internal"),
        (WAHA, 504, "", False, True, "answered HTTP 504"),
        (WAHA, 201, {"id": None}, False, True, "the answer names no message"),
    ],
)
def test_a_message_that_was_not_taken(dialect: Dialect, status: int, body: Any, permanent: bool, unknown: bool, reason: str) -> None:
    with pytest.raises(SendFailed) as failed:
        dialect.taken(status, body.encode() if isinstance(body, str) else json.dumps(body).encode())
    assert (failed.value.permanent, failed.value.unknown, failed.value.reason) == (permanent, unknown, reason)


@pytest.mark.parametrize(
    ("dialect", "status", "body", "up"),
    [
        (META, 200, {"id": "106540352242922"}, True),
        (META, 401, meta_error(190), False),
        (WAHA, 200, {"name": "default", "status": "WORKING"}, True),
        (WAHA, 200, {"name": "default", "status": "SCAN_QR_CODE"}, False),
        (WAHA, 404, {}, False),
    ],
)
def test_whether_it_could_send(dialect: Dialect, status: int, body: object, up: bool) -> None:
    assert dialect.is_up(status, json.dumps(body).encode()) is up
    assert dialect.probe().method == "GET"


@pytest.mark.parametrize(
    ("dialect", "hook"),
    [(META, upstreams.CloudApi().status("wamid.1", "sent")), (WAHA, upstreams.Waha().ack("true_1", 1))],
    ids=["cloud", "waha"],
)
def test_only_what_is_signed_is_genuine(dialect: Dialect, hook: upstreams.Hook) -> None:
    _, body = hook
    assert dialect.is_genuine(headers_of(hook), body)
    assert not dialect.is_genuine(headers_of(hook), body + b" ")
    assert not dialect.is_genuine(lambda name: "", body)
    assert not dialect.is_genuine(lambda name: "\xff", body)
    without = {"cloud": CloudApi(phone_number_id="1", token="t", app_secret=""), "waha": Waha(session="default", key="k", secret="")}
    for each in without.values():
        forged = upstreams.CloudApi(app_secret="").signed(body)[0] | upstreams.Waha(secret="").signed(body)[0]
        assert not each.is_genuine(headers_of((forged, body)), body), "an empty secret signs nothing"


CLOUD_CALLS: list[tuple[upstreams.Hook, list[Any]]] = [
    (upstreams.CloudApi().status("wamid.1", "sent"), [Told(id="wamid.1", state="sent", at=AT)]),
    (upstreams.CloudApi().status("wamid.1", "delivered"), [Told(id="wamid.1", state="delivered", at=AT)]),
    (upstreams.CloudApi().status("wamid.1", "read"), [Told(id="wamid.1", state="delivered", at=AT)]),
    (
        upstreams.CloudApi().failed("wamid.1", 131047, "Re-engagement"),
        [Told(id="wamid.1", state="failed", at=AT, error="131047: Re-engagement")],
    ),
    (upstreams.CloudApi().status("wamid.1", "deleted"), []),
    (upstreams.CloudApi().message("32495898697", "Hi é"), [Incoming(id="wamid.in", sender="+32495898697", text="Hi é", at=AT)]),
    (upstreams.CloudApi().message("", "Hi"), [Incoming(id="wamid.in", sender="BE.13491208655302741918", text="Hi", at=AT)]),
    (
        upstreams.CloudApi().message("32495898697", "", type="image", image={"caption": "our door", "id": "9"}),
        [Incoming(id="wamid.in", sender="+32495898697", text="[image] our door", at=AT)],
    ),
    (
        upstreams.CloudApi().message("32495898697", "", type="sticker", sticker={"id": "9"}),
        [Incoming(id="wamid.in", sender="+32495898697", text="[sticker]", at=AT)],
    ),
    (upstreams.CloudApi(number_id="another").status("wamid.1", "sent"), []),
]


@pytest.mark.parametrize(("hook", "events"), CLOUD_CALLS)
def test_calls_of_the_cloud_api(hook: upstreams.Hook, events: list[Any]) -> None:
    assert list(META.events(hook[1])) == events


@pytest.mark.parametrize(
    ("hook", "events"),
    [
        (upstreams.Waha().ack("true_1", 0), []),
        (upstreams.Waha().ack("true_1", 1), [Told(id="true_1", state="sent", at=None)]),
        (upstreams.Waha().ack("true_1", 2), [Told(id="true_1", state="delivered", at=None)]),
        (upstreams.Waha().ack("true_1", 4), [Told(id="true_1", state="delivered", at=None)]),
        (upstreams.Waha().ack("true_1", -1), [Told(id="true_1", state="failed", at=None)]),
        (upstreams.Waha().message("32495898697@c.us", "Hi"), [Incoming(id="false_in", sender="+32495898697", text="Hi", at=AT)]),
        (upstreams.Waha().message("123@lid", "Hi"), [Incoming(id="false_in", sender="123@lid", text="Hi", at=AT)]),
        (
            upstreams.Waha().message("32495898697@c.us", "our door", hasMedia=True),
            [Incoming(id="false_in", sender="+32495898697", text="[media] our door", at=AT)],
        ),
        (upstreams.Waha().message("1203630@g.us", "in a group"), []),
        (upstreams.Waha().message("32495898697@c.us", "ours", fromMe=True), []),
        (upstreams.Waha().event("session.status", {"status": "FAILED"}), []),
        (upstreams.Waha(session="another").ack("true_1", 1), []),
    ],
)
def test_calls_of_waha(hook: upstreams.Hook, events: list[Any]) -> None:
    assert list(WAHA.events(hook[1])) == events


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["delivered", "message", "message.ack", "default", "text"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["entry", "changes", "value", "statuses", "messages", "metadata", "phone_number_id", "id", "from", "text", "body"]
            )
            | st.sampled_from(["event", "payload", "session", "ack", "status", "timestamp", "error", "key", "errors", "code", "type"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(said=JSON)
def test_whatever_an_upstream_says_is_understood_or_refused(said: object) -> None:
    body = json.dumps(said).encode("utf-8", "surrogatepass")
    waha = b'{"event":"message","session":"default","payload":' + body + b"}"
    for dialect in (META, WAHA):
        for wrapped in (body, waha, _as_meta(body)):
            with suppress(Unreadable):
                list(dialect.events(wrapped))
        for status in (200, 400, 500):
            with suppress(SendFailed):
                dialect.taken(status, body)
        dialect.is_up(200, body)


def _as_meta(body: bytes) -> bytes:
    start = b'{"entry":[{"changes":[{"value":{"metadata":{"phone_number_id":"106540352242922"},"statuses":['
    return start + body + b'],"messages":[' + body + b"]}}]}]}"


@BOTH
def test_no_secret_shows(dialect: Dialect) -> None:
    shown = repr(dialect) + repr(dialect.submit("+32495898697", "a private text"))
    assert not any(secret in shown for secret in ("a-token-of-meta", "a-secret", "a-key-of-waha", "private"))
