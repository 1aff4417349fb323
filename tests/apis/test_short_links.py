"""Links in messages from one end to the other: sent by SMSMobileAPI, followed by a browser."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.aes_gcm import AesGcm
from adapters.apis import ApiSettings, short_links, smsmobileapi, soap
from adapters.apis.short_links import POLICY, location
from adapters.call import Api
from adapters.storage import open_store
from service.errors import Unavailable
from service.gateway import Gateway
from service.messages import Channel
from service.ports import SentQuery
from service.sealed import unseal
from tests.apis.gateway import KEY, MemoryGateway
from tests.apis.smsmobileapi_peer import ADDED, PHONE, SEND, result_of
from tests.apis.soap_peer import TYPE11, call_of
from tests.conformance.stores import Log
from tests.fakes import on_the_loop, ripple
from tests.http_peer import Answer

BASE = "https://sms.test"
TEXT = "The gate opens at seven: é€😀"
PUBLIC = ApiSettings(public_url=BASE)


def apis(gateway: Gateway, settings: ApiSettings) -> Api:
    """All three behind one door; each words its own refusals."""
    parts = [part.api(gateway, settings) for part in (smsmobileapi, soap, short_links)]
    words = {route.path.rstrip("*"): part.word for part in parts for route in part.routes}

    def word(call: Any, error: Any) -> Any:
        return next(words[path] for path in sorted(words, key=len, reverse=True) if call.path.startswith(path))(call, error)

    return Api(name="all", routes=tuple(route for part in parts for route in part.routes), word=word)


async def house(settings: ApiSettings = PUBLIC) -> MemoryGateway:
    at = MemoryGateway(apis, settings)
    at.clock.now = ADDED
    await at.account()
    return at


async def sent(at: MemoryGateway, **fields: str) -> dict[str, Any]:
    answer = await at.post("/sendsms/", {**SEND, **fields})
    assert answer.status == 200, answer.body
    return result_of(answer)


async def head(at: MemoryGateway, path: str) -> Answer:
    return await at.say(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())


# short links


@on_the_loop
async def test_a_short_link_leads_to_what_was_in_the_message() -> None:
    at = await house()
    url = "https://example.org/offer?id=1&x=a%20b+c#top"
    result = await sent(at, message=f"See {url}.", shorturl="1")
    (row,) = await at.rows()
    found = re.fullmatch(rf"See {BASE}(/s/[0-9A-Za-z]{{11}})\.", row.text)
    assert found
    assert result["encrypted"] == {"status": "0"}
    answer = await at.get(found[1])
    assert (answer.status, answer.headers["location"], answer.body) == (302, url, b"")
    assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert (await at.get(found[1] + "/")).status == 302


@on_the_loop
async def test_a_click_is_counted_and_a_look_by_a_preview_is_not() -> None:
    at = await house()
    await sent(at, message="https://example.org/", shorturl="yes")
    (link,) = at.store._links.values()
    assert (await head(at, f"/s/{link.code}")).status == 302
    await ripple()
    assert at.store._links[link.code].clicks == 0
    await at.get(f"/s/{link.code}")
    await at.get(f"/s/{link.code}")
    await ripple()
    assert at.store._links[link.code].clicks == 2


@pytest.mark.parametrize(
    "target",
    [
        "/s/",
        "/s/unknown",
        "/s/https://evil.test/",
        "/s/%2F%2Fevil.test",
        "/s/" + "x" * 1000,
        "/s/é",
        "/s/a/b",
        "/m/",
        "/m/unknown",
        "/m/../s/x",
    ],
)
@on_the_loop
async def test_what_is_not_a_link_of_ours_leads_nowhere(target: str) -> None:
    at = await house()
    await sent(at, message="https://example.org/", shorturl="1")
    answer = await at.get(target)
    assert (answer.status, answer.headers.get("location")) == (404, None)


@on_the_loop
async def test_a_link_ends_when_its_time_is_over() -> None:
    at = await house()
    await sent(at, message="https://example.org/", shorturl="1")
    await sent(at, message=TEXT, encrypt_message="yes")
    (link,), (text,) = at.store._links.values(), at.store._sealed.values()
    at.clock.now += timedelta(days=30)
    assert (await at.get(f"/m/{text.code}")).status == 404
    assert (await at.get(f"/s/{link.code}")).status == 302
    at.clock.now += timedelta(days=335)
    assert (await at.get(f"/s/{link.code}")).status == 404


@pytest.mark.parametrize("asked", [{"shorturl": "1", "message": "https://example.org/"}, {"encrypt_message": "yes"}])
@pytest.mark.parametrize("public_url", [None, "http://sms.example.org"])
@on_the_loop
async def test_without_a_public_url_a_link_is_refused_and_the_setting_named(asked: dict[str, str], public_url: str | None) -> None:
    at = await house(ApiSettings(public_url=public_url))
    answer = await at.post("/sendsms/", {**SEND, **asked})
    result = result_of(answer)
    assert (answer.status, result["error"], "id" in result) == (503, "unavailable", False)
    assert "public_url" in result["message"]
    assert await at.rows() == []


@on_the_loop
async def test_no_other_method_and_no_failure_of_the_store_shows_more_than_a_sentence() -> None:
    at = await house()
    assert (await at.post("/s/abc", {})).status == 405
    assert (await at.post("/m/abc", {})).status == 405

    async def away(code: str) -> None:
        raise Unavailable("the disk is full")

    at.store.find_link = at.store.find_sealed = away  # type: ignore[method-assign,assignment]
    for path in ("/s/abc", "/m/abc"):
        answer = await at.get(path)
        assert (answer.status, b"disk" in answer.body) == (503, False)


@pytest.mark.parametrize(
    ("url", "ascii"),
    [
        ("https://example.org/a?b=c&d=%20#e", "https://example.org/a?b=c&d=%20#e"),
        ("https://例え.jp/見て?q=é#ü", "https://xn--r8jz45g.jp/%E8%A6%8B%E3%81%A6?q=%C3%A9#%C3%BC"),
        ("https://user:pass@example.org:8443/é", "https://user:pass@example.org:8443/%C3%A9"),
        ("http://[::1]:8080/a[0]", "http://[::1]:8080/a[0]"),
        ("https://straße.test:8443/", "https://xn--strae-oqa.test:8443/"),
        ("https://É.test/", "https://xn--9ca.test/"),
        ("https://é..test/", "https://%C3%A9..test/"),
    ],
)
def test_a_location_is_the_same_place_in_ascii(url: str, ascii: str) -> None:
    assert location(url) == ascii


# sealed messages


@on_the_loop
async def test_a_sealed_message_is_a_page_that_holds_only_what_the_key_opens() -> None:
    at = await house()
    result = await sent(at, message=TEXT, encrypt_message="yes")
    told = result["encrypted"]
    assert list(told) == ["status", "key", "url"]
    assert (told["status"], result["sent"], result["error"]) == ("1", "1", 0)
    assert re.fullmatch("[A-Z2-7]{5}(-[A-Z2-7]{5}){3}", told["key"])
    (row,) = await at.rows()
    assert row.text.endswith(" " + told["url"])
    answer = await at.get(told["url"].removeprefix(BASE))
    page = answer.body.decode()
    found = re.search(r'data-code="([^"]+)" data-box="([^"]+)"', page)
    assert found
    assert unseal(AesGcm(), told["key"], base64.b64decode(found[2]), found[1]) == TEXT
    assert told["key"] not in page and "gate" not in page
    assert (answer.status, answer.headers["content-security-policy"]) == (200, POLICY)
    assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == ("no-store", "no-referrer")


@on_the_loop
async def test_the_page_has_no_script_or_style_of_its_own_and_what_it_loads_is_served() -> None:
    at = await house(ApiSettings(public_url=BASE + "/gate"))
    told = (await sent(at, message=TEXT, encrypt_message="yes"))["encrypted"]
    page = (await at.get(told["url"].removeprefix(BASE + "/gate"))).body.decode()
    assert re.findall(r"<script[^>]*>[^<]", page) == [] and "<style" not in page
    assert re.findall(r" (?:on\w+|style)=", page) == [] and "name=" not in page[page.index("<form") :]
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert loaded == ["/gate/m/sealed.css", "/gate/m/sealed.js"]
    kinds = [(await at.get(path.removeprefix("/gate"))).headers["content-type"] for path in loaded]
    assert kinds == ["text/css; charset=utf-8", "text/javascript; charset=utf-8"]
    assert "unsafe" not in POLICY


@pytest.mark.parametrize("by_bearer", [True, False])
@on_the_loop
async def test_a_repeated_call_gets_the_same_key(by_bearer: bool) -> None:
    at = await house()
    fields = {**SEND, "message": TEXT, "encrypt_message": "yes", "idempotency_key": "order 1"}
    headers = {}
    if by_bearer:
        headers = {"Authorization": f"Bearer {fields.pop('apikey')}"}
    first = await at.post("/sendsms/", fields, headers)
    again = await at.post("/sendsms/", fields, headers)
    assert first.status == 200
    assert first.body == again.body
    assert b'"key":' in first.body
    assert (await at.post("/sendsms/", {**fields, "message": "other"}, headers)).status == 409
    assert len(await at.rows()) == 1


@on_the_loop
async def test_soap_gets_the_key_too() -> None:
    at = await house()
    arguments = (
        f"<recipients>+32495898697</recipients><message>{TEXT}</message><apikey>{KEY}</apikey><encrypt_message>yes</encrypt_message>"
    )
    answer = await at.post("/sendsms/soap", call_of(arguments), {"Content-Type": TYPE11})
    found = re.search(r"<\w+:status>1</\w+:status><\w+:key>([^<]+)</\w+:key><\w+:url>([^<]+)</", answer.body.decode())
    assert found, answer.body
    (text,) = at.store._sealed.values()
    assert unseal(AesGcm(), found[1], text.box, text.code) == TEXT
    assert found[2] == f"{BASE}/m/{text.code}"
    plain = await at.post("/sendsms/soap", call_of(arguments.replace("yes", "no")), {"Content-Type": TYPE11})
    assert re.search(r"<\w+:encrypted><\w+:status>0</\w+:status></\w+:encrypted>", plain.body.decode())


@pytest.mark.parametrize("asked", ["yes", "maybe"])
@on_the_loop
async def test_a_refused_sealed_message_leaves_no_text(asked: str) -> None:
    at = await house()
    answer = await at.post("/sendsms/", {**SEND, "message": TEXT, "encrypt_message": asked, "port": "9"})
    assert answer.status == 400
    (row,) = await at.rows()
    assert row.text == ""
    assert TEXT not in repr((vars(at.store), at.log.lines))


@on_the_loop
async def test_no_byte_on_the_disk_tells_the_text_or_the_key(tmp_path: Path) -> None:
    store: Any = open_store("", tmp_path, log=Log())
    await store.open()
    at = MemoryGateway(apis, PUBLIC, store=store)
    await at.account(name="shop")  # its name would hold the key otherwise
    fields = {**SEND, "message": "plain-gate-seven", "encrypt_message": "yes", "idempotency_key": "order-number-one"}
    result: Any = await smsmobileapi.send(at.gateway, fields, bearer=None, api="test")
    assert result["encrypted"] == (await smsmobileapi.send(at.gateway, fields, bearer=None, api="test"))["encrypted"]
    key = result["encrypted"]["key"]
    assert (await store.sent(SentQuery(account_id=1)))[0].text.startswith("Encrypted message: ")
    files = [path.read_bytes() for path in tmp_path.iterdir()]
    await store.close()
    files += [path.read_bytes() for path in tmp_path.iterdir()]
    kept = b"".join(files)
    assert b"Encrypted message: " in kept
    for secret in ("plain-gate-seven", key, key.replace("-", ""), KEY, "order-number-one"):
        assert secret.encode() not in kept


# WhatsApp


@pytest.mark.parametrize(
    ("fields", "channels"),
    [
        ({"sendwa": "1"}, "sms whatsapp"),
        ({"sendwa": "1", "sendsms": "1"}, "sms whatsapp"),
        ({"sendwa": "1", "sendsms": "0"}, "whatsapp"),
        ({"waonly": "yes"}, "whatsapp"),
        ({"waonly": "yes", "sendsms": "1"}, "whatsapp"),
        ({"waonly": "yes", "sendwa": "0"}, "whatsapp"),
        ({"sendwa": "1", "sendsms": "0", "from": "ssh"}, "whatsapp"),
        ({"sendwa": "0", "sendsms": "0", "from": "ssh"}, "sms"),
        ({"waonly": "no", "sendwa": "0"}, "sms"),
    ],
)
@on_the_loop
async def test_a_message_goes_by_what_was_asked_for(fields: dict[str, str], channels: str) -> None:
    at = await house()
    driver = at.connect(PHONE, whatsapp=True)
    result = await sent(at, **fields)
    rows = await at.rows()
    assert " ".join(row.channel.value for row in rows) == channels
    assert result["send_with_whatsapp"] == ("1" if "whatsapp" in channels else "0")
    assert result["id"] == rows[0].guid
    assert result.get("ids") == ([row.guid for row in rows] if len(rows) > 1 else None)
    await at.deliver(driver)
    assert {row.device for row in await at.rows()} == {PHONE}


@on_the_loop
async def test_a_copy_by_whatsapp_waits_for_a_phone_that_can() -> None:
    at = await house()
    plain, able = at.connect("a" * 16), at.connect(PHONE, whatsapp=True)
    at.fleet.online(PHONE, False)
    result = await sent(at, sendwa="1", recipients="+32495898697,+447700900123", port="2")
    rows = await at.rows()
    assert [(row.recipient[:3], row.channel, row.wanted_sim) for row in rows] == [
        ("+32", Channel.SMS, 2),
        ("+32", Channel.WHATSAPP, None),
        ("+44", Channel.SMS, 2),
        ("+44", Channel.WHATSAPP, None),
    ]
    assert result["note"] == "waiting for a phone to connect"
    await at.deliver(plain)
    assert [row.device for row in await at.rows()] == ["a" * 16, None] * 2
    await at.deliver(able)
    assert [row.device for row in await at.rows()] == ["a" * 16, PHONE] * 2


@on_the_loop
async def test_a_long_text_by_whatsapp_is_one_message() -> None:
    at = await house()
    at.connect(PHONE, whatsapp=True)
    await sent(at, sendwa="1", message="é" * 400)
    assert [row.segments for row in await at.rows()] == [3, 1]


@on_the_loop
async def test_soap_may_ask_for_whatsapp_alone() -> None:
    at = await house()
    at.connect(PHONE, whatsapp=True)
    arguments = f"<recipients>+32495898697</recipients><message>x</message><apikey>{KEY}</apikey><sendwa>1</sendwa><sendsms>0</sendsms>"
    answer = await at.post("/sendsms/soap", call_of(arguments), {"Content-Type": TYPE11})
    assert b"send_with_whatsapp>1<" in answer.body
    assert [row.channel for row in await at.rows()] == [Channel.WHATSAPP]
