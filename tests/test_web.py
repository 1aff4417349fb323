"""The front door over connections in memory: routing, refusals, limits, time-outs, order, smuggling, the log."""

from __future__ import annotations

import asyncio
import json

import pytest

from adapters.web import Api, Call, FrontDoor, Limits, Reply, Route, Trouble
from tests.http_peer import House, Log, on_the_loop

HOST = b"Host: x\r\n"


def get(target: str, more: str = "", method: str = "GET") -> bytes:
    return f"{method} {target} HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode("latin-1")


def post(target: str, body: bytes, more: str = "") -> bytes:
    return get(target, f"Content-Length: {len(body)}\r\n{more}", "POST") + body


# routing


@pytest.mark.parametrize(
    "target, shown",
    [
        ("/echo", "GET /echo||"),
        ("/echo/", "GET /echo||"),
        ("/echo?a=1&b=%20", "GET /echo|a=1&b=%20|"),
        ("/echo/?a=/", "GET /echo|a=/|"),
        ("//echo", "GET //echo||"),
        ("/wait/here/x%2Fy/", "GET /wait/here/x%2Fy||"),
        ("/", "GET /||"),
        ("//", "GET /||"),
        ("http://other:81/echo?a", "GET /echo|a|"),
        ("HTTPS://other", "GET /||"),
        ("/echo?m=\xc3\xa9", "GET /echo|m=%C3%A9|"),
    ],
)
@on_the_loop
async def test_a_path_is_found_in_every_form_that_clients_write(target: str, shown: str) -> None:
    house = House()
    (answer,) = await house.peer().say(get(target))
    assert answer.body.decode() == shown


@on_the_loop
async def test_both_slashes_and_methods_of_one_path() -> None:
    peer = House().peer()
    (posted,) = await peer.say(post("//a//b/", b"x"))
    (got,) = await peer.say(get("/a/b"))
    assert posted.body == b"POST //a//b||x"
    assert len(got.body) == 1_000_000


@on_the_loop
async def test_a_prefix_route_is_given_the_raw_rest_and_the_longest_wins() -> None:
    house = House()
    house.shop.open("a%20b//c")
    await house.peer().say(get("/wait/a%20b//c?q"))
    await house.peer().say(get("/wait/here/you%2Fare"))
    await house.peer().say(get("/wait/exactly"))
    assert [call.rest for call in house.shop.calls] == ["a%20b//c", "you%2Fare", ""]


@on_the_loop
async def test_unknown_paths_and_methods() -> None:
    peer = House().peer()
    (unknown,) = await peer.say(get("/nowhere"))
    assert (unknown.status, json.loads(unknown.body)["error"]) == (404, "not_found")
    (wrong,) = await peer.say(get("/echo", method="DELETE"))
    assert (wrong.status, wrong.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    assert wrong.body.startswith(b"shop: method_not_allowed")
    (options,) = await peer.say(get("/a/b", method="OPTIONS"))
    assert (options.status, options.headers["allow"], options.body) == (204, "GET, HEAD, OPTIONS, POST", b"")
    assert "content-length" not in options.headers
    (wrong,) = await peer.say(get("/post"))
    assert (wrong.status, wrong.headers["allow"]) == (405, "OPTIONS, POST")
    assert not peer.closed


@on_the_loop
async def test_head_is_get_without_the_body() -> None:
    peer = House().peer()
    await peer.say(get("/echo", method="HEAD"))
    head = peer.house.shop.calls[0]
    peer.connection.dataReceived(get("/echo?x", method="HEAD"))
    for _ in range(5):
        await asyncio.sleep(0)
    said = peer.wire.value()
    assert head.method == "GET"
    assert b"Content-Length: 12\r\n" in said
    assert said.endswith(b"\r\n\r\n")


def test_one_path_cannot_be_served_twice() -> None:
    house = House()
    twice = Api(name="other", routes=(Route(path="/echo", handler=house.shop.echo),), word=house.shop.word)
    with pytest.raises(ValueError, match="/echo is served twice, by shop and other"):
        FrontDoor([house.shop.api(), twice], log=Log(), clock=house.clock)


# answers


@on_the_loop
async def test_every_answer_is_numbered_measured_and_dated() -> None:
    peer = House().peer()
    first, second = await peer.say(get("/echo", "X-Request-Id: mine\r\n") + get("/nowhere"))
    for answer in (first, second):
        assert len(answer.headers["x-request-id"]) == 16
        int(answer.headers["x-request-id"], 16)
        assert int(answer.headers["content-length"]) == len(answer.body)
        assert answer.headers["date"].endswith("GMT")
        assert answer.headers["content-type"]
        assert "server" not in answer.headers
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


@on_the_loop
async def test_head_and_body_leave_in_one_write() -> None:
    peer = House().peer()
    writes: list[bytes] = []
    peer.wire.write = writes.append  # type: ignore[method-assign]
    await peer.say(get("/echo"))
    assert len(writes) == 1
    assert peer.wire.no_delay


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "é"])
def test_a_reply_cannot_carry_a_broken_header(value: str) -> None:
    with pytest.raises(ValueError, match="Location"):
        Reply(b"", headers=(("Location", value),))
    with pytest.raises(ValueError, match="content-type"):
        Reply(b"", content_type=value)


