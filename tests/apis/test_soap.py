"""The SOAP API from bytes to bytes: whose calls it takes, what it hands to the form endpoint, and how it answers."""

from __future__ import annotations

from xml.sax.saxutils import escape

import pytest
from lxml import etree

from adapters.apis._answers import answer
from adapters.apis._envelope import Version
from adapters.web import Call, Trouble
from service.errors import Conflict, InvalidRecipient, KeyUnknown, Missing, QuotaExceeded, Refused, Unavailable
from tests.apis.soap_peer import (
    ARGUMENTS,
    CAPTURED,
    LATIN1,
    RESULT,
    SOAP11,
    SOAP12,
    TYPE11,
    TYPE12,
    Fault,
    Peer,
    call_of,
    envelope,
    fault_of,
    result_of,
)

SENT = {"recipients": "+1234567890", "message": "Hello World", "apikey": "KEY"}
ANSWERED = {
    **{name: value for name, value in RESULT.items() if name != "port"},
    "error": "0",
    "trial_account": {"status": "0", "sms_sent": "0"},
}
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def sent_by(body: bytes, content_type: str = TYPE11) -> dict[str, str]:
    peer = Peer()
    assert result_of(peer.post(body, content_type)) == ANSWERED
    (fields,) = peer.sent
    return fields


# clients ------------------------------------------------------------------------------------------------------------------------


def test_all_captured_requests_are_here() -> None:
    assert len(CAPTURED) == 7


@pytest.mark.parametrize("name", [name for name in CAPTURED if "dropped" not in name and "utf8" not in name])
def test_captured_requests(name: str) -> None:
    assert sent_by(CAPTURED[name], LATIN1 if "nusoap" in name else TYPE11) == SENT


@pytest.mark.parametrize("content_type", [LATIN1, "text/xml", 'text/xml; charset="us-ascii"', "text/xml; charset=utf-8", ""])
def test_utf8_under_the_label_of_latin1_is_unmangled(content_type: str) -> None:
    assert sent_by(CAPTURED["nusoap-utf8-labelled-latin1"], content_type)["message"] == "Été € 世界"


def test_arguments_that_a_client_drops_are_named() -> None:
    peer = Peer()
    fault = fault_of(peer.post(CAPTURED["nusoap-arguments-dropped"], LATIN1))
    assert fault == Fault(500, "Client", "missing_parameter", "missing_parameter: Missing required parameter: recipients")
    assert peer.sent == []


def test_with_a_key_what_is_missing_is_left_to_the_form() -> None:
    assert sent_by(call_of("<apikey>KEY</apikey>")) == {"apikey": "KEY"}


ACUTE = call_of("<message>é</message>").decode()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (ACUTE.encode("latin-1"), LATIN1),
        (ACUTE.encode("utf-16"), "text/xml"),
        (ACUTE.encode("utf-16"), "text/xml; charset=utf-16"),
        (ACUTE.encode("utf-16-be"), "text/xml; charset=utf-16"),
        (ACUTE.encode("utf-16-le"), "text/xml; charset=utf-16"),
        (b"\xef\xbb\xbf" + ACUTE.encode(), TYPE11),
        (b'<?xml version="1.0" encoding="utf-16"?>' + ACUTE.encode(), "text/xml"),
        (b'<?xml version="1.0" encoding="ISO-8859-2"?>' + ACUTE.encode("iso-8859-2"), "text/xml"),
        (b'<?xml version="1.0" encoding="ISO-8859-2"?>' + ACUTE.encode(), TYPE11),
        (ACUTE.encode(), 'text/xml; charset="UTF-8"; action="urn:sendSms#sendSms"'),
        (call_of("<message>&#233;</message>"), TYPE11),
        (call_of("<message><![CDATA[é]]></message>"), TYPE11),
        (call_of("<message><!-- a --><?b c?>é<!-- d --></message>"), TYPE11),
    ],
)
def test_charsets(body: bytes, content_type: str) -> None:
    peer = Peer()
    peer.post(body, content_type, authorization="Bearer token")
    assert peer.sent == [{"message": "é"}]


def test_cp1252_under_the_label_of_latin1() -> None:
    body = call_of(ARGUMENTS).replace(b"Hello", b"\x80")
    assert sent_by(body, LATIN1)["message"] == "€ World"


