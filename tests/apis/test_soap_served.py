"""What the SOAP API serves beside calls, and calls through the real front door and the real rules."""

from __future__ import annotations

import pytest
from lxml import etree

from adapters.apis import ApiSettings, soap
from adapters.web import Call, Reply
from tests.apis.gateway import KEY, MemoryGateway
from tests.apis.soap_peer import CAPTURED, LATIN1, Fault, Peer, call_of, fault_of, result_of
from tests.fakes import on_the_loop
from tests.http_peer import Answer

# behind the front door, over the real rules -----------------------------------------------------------------------------------------


def said(answer: Answer) -> Fault:
    return fault_of(Reply(answer.body, status=answer.status, content_type=answer.headers["content-type"]))


@on_the_loop
async def test_an_accepted_call_is_on_disk() -> None:
    house = MemoryGateway(soap.api)
    await house.account()
    answer = await house.post("/sendsms/soap/", CAPTURED["nusoap-document-literal"].replace(b"KEY", KEY.encode()), {"Content-Type": LATIN1})
    result = result_of(Reply(answer.body, status=answer.status))
    (row,) = await house.rows()
    assert (row.guid, row.recipient, row.text, row.api) == (result["id"], "+1234567890", "Hello World", "soap")


@on_the_loop
async def test_refusals_of_the_real_rules() -> None:
    house = MemoryGateway(soap.api)
    await house.account()
    good = call_of().replace(b"KEY", KEY.encode())
    assert said(await house.post("/sendsms/soap", call_of())).code == "invalid_apikey"
    assert said(await house.post("/sendsms/soap", good.replace(b"+1234567890", b"nobody"))).code == "invalid_recipient"
    assert said(await house.post("/sendsms/soap", good.replace(b"Hello World", b""))).why.endswith("parameter: message")


@on_the_loop
async def test_what_only_the_front_door_refuses() -> None:
    house = MemoryGateway(soap.api)
    assert said(await house.post("/sendsms/soap", call_of() + b" " * (1 << 20))).status == 413
    answer = await house.say(b"PUT /sendsms/soap HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    assert said(answer).status == 405 and answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert (await house.get("//sendsms//wsdl/sendsms-rpc.wsdl")).body.count(b"http://sms.test/sendsms/soap") == 1


# what is served -----------------------------------------------------------------------------------------------------------------

DOCUMENT = ("/sendsms/wsdl/sendsms.wsdl", "")
RPC = ("/sendsms/wsdl/sendsms-rpc.wsdl", "")
ASKED = [("/sendsms/soap", query) for query in ("wsdl", "WSDL", "Wsdl", "wsdl=", "a=b&wsdl", "singleWsdl")]


def address(reply: Reply) -> str | None:
    assert (reply.status, reply.content_type) == (200, "text/xml; charset=utf-8")
    (found,) = etree.fromstring(reply.body).iter("{http://schemas.xmlsoap.org/wsdl/soap/}address")
    return found.get("location")


@pytest.mark.parametrize(("path", "query"), [DOCUMENT, RPC, *ASKED])
def test_address_of_the_callers_own_host_for_him_alone(path: str, query: str) -> None:
    peer = Peer()
    for host in ("a.example", "b.example:8080", "127.0.0.1", "[::1]:80"):
        reply = peer.get(path, query, host)
        assert address(reply) == f"http://{host}/sendsms/soap"
        assert ("Cache-Control", "no-store") in reply.headers


def test_who_has_come_by_https_is_told_https() -> None:
    call = Call("GET", DOCUMENT[0], headers={b"host": b"a.example"}, scheme="https")
    assert address(Peer().ask(call)) == "https://a.example/sendsms/soap"


def test_configured_address() -> None:
    peer = Peer(settings=ApiSettings(public_url="https://sms.example/a&b"))
    assert address(peer.get(*DOCUMENT, host="evil.example")) == "https://sms.example/a&b/sendsms/soap"
    assert address(peer.get(*DOCUMENT, host='"><evil/>')) == "https://sms.example/a&b/sendsms/soap"


def test_a_caller_who_names_no_host_is_told_the_listener() -> None:
    call = Call("GET", DOCUMENT[0], headers={})
    reply = Peer(settings=ApiSettings(listens_on="127.0.0.1:8099")).ask(call)
    assert address(reply) == "http://127.0.0.1:8099/sendsms/soap"


@pytest.mark.parametrize("host", ['"/><evil>', "a b", "a.example/x", "a@b", "a:b", "a:123456", "é", "[::1", "a\\b", "-", "x" * 300])
def test_a_host_that_is_none(host: str) -> None:
    call = Call("GET", DOCUMENT[0], headers={b"host": host.encode("latin-1"), b"x-forwarded-host": b"good.example"})
    fault = fault_of(Peer().ask(call))
    assert (fault.status, fault.code) == (400, "invalid_host")


def test_forwarded_headers_are_not_trusted() -> None:
    headers = {b"host": b"a.example", b"x-forwarded-host": b"evil.example", b"x-forwarded-proto": b"https", b"forwarded": b"host=evil"}
    assert address(Peer().ask(Call("GET", DOCUMENT[0], headers=headers))) == "http://a.example/sendsms/soap"


def test_which_wsdl_is_served() -> None:
    peer = Peer()
    for path, query in [DOCUMENT, *ASKED]:
        assert b'style="document"' in peer.get(path, query).body
    assert b'style="rpc"' in peer.get(*RPC).body


def test_a_page_for_people() -> None:
    reply = Peer().get("/sendsms/soap")
    assert reply.status == 200 and reply.content_type.startswith("text/plain") and b"?wsdl" in reply.body