@on_the_loop
async def test_a_refusal_is_worded_by_the_api() -> None:
    (answer,) = await House().peer().say(get("/refuse"))
    assert (answer.status, answer.body) == (402, b"shop: not today")


@on_the_loop
async def test_fields_are_merged_and_their_trouble_is_worded_by_the_api() -> None:
    peer = House().peer()
    form = "Content-Type: application/x-www-form-urlencoded\r\n"
    (good,) = await peer.say(post("/form?a=1&b=2", b"b=3", form))
    (bad,) = await peer.say(post("/form", b"a=%00", form))
    assert good.body == b"{'a': '1', 'b': '3'}"
    assert (bad.status, bad.body[:24]) == (400, b"shop: invalid_character:")


@on_the_loop
async def test_a_failure_is_answered_with_a_reference_and_its_message_is_never_logged() -> None:
    house = House()
    (answer,) = await house.peer().say(get("/fail?SECRET"))
    reference = answer.headers["x-request-id"]
    assert answer.status == 500
    assert answer.body.startswith(b"shop: internal: ")
    assert answer.body.endswith(reference.encode())
    (event, fields), (_, access) = house.log.lines
    assert (event, fields["request_id"], fields["error"]) == ("handler failed", reference, "RuntimeError")
    assert str(fields["where"]).endswith(":fail']")
    assert (access["request_id"], access["status"], access["path"]) == (reference, 500, "/fail")
    assert "SECRET" not in str(house.log.lines)


@on_the_loop
async def test_an_api_whose_wording_fails_still_answers() -> None:
    def word(call: Call, refusal: object) -> Reply:
        raise KeyError("SECRET")

    house = House()
    api = Api(name="mute", routes=(Route(path="/x", handler=house.shop.refuse),), word=word)
    house.door = FrontDoor([api], log=house.log, clock=house.clock)
    (answer,) = await house.peer().say(get("/x"))
    assert (answer.status, json.loads(answer.body)["error"]) == (500, "internal")
    assert "SECRET" not in str(house.log.lines)


@on_the_loop
async def test_the_log_has_errors_only_and_neither_query_nor_control_characters() -> None:
    house = House()
    await house.peer().say(get("/echo?key=SECRET"), get("/n\xc3\xa9?key=SECRET"), get("/" + "x" * 500))
    first, second = [fields for _, fields in house.log.lines]
    assert first["path"] == "/n%C3%A9"
    assert set(first) == {"request_id", "method", "path", "status", "ms", "peer"}
    assert (first["status"], first["method"], first["peer"], first["ms"]) == (404, "GET", "192.168.1.1", 0)
    assert second["path"] == "/" + "x" * 199
    assert "SECRET" not in str(house.log.lines)


@on_the_loop
async def test_the_log_has_every_request_when_told() -> None:
    peer = House(log_all=True).peer()
    peer.house.clock.advance(7)
    await peer.say(get("/wait/1"))
    peer.house.clock.advance(0.25)
    peer.house.shop.open("1")
    await peer.hear()
    assert [(fields["status"], fields["ms"]) for _, fields in peer.house.log.lines] == [(200, 250)]


def test_the_repr_of_a_call_shows_no_secret() -> None:
    call = Call("POST", "/x", b"apikey=SECRET", {b"authorization": b"SECRET"}, b"SECRET")
    assert "SECRET" not in repr(call)


def test_fields_are_read_once() -> None:
    call = Call("GET", "/", b"a=1")
    assert call.fields() is call.fields()