def test_a_doctype_in_a_text_is_text() -> None:
    text = "<!DOCTYPE html>"
    assert sent_by(call_of(f"<message><![CDATA[{text}]]></message><apikey>K</apikey>"))["message"] == text


def test_limits_are_not_below_what_is_allowed() -> None:
    filled = "".join(f"<a{n}/>" for n in range(249)) + "<b " + " ".join(f'a{n}="="' for n in range(62)) + "/>"
    deep = "<a>" * 29 + "</a>" * 29
    assert sent_by(call_of(ARGUMENTS + filled)) == SENT
    assert sent_by(call_of(ARGUMENTS + deep)) == SENT


# dialects -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("soap", [SOAP11, SOAP12])
@pytest.mark.parametrize(
    "operation",
    [
        f'<sendSms xmlns="urn:sendSms">{ARGUMENTS}</sendSms>',
        f'<m:sendSms xmlns:m="urn:sendSms">{ARGUMENTS}</m:sendSms>',
        f'<m:sendSms xmlns:m="http://old.example/?a=1&amp;b=2">{ARGUMENTS}</m:sendSms>',
        f"<sendSms>{ARGUMENTS}</sendSms>",
        f'<m:sendSms xmlns:m="{"u" * 5000}">{ARGUMENTS}</m:sendSms>',
    ],
)
def test_is_answered_in_kind(soap: str, operation: str) -> None:
    content_type = TYPE11 if soap == SOAP11 else TYPE12
    reply = Peer().post(envelope(operation, namespace=soap), content_type)
    assert reply.content_type == content_type and reply.body.isascii()
    root = etree.fromstring(reply.body)
    asked, (found,) = etree.fromstring(operation), root[0]
    assert root.tag == f"{{{soap}}}Envelope" and root[0].tag == f"{{{soap}}}Body"
    expected = asked.tag + "Response" if asked.tag != "sendSms" and len(asked.tag) < 1000 else "{urn:sendSms}sendSmsResponse"
    assert found.tag == expected
    namespace = "{urn:sendSms}" if asked[0].tag.startswith("{") else ""
    assert {element.tag.removesuffix(element.tag.rpartition("}")[2]) for element in found.iterdescendants()} == {namespace}


def test_any_order_and_unknown_children() -> None:
    body = call_of(f"<x><y>1</y></x><apikey>KEY</apikey><message>Hello World</message>{'<recipients>+1234567890</recipients>'}")
    assert sent_by(body) == SENT


@pytest.mark.parametrize("action", ["", '""', '"urn:other"', "urn:sendSms#sendSms"])
def test_any_soap_action(action: str) -> None:
    assert Peer().post(call_of(), soapaction=action).status == 200


@pytest.mark.parametrize("path", ["/sendsms/soap", "/sendsms/wsdl/sendsms.wsdl", "/sendsms/wsdl/sendsms-rpc.wsdl"])
def test_is_called_at_each_path(path: str) -> None:
    assert result_of(Peer().post(call_of(), path=path)) == ANSWERED


NUMBER = '<m id="n">+1234567890</m>'


@pytest.mark.parametrize(
    ("operation", "header"),
    [
        (f'<sendSms><recipients href="#n"/><message href="#t"/><apikey>KEY</apikey></sendSms>{NUMBER}<m id="t">Hello World</m>', ""),
        (f'<sendSms href="#0"/><m id="0"><recipients href="#n"/><message>Hello World</message><apikey>KEY</apikey></m>{NUMBER}', ""),
        ('<sendSms><recipients href="#n"/><message>Hello World</message><apikey>KEY</apikey></sendSms>', f"<s:Header>{NUMBER}</s:Header>"),
        ('<sendSms><recipients href="#o"/><message>Hello World</message><apikey id="o" href="#n"/></sendSms>' + NUMBER, ""),
    ],
)
def test_references(operation: str, header: str) -> None:
    fields = sent_by(envelope(operation, header=header))
    assert fields == SENT if 'id="o"' not in operation else SENT | {"apikey": "+1234567890"}


def test_references_of_soap12() -> None:
    enc = 'xmlns:e="http://www.w3.org/2003/05/soap-encoding"'
    body = call_of(f'<recipients {enc} e:ref="a"/><message>Hello World</message><apikey>KEY</apikey>', namespace=SOAP12)
    body = body.replace(b"</s:Body>", f'<m {enc} e:id="a">+1234567890</m></s:Body>'.encode())
    assert sent_by(body, TYPE12) == SENT


@pytest.mark.parametrize(
    "recipients",
    [
        "<recipients>+1,+2</recipients>",
        "<recipients>+1</recipients><recipients>+2</recipients>",
        "<recipients><item>+1</item><item>+2</item></recipients>",
        '<recipients><item href="#a"/><item>+2</item></recipients><x id="a">+1</x>',
    ],
)
def test_lists_become_one_text(recipients: str) -> None:
    assert sent_by(call_of(recipients + "<apikey>K</apikey>"))["recipients"] == "+1,+2"


# parameters ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["port", "shorturl", "sendwa", "sendsms", "schedule_timestamp", "validity_s"])
@pytest.mark.parametrize("nothing", ["", "0", "false", "no", " ", "False", "00"])
def test_what_stubs_send_for_unset_asks_for_nothing(name: str, nothing: str) -> None:
    assert sent_by(call_of(f"{ARGUMENTS}<{name}>{nothing}</{name}>")) == SENT


@pytest.mark.parametrize("nil", ["true", "1"])
def test_nil_asks_for_nothing(nil: str) -> None:
    assert sent_by(call_of(f'{ARGUMENTS}<port {XSI} xsi:nil="{nil}"/><from {XSI} xsi:nil="{nil}"/>')) == SENT


@pytest.mark.parametrize("yes", ["1", "true", "yes", " Yes ", "01"])
def test_flags(yes: str) -> None:
    assert sent_by(call_of(f"{ARGUMENTS}<shorturl>{yes}</shorturl>")) == SENT | {"shorturl": "1"}


def test_sendsms_0_counts_beside_whatsapp_only() -> None:
    both = f"{ARGUMENTS}<sendsms>0</sendsms><sendwa>{{}}</sendwa>"
    assert sent_by(call_of(both.format(0))) == SENT
    assert sent_by(call_of(both.format("false"))) == SENT
    assert sent_by(call_of(both.format(1))) == SENT | {"sendwa": "1", "sendsms": "0"}
    assert sent_by(call_of(f"{ARGUMENTS}<sendwa>1</sendwa>")) == SENT | {"sendwa": "1"}
    assert sent_by(call_of(f"{ARGUMENTS}<sendwa>1</sendwa><sendsms/>")) == SENT | {"sendwa": "1"}
    assert sent_by(call_of(both.format(1).replace(">0<", ">true<"))) == SENT | {"sendwa": "1", "sendsms": "1"}


def test_every_parameter() -> None:
    numbers = {"port": "2", "shorturl": "1", "sendwa": "1", "sendsms": "1", "schedule_timestamp": "99999999999", "validity_s": "60"}
    texts = {"sIdentifiant": "a b", "encrypt_message": "yes", "waonly": "yes", "from": "0", "idempotency_key": " k "}
    asked = numbers | texts | {"message": " <b>&amp; ', \t\"\n 0 "}
    children = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in asked.items())
    assert sent_by(call_of(f"<recipients>+1</recipients><apikey>K</apikey>{children}")) == asked | {"recipients": "+1", "apikey": "K"}


def test_bearer_and_idempotency_key_of_the_header() -> None:
    peer = Peer()
    reply = peer.post(call_of("<recipients>1</recipients>"), authorization="Bearer token", idempotency_key="again")
    assert reply.status == 200
    assert peer.bearers == ["token"] and peer.sent == [{"recipients": "1", "idempotency_key": "again"}]


# answers ------------------------------------------------------------------------------------------------------------------------


def test_optional_fields() -> None:
    peer = Peer(result=RESULT | {"port": 2, "ids": ("a", "b")})
    assert result_of(peer.post(call_of())) == ANSWERED | {"port": "2", "ids": ["a", "b"]}


def test_a_namespace_is_escaped() -> None:
    body = answer(Version.SOAP11, True, 'a"<&', RESULT)
    assert etree.fromstring(body, etree.XMLParser(recover=True))[0][0].nsmap["tns"] == 'a"<&'