def test_a_header_is_found_in_any_case_and_stripped() -> None:
    call = Call("GET", "/", headers={b"x-a": b" \xe9 "})
    assert (call.header("X-A"), call.header("none")) == ("é", "")


# keep-alive and order


@pytest.mark.parametrize(
    "head, connection, closed",
    [
        (b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n", None, False),
        (b"GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "close", True),
        (b"GET /echo HTTP/1.0\r\n\r\n", "close", True),
        (b"GET /echo HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "keep-alive", False),
    ],
)
@on_the_loop
async def test_keep_alive_as_each_version_has_it(head: bytes, connection: str | None, closed: bool) -> None:
    peer = House().peer()
    (answer,) = await peer.say(head)
    assert (answer.status, answer.headers.get("connection"), peer.closed) == (200, connection, closed)


@on_the_loop
async def test_pipelined_requests_are_answered_in_order_one_at_a_time() -> None:
    peer = House().peer()
    assert await peer.say(get("/wait/1") + get("/wait/2") + get("/wait/3")) == []
    assert len(peer.house.shop.calls) == 1
    peer.house.shop.open("2")
    assert await peer.hear() == []
    peer.house.shop.open("1")
    peer.house.shop.open("3")
    assert [answer.body for answer in await peer.hear()] == [b"1", b"2", b"3"]


@on_the_loop
async def test_a_client_is_not_read_while_its_requests_wait() -> None:
    peer = House().peer()
    await peer.say(get("/wait/1"))
    assert peer.is_read
    await peer.say(get("/wait/2"))
    assert not peer.is_read
    peer.house.shop.open("1")
    await peer.hear()
    assert peer.is_read
    peer.house.shop.open("2")
    await peer.hear()
    assert await peer.after(30) == []


@on_the_loop
async def test_requests_that_wait_are_kept_as_bytes() -> None:
    peer = House().peer()
    many = get("/wait/1") + b"".join(get(f"/echo?{n}") for n in range(1000)) + get("/wait/2") + b"GET /ec"
    await peer.say(many)
    assert len(peer.connection._queue) < 200
    assert not peer.is_read
    await peer.after(60)
    peer.house.shop.open("1")
    found = []
    for _ in range(300):
        found += await peer.hear()
    assert [answer.body for answer in found[1:]] == [b"GET /echo|%d|" % n for n in range(1000)]
    assert await peer.after(10) == []
    peer.house.shop.open("2")
    assert [answer.body for answer in await peer.hear()] == [b"2"]
    assert peer.is_read
    (last,) = await peer.say(b"ho HTTP/1.1\r\nHost: x\r\n\r\n")
    assert last.body == b"GET /echo||"


@on_the_loop
async def test_all_that_was_pipelined_before_an_end_of_sending_is_answered() -> None:
    peer = House().peer()
    await peer.say(get("/wait/1") + b"".join(get(f"/echo?{n}") for n in range(500)) + b"GET /unfini")
    peer.connection.readConnectionLost()
    peer.house.shop.open("1")
    found = []
    for _ in range(200):
        found += await peer.hear()
    assert len(found) == 501
    assert peer.closed


@on_the_loop
async def test_a_refused_request_is_answered_after_those_before_it() -> None:
    peer = House().peer()
    await peer.say(get("/wait/1") + b"FOO / HTTP/1.1\r\n\r\n" + get("/echo"))
    peer.house.shop.open("1")
    assert [answer.status for answer in await peer.hear()] == [200, 400]
    assert peer.wire.half_closed


@on_the_loop
async def test_requests_in_pieces() -> None:
    peer = House().peer()
    said = post("/echo?q", b"body")
    (answer,) = await peer.say(*[said[n : n + 1] for n in range(len(said))])
    assert answer.body == b"POST /echo|q|body"
    (answer,) = await peer.say(get("/echo", "Content-Length: 4\r\n", "POST"), b"\xc3", b"\xa9\r\n")
    assert answer.body == b"POST /echo||\xc3\xa9\r\n"


@on_the_loop
async def test_a_client_that_has_gone_is_not_answered_but_its_request_is_finished() -> None:
    peer = House().peer()
    await peer.say(get("/wait/1") + get("/wait/2"))
    peer.goes()
    peer.house.shop.open("1")
    peer.house.shop.open("2")
    assert await peer.hear() == []
    assert [call.rest for call in peer.house.shop.calls] == ["1"]
    assert await peer.house.door.drain(1)


@on_the_loop
async def test_a_client_that_only_stops_sending_still_gets_its_answers() -> None:
    peer = House().peer()
    await peer.say(get("/wait/1") + get("/wait/2"))
    peer.connection.readConnectionLost()
    assert not peer.closed
    peer.house.shop.open("1")
    peer.house.shop.open("2")
    assert [answer.headers.get("connection") for answer in await peer.hear()] == [None, "close"]
    assert peer.closed


@on_the_loop
async def test_a_client_that_stopped_sending_is_not_waited_for() -> None:
    peer = House().peer()
    await peer.say(get("/wait/1") + b"garbage\r\n")
    peer.connection.readConnectionLost()
    peer.house.shop.open("1")
    assert [answer.status for answer in await peer.hear()] == [200, 400]
    assert peer.closed


@on_the_loop
async def test_a_client_that_sends_after_its_last_request_is_closed_slowly() -> None:
    peer = House().peer()
    await peer.say(get("/wait/1", "Connection: close\r\n"), get("/echo"))
    peer.house.shop.open("1")
    assert [answer.status for answer in await peer.hear()] == [200]
    assert peer.wire.half_closed
    assert not peer.closed


@on_the_loop
async def test_a_client_that_stops_sending_when_idle_is_let_go() -> None:
    peer = House().peer()
    await peer.say(get("/echo") + b"GET /ec")
    peer.connection.readConnectionLost()
    assert peer.closed


@pytest.mark.parametrize("body", [b"", b"ab"])
@pytest.mark.parametrize("size", [65536, 1])
@on_the_loop
async def test_an_offer_to_upgrade_is_ignored(body: bytes, size: int) -> None:
    peer = House().peer()
    offer = post("/echo", body, "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n")
    said = offer + offer + get("/echo?last")
    found = await peer.say(*[said[n : n + size] for n in range(0, len(said), size)])
    assert [answer.body for answer in found] == [b"POST /echo||" + body] * 2 + [b"GET /echo|last|"]


@on_the_loop
async def test_an_offer_to_upgrade_may_come_with_chunks_and_an_expectation() -> None:
    peer = House().peer()
    head = get("/echo", "Connection: upgrade, close\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n", "POST")
    first, second = await peer.say(head, b"2\r\nab\r\n0\r\n\r\n")
    assert (first.status, second.body, second.headers["connection"]) == (100, b"POST /echo||ab", "close")


@on_the_loop
async def test_connect_is_no_tunnel() -> None:
    peer = House().peer()
    (answer,) = await peer.say(b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n" + get("/echo"))
    assert answer.status == 404
    assert peer.closed


@on_the_loop
async def test_continue_is_said_before_the_body_and_in_turn() -> None:
    peer = House().peer()
    expecting = get("/echo", "Content-Length: 2\r\nExpect: 100-continue\r\n", "POST")
    assert [answer.status for answer in await peer.say(expecting)] == [100]
    peer.connection.pauseProducing()
    peer.connection.resumeProducing()
    assert [answer.body for answer in await peer.say(b"ab")] == [b"POST /echo||ab"]
    assert await peer.say(get("/wait/1") + expecting) == []
    peer.house.shop.open("1")
    assert [answer.status for answer in await peer.hear()] == [200, 100]
    _, other = await peer.say(b"ab" + get("/echo", "Expect: a-miracle\r\n"))
    assert other.status == 417


@on_the_loop
async def test_chunks_are_joined_and_trailers_are_not_headers() -> None:
    peer = House().peer()
    chunked = get("/echo", "Transfer-Encoding: chunked\r\n", "POST") + b"2;ext=1\r\nab\r\n3\r\ncde\r\n0\r\nAuthorization: late\r\n\r\n"
    first, second = await peer.say(chunked + get("/echo"))
    assert first.body == b"POST /echo||abcde"
    assert second.status == 200
    assert peer.house.shop.calls[0].header("Authorization") == ""


@on_the_loop
async def test_repeated_headers_are_joined() -> None:
    peer = House().peer()
    await peer.say(get("/echo", "X-A: 1\r\nX-A: 2\r\nX-Empty:\r\n"))
    (call,) = peer.house.shop.calls
    assert (call.header("x-a"), call.header("x-empty")) == ("1, 2", "")


# what is refused, and how

CHUNKED = get("/echo", "Transfer-Encoding: chunked\r\n", "POST")
BROKEN = [
    pytest.param(post("/echo", b"ab", "Transfer-Encoding: chunked\r\n"), 400, id="length and chunks"),
    pytest.param(get("/echo", "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", "POST") + b"0\r\n\r\n", 400, id="chunks and length"),
    pytest.param(post("/echo", b"ab", "Content-Length: 3\r\n"), 400, id="two lengths"),
    pytest.param(post("/echo", b"ab", "Content-Length: 2\r\n"), 400, id="two equal lengths"),
    pytest.param(get("/echo", "Content-Length: 2, 2\r\n", "POST") + b"ab", 400, id="list of lengths"),
    pytest.param(get("/echo", "Content-Length: +2\r\n", "POST") + b"ab", 400, id="signed length"),
    pytest.param(get("/echo", "Content-Length: -2\r\n", "POST") + b"ab", 400, id="negative length"),
    pytest.param(get("/echo", "Content-Length: 0x2\r\n", "POST") + b"ab", 400, id="hexadecimal length"),
    pytest.param(get("/echo", "Content-Length:\r\n", "POST") + b"ab", 400, id="empty length"),
    pytest.param(get("/echo", "Content-Length: " + "9" * 30 + "\r\n", "POST"), 400, id="length beyond 64 bits"),
    pytest.param(get("/echo", "Content-Length: 18446744073709551615\r\n", "POST"), 413, id="greatest length"),
    pytest.param(get("/echo", "Content-Length: 31457280\r\n", "POST"), 413, id="30 MB announced"),
    pytest.param(get("/echo", "Content-Length: 31457280\r\nExpect: 100-continue\r\n", "POST"), 413, id="30 MB announced and expected"),
    pytest.param(get("/echo", "X: a\r\n b\r\n"), 400, id="folded header"),
    pytest.param(b"GET /echo HTTP/1.1\r\n Host: x\r\n\r\n", 400, id="space before the first header"),
    pytest.param(b"GET /echo HTTP/1.1\nHost: x\n\n", 400, id="bare LF"),
    pytest.param(get("/echo", "X: a\nTransfer-Encoding: chunked\r\n"), 400, id="bare LF in headers"),
    pytest.param(get("/echo", "X: a\rY: b\r\n"), 400, id="bare CR in headers"),
    pytest.param(get("/echo", "X : a\r\n"), 400, id="space before the colon"),
    pytest.param(get("/echo", "X: a\0b\r\n"), 400, id="NUL in a header"),
    pytest.param(get("/echo", "X\x01: a\r\n"), 400, id="control character in a header's name"),
    pytest.param(get("/echo", "Transfer-Encoding: gzip, chunked\r\n", "POST") + b"0\r\n\r\n", 400, id="gzip, chunked"),
    pytest.param(get("/echo", "Transfer-Encoding: chunked, gzip\r\n", "POST") + b"0\r\n\r\n", 400, id="chunked, gzip"),
    pytest.param(get("/echo", "Transfer-Encoding: identity\r\n", "POST"), 400, id="identity"),
    pytest.param(get("/echo", "Transfer-Encoding: xchunked\r\n", "POST"), 400, id="xchunked"),
    pytest.param(get("/echo", "Transfer-Encoding: \x0bchunked\r\n", "POST"), 400, id="tabbed chunked"),
    pytest.param(get("/echo", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "POST"), 400, id="chunked twice"),
    pytest.param(b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, id="chunks in HTTP/1.0"),
    pytest.param(CHUNKED + b"zz\r\nab\r\n0\r\n\r\n", 400, id="chunk size that is no number"),
    pytest.param(CHUNKED + b"0x2\r\nab\r\n0\r\n\r\n", 400, id="chunk size with 0x"),
    pytest.param(CHUNKED + b"-2\r\nab\r\n0\r\n\r\n", 400, id="negative chunk size"),
    pytest.param(CHUNKED + b"2 \r\nab\r\n0\r\n\r\n", 400, id="chunk size with a space"),
    pytest.param(CHUNKED + b"2\nab\n0\n\n", 400, id="bare LF in chunks"),
    pytest.param(CHUNKED + b"2;a\nb\r\nab\r\n0\r\n\r\n", 400, id="bare LF in a chunk extension"),
    pytest.param(CHUNKED + b"2\r\nabXX0\r\n\r\n", 400, id="chunk longer than said"),
    pytest.param(CHUNKED + b"fffffffffffffffffffff\r\nab", 400, id="chunk size beyond 64 bits"),
    pytest.param(CHUNKED + b"200000\r\n" + b"x" * 1_100_000, 413, id="large chunk"),
    pytest.param(CHUNKED + b"400\r\n" + b"x" * 1024 + (b"\r\n400\r\n" + b"x" * 1024) * 1024, 413, id="many chunks"),
    pytest.param(CHUNKED + b"2;" + b"x" * 120_000, 431, id="endless chunk extension"),
    pytest.param(CHUNKED + b"0\r\nX: " + b"x" * 120_000, 431, id="endless trailer"),
    pytest.param(b"GET /echo HTTP/1.1\r\n\r\n", 400, id="no Host"),
    pytest.param(get("/echo", "Host: y\r\n"), 400, id="two Hosts"),
    pytest.param(get("/echo", "Authorization: a\r\nAuthorization: b\r\n"), 400, id="two Authorizations"),
    pytest.param(get("/echo").replace(b"1.1", b"2.0"), 505, id="HTTP/2.0"),
    pytest.param(get("/echo").replace(b"1.1", b"0.9"), 505, id="HTTP/0.9"),
    pytest.param(get("/echo").replace(b"1.1", b"1.2"), 400, id="HTTP/1.2"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, id="HTTP/2 at once"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, id="TLS on the plain port"),
    pytest.param(b"FOO / HTTP/1.1\r\nHost: x\r\n\r\n", 400, id="unknown method"),
    pytest.param(b"get /echo HTTP/1.1\r\nHost: x\r\n\r\n", 400, id="method in small letters"),
    pytest.param(b"\x00" * 100, 400, id="zeros"),
    pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", 400, id="SSH"),
    pytest.param(get("/ec\0ho"), 400, id="NUL in the path"),
    pytest.param(get("/echo?a=b c"), 400, id="space in the query"),
    pytest.param(get("echo"), 400, id="relative path"),
    pytest.param(get("/" + "x" * 8192), 414, id="long path"),
    pytest.param(b"GET /" + b"x" * 60_000, 414, id="endless path"),
    pytest.param(get("/echo", "X: " + "x" * 16_400 + "\r\n"), 431, id="long header"),
    pytest.param(get("/echo", "".join(f"X{n}: 1\r\n" for n in range(100))), 431, id="101 headers"),
    pytest.param(get("/echo")[:-2] + b"X: " + b"x" * 50_000, 431, id="endless header"),
    pytest.param(b"\r\n" * 20_000, 431, id="endless blank lines"),
]  # fmt: skip


@pytest.mark.parametrize("said, status", BROKEN)
@pytest.mark.parametrize("size", [65536, 1000])
@on_the_loop
async def test_what_is_broken_is_refused_once_and_closed_slowly(said: bytes, status: int, size: int) -> None:
    peer = House().peer()
    (answer,) = await peer.say(*[said[n : n + size] for n in range(0, len(said), size)], get("/echo"))
    assert (answer.status, answer.headers["connection"]) == (status, "close")
    assert peer.house.shop.calls == []
    assert peer.wire.half_closed
    assert not peer.closed
    peer.connection.readConnectionLost()
    assert peer.closed


@on_the_loop
async def test_a_head_in_endless_small_pieces_is_refused() -> None:
    peer = House().peer()
    (answer,) = await peer.say(get("/echo")[:-2], *[b"X: " + b"x" * 10] * 1, *[b"x" * 100] * 400)
    assert answer.status == 431


@on_the_loop
async def test_the_path_decides_who_words_a_refusal() -> None:
    house = House()
    (ours,) = await house.peer().say(get("/echo", "Content-Length: 9999999\r\n"))
    (nobodys,) = await house.peer().say(get("/nowhere", "Content-Length: 9999999\r\n"))
    (garbage,) = await house.peer().say(b"\x16\x03\x01")
    assert ours.body == b"shop: too_large: the body is larger than 1048576 bytes"
    assert json.loads(nobodys.body)["error"] == "too_large"
    assert json.loads(garbage.body)["error"] == "bad_request"
    assert [(fields["method"], fields["path"], fields["status"]) for _, fields in house.log.lines] == [
        ("GET", "/echo", 413),
        ("GET", "/nowhere", 413),
        ("", "", 400),
    ]


@on_the_loop
async def test_a_body_of_exactly_the_limit_is_taken() -> None:
    peer = House(Limits(body=10)).peer()
    (answer,) = await peer.say(post("/echo", b"0123456789"))
    assert answer.status == 200
    (chunked,) = await peer.say(CHUNKED + b"a\r\n0123456789\r\n0\r\n\r\n")
    assert chunked.status == 200
    (over,) = await peer.say(CHUNKED + b"5\r\n01234\r\n6\r\n567890\r\n0\r\n\r\n")
    assert over.status == 413


@on_the_loop
async def test_what_a_refused_client_still_sends_is_dropped_up_to_a_bound() -> None:
    peer = House(Limits(linger=100_000)).peer()
    await peer.say(get("/echo", "Content-Length: 9999999\r\n"), b"x" * 90_000)
    assert not peer.closed
    await peer.say(b"x" * 20_000)
    assert peer.wire.disconnected


# time


@on_the_loop
async def test_a_request_that_does_not_arrive_in_time_is_answered_408() -> None:
    peer = House(Limits(request_s=20, stall_s=10)).peer()
    await peer.say(get("/echo", "Content-Length: 100\r\n", "POST"))
    for _ in range(4):
        assert await peer.after(5) == []
        await peer.say(b"x")
    (answer,) = await peer.after(1)
    assert (answer.status, answer.body[:22]) == (408, b"shop: request_timeout:")
    assert peer.wire.half_closed


@on_the_loop
async def test_a_request_that_stalls_is_answered_408() -> None:
    peer = House(Limits(request_s=20, stall_s=10)).peer()
    await peer.say(b"GET /ec")
    assert await peer.after(10) == []
    (answer,) = await peer.after(1)
    assert answer.status == 408


@on_the_loop
async def test_the_deadline_starts_anew_with_each_request() -> None:
    peer = House(Limits(request_s=20, stall_s=20)).peer()
    await peer.say(b"GET ")
    await peer.after(15)
    await peer.say(b"/echo HTTP/1.1\r\nHost: x\r\n\r\n")
    await peer.say(b"GET ")
    assert await peer.after(15) == []
    (answer,) = await peer.say(b"/echo HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.status == 200


@on_the_loop
async def test_a_pause_of_ours_is_not_the_clients_delay() -> None:
    peer = House(Limits(request_s=20, stall_s=10)).peer()
    await peer.say(get("/wait/1") + get("/wait/2") + b"GET /ec")
    assert await peer.after(60) == []
    peer.house.shop.open("1")
    peer.house.shop.open("2")
    await peer.hear()
    assert await peer.after(10) == []
    assert [answer.status for answer in await peer.after(1)] == [408]


@on_the_loop
async def test_an_idle_connection_is_closed_and_a_busy_one_is_not() -> None:
    house = House(Limits(idle_s=75))
    house.clock.advance(1000)
    idle, busy = house.peer(), house.peer()
    await idle.say(get("/echo"))
    await busy.say(get("/wait/1"))
    await idle.after(75)
    assert not idle.closed
    await idle.after(1)
    assert idle.closed
    assert not busy.closed
    house.shop.open("1")
    assert [answer.status for answer in await busy.hear()] == [200]
    await busy.after(75)
    assert not busy.closed


@on_the_loop
async def test_a_client_that_does_not_read_is_not_read_and_then_dropped() -> None:
    peer = House(Limits(unread_s=60)).peer()
    await peer.say(get("/wait/1") + get("/echo"))
    peer.connection.pauseProducing()
    peer.house.shop.open("1")
    assert [answer.body for answer in await peer.hear()] == [b"1"]
    assert not peer.is_read
    await peer.after(60)
    assert not peer.wire.disconnected
    await peer.after(1)
    assert peer.wire.disconnected
    peer.connection.resumeProducing()
    assert await peer.hear() == []


@on_the_loop
async def test_a_client_that_reads_again_is_served_again() -> None:
    peer = House().peer()
    await peer.say(get("/wait/1", "Connection: close\r\n"))
    peer.connection.pauseProducing()
    peer.house.shop.open("1")
    await peer.hear()
    await peer.after(30)
    assert not peer.closed
    peer.connection.resumeProducing()
    assert peer.closed


@pytest.mark.parametrize("said", [get("/echo", "Connection: close\r\n"), b"garbage\r\n"])
@on_the_loop
async def test_a_close_that_does_not_end_is_made_to(said: bytes) -> None:
    peer = House(Limits(linger_s=10)).peer()
    await peer.say(said)
    await peer.after(10)
    assert not peer.wire.disconnected
    await peer.after(1)
    assert peer.wire.disconnected


@on_the_loop
async def test_the_sweep_rests_when_nobody_is_connected() -> None:
    house = House()
    assert house.clock.getDelayedCalls() == []
    peer = house.peer()
    assert len(house.clock.getDelayedCalls()) == 1
    peer.goes()
    house.clock.advance(1)
    assert house.clock.getDelayedCalls() == []


# how many, and the end


@on_the_loop
async def test_connections_above_the_limit_are_answered_503() -> None:
    house = House(Limits(connections=1))
    first, second, third = house.peer(), house.peer(), house.peer()
    (answer,) = await second.hear()
    assert (answer.status, answer.headers["retry-after"], json.loads(answer.body)["error"]) == (503, "5", "busy")
    assert second.wire.half_closed
    assert (await third.hear(), third.wire.disconnected) == ([], True)
    for peer in (second, third):
        peer.goes()
    assert [answer.status for answer in await first.say(get("/echo"))] == [200]
    fourth = house.peer()
    assert [answer.status for answer in await fourth.hear()] == [503]
    fourth.goes()
    first.goes()
    assert [answer.status for answer in await house.peer().say(get("/echo"))] == [200]


async def draining(house: House, timeout_s: float) -> asyncio.Task[bool]:
    task = asyncio.ensure_future(house.door.drain(timeout_s))
    await asyncio.sleep(0)
    return task


@on_the_loop
async def test_drain_waits_for_what_is_under_way() -> None:
    house = House()
    idle, busy = house.peer(), house.peer()
    await busy.say(get("/wait/1") + get("/wait/2"))
    drained = await draining(house, 30)
    assert idle.closed
    assert not busy.closed
    house.shop.open("1")
    assert [answer.headers["connection"] for answer in await busy.hear()] == ["close"]
    assert busy.closed
    assert not drained.done()
    idle.goes()
    busy.goes()
    assert await drained is True
    assert [call.rest for call in house.shop.calls] == ["1"]
    assert house.clock.getDelayedCalls() == []


@on_the_loop
async def test_drain_finishes_a_request_that_has_begun() -> None:
    house = House()
    peer = house.peer()
    await peer.say(b"GET /ec")
    drained = await draining(house, 30)
    (answer,) = await peer.say(b"ho HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    peer.goes()
    assert await drained is True


@on_the_loop
async def test_drain_waits_for_a_call_whose_client_has_gone() -> None:
    house = House()
    peer = house.peer()
    await peer.say(get("/wait/1"))
    peer.goes()
    drained = await draining(house, 30)
    assert not drained.done()
    house.shop.open("1")
    assert await drained is True


@on_the_loop
async def test_drain_of_an_empty_house_and_a_guest_afterwards() -> None:
    house = House()
    assert await house.door.drain(30) is True
    late = house.peer()
    await draining(house, 30)
    late.goes()
    await late.hear()
    assert house.clock.getDelayedCalls() == []
    later = house.peer()
    assert [answer.headers["connection"] for answer in await later.say(get("/echo"))] == ["close"]
    assert len(house.clock.getDelayedCalls()) == 1


@on_the_loop
async def test_drain_gives_up_in_the_end() -> None:
    house = House()
    peer = house.peer()
    await peer.say(get("/wait/1"))
    drained = await draining(house, 30)
    house.clock.advance(30)
    assert await drained is False
    assert peer.wire.disconnected
    house.shop.open("1")
    await peer.hear()


@on_the_loop
async def test_a_cancelled_call_ends_its_connection() -> None:
    house = House()
    peer = house.peer()
    await peer.say(get("/wait/1"))
    for task in list(house.door._tasks.values()):
        task.cancel()
    assert await peer.hear() == []
    assert peer.wire.disconnected


def test_a_trouble_says_what_and_why() -> None:
    trouble = Trouble(413, "too_large", "the body is too large", headers=(("A", "b"),))
    assert (trouble.status, trouble.code, trouble.why, trouble.headers) == (413, "too_large", "the body is too large", (("A", "b"),))