def test_an_answer_is_escaped() -> None:
    peer = Peer(result=RESULT | {"note": "<é & \r>", "ids": ["<&>"]})
    result = result_of(peer.post(call_of()))
    assert (result["note"], result["ids"]) == ("<é & \r>", "<&>")


REFUSALS = [
    (KeyUnknown(), "Client", "invalid_apikey"),
    (Missing("text"), "Client", "missing_parameter"),
    (InvalidRecipient("<é>"), "Client", "invalid_recipient"),
    (Conflict("the key was used"), "Client", "idempotency_conflict"),
    (QuotaExceeded("enough", retry_after_s=7), "Client", "quota_exceeded"),
    (Unavailable("the store is away"), "Server", "unavailable"),
]


@pytest.mark.parametrize(("refusal", "side", "code"), REFUSALS)
def test_refusals(refusal: Refused, side: str, code: str) -> None:
    fault = fault_of(Peer(refusal=refusal).post(call_of()))
    assert (fault.status, fault.fault, fault.code) == (500, side, code)
    fault = fault_of(Peer(refusal=refusal).post(call_of(namespace=SOAP12), "text/xml"))
    assert (fault.status, fault.fault, fault.code) == ((400, "Sender", code) if side == "Client" else (500, "Receiver", code))


def test_a_refusal_says_why_and_when_to_return() -> None:
    reply = Peer(refusal=QuotaExceeded("10 a day are <enough>", retry_after_s=7)).post(call_of())
    assert fault_of(reply).why == "quota_exceeded: 10 a day are <enough>"
    assert reply.headers == (("Retry-After", "7"),)


@pytest.mark.parametrize("status", [400, 404, 405, 408, 413, 414, 431, 500, 503])
@pytest.mark.parametrize("content_type", [TYPE11, TYPE12, "application/json", ""])
def test_troubles_of_the_front_door_are_faults_with_its_status(status: int, content_type: str) -> None:
    call = Call("POST", "/sendsms/soap", headers={b"content-type": content_type.encode()})
    fault = fault_of(Peer().api.word(call, Trouble(status, "a_code", "why & how")))
    names = ("Sender", "Receiver") if content_type == TYPE12 else ("Client", "Server")
    assert fault == Fault(status, names[status >= 500], "a_code", "a_code: why & how")


@pytest.mark.parametrize(("soap", "content_type"), [(SOAP11, TYPE12), (SOAP12, TYPE11)])
@pytest.mark.parametrize("operation", ["", "<other/>", "<sendSms/>", "<sendSms><message><a/></message></sendSms>"])
def test_the_envelope_outweighs_the_content_type(soap: str, content_type: str, operation: str) -> None:
    fault = fault_of(Peer().post(envelope(operation, namespace=soap), content_type))
    assert (fault.status, fault.fault) == ((500, "Client") if soap == SOAP11 else (400, "Sender"))


MUST = '<s:Header><a:b xmlns:a="urn:a" s:mustUnderstand="{}" {}/></s:Header>'


@pytest.mark.parametrize("soap", [SOAP11, SOAP12])
@pytest.mark.parametrize(("must", "extra"), [("1", ""), ("true", ""), ("1", 's:actor="{next}" s:role="{next}"')])
def test_a_header_that_must_be_understood(soap: str, must: str, extra: str) -> None:
    next_one = "http://schemas.xmlsoap.org/soap/actor/next" if soap == SOAP11 else SOAP12 + "/role/next"
    header = MUST.format(must, extra.format(next=next_one))
    peer = Peer()
    fault = fault_of(peer.post(call_of(namespace=soap, header=header)))
    assert (fault.status, fault.fault, fault.code, peer.sent) == (500, "MustUnderstand", "must_understand", [])


@pytest.mark.parametrize(("must", "extra"), [("0", ""), ("false", ""), ("", ""), ("1", 's:actor="urn:another" s:role="urn:another"')])
def test_other_headers_are_ignored(must: str, extra: str) -> None:
    assert sent_by(call_of(header=MUST.format(must, extra))) == SENT
    assert sent_by(call_of(header=MUST.format(must, extra), namespace=SOAP12), TYPE12) == SENT
