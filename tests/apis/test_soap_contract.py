"""The WSDLs say what Spyne's types say, and what is compiled from Spyne does what Spyne does."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from suds.client import Client as Suds
from zeep import Client as Zeep
from zeep.exceptions import Fault as ZeepFault

from adapters.apis import _spyne
from adapters.apis._answers import answer
from adapters.apis._envelope import NAMESPACE, Version, read
from adapters.apis.wsdl_check import KINDS, differences, main
from service.errors import Invalid, KeyUnknown
from tests.apis.soap_peer import RESULT, TYPE11, Peer

WSDLS = {name: files("wsdl").joinpath(name).read_bytes() for name in KINDS}
PLACES = [
    (name, number, attribute)
    for name, text in WSDLS.items()
    for number, element in enumerate(etree.fromstring(text).iter("*"))
    for attribute in element.attrib
    if attribute != "location"
]


# golden -------------------------------------------------------------------------------------------------------------------------


def test_the_wsdls_are_as_spyne_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("name", "number", "attribute"), PLACES, ids=["-".join(map(str, place)) for place in PLACES])
def test_one_changed_attribute_is_found(name: str, number: int, attribute: str) -> None:
    for change in ("change", "drop"):
        root = etree.fromstring(WSDLS[name])
        element = list(root.iter("*"))[number]
        element.set(attribute, element.get(attribute, "") + "X")
        if change == "drop":
            del element.attrib[attribute]
        assert differences(name, etree.tostring(root)), change


@pytest.mark.parametrize("name", WSDLS)
def test_a_lost_or_moved_element_is_found(name: str) -> None:
    for number, element in enumerate(etree.fromstring(WSDLS[name]).iter("*")):
        if number == 0:
            continue
        root = etree.fromstring(WSDLS[name])
        lost = list(root.iter("*"))[number]
        lost.getparent().remove(lost)
        assert differences(name, etree.tostring(root)), etree.tostring(element)


def test_a_mention_of_soap12_is_found() -> None:
    """gSOAP would send it."""
    for name, text in WSDLS.items():
        mentioned = text.replace(b"<wsdl:types>", b'<wsdl:types xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/">')
        assert differences(name, mentioned)


def test_order_counts() -> None:
    for name, text in WSDLS.items():
        first, second = (b'name="recipients"', b'name="message"')
        swapped = text.replace(first, b"@").replace(second, first).replace(b"@", second)
        assert differences(name, swapped)


def test_differences_are_printed_and_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name, text in WSDLS.items():
        (tmp_path / name).write_bytes(text.replace(b'name="port" type="xsd:int"', b'name="port" type="xsd:long"'))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr("adapters.apis.wsdl_check.files", lambda package: tmp_path)
    assert main() == 1
    assert "+  {}port {http://www.w3.org/2001/XMLSchema}long 0..1 false" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


# compiled -----------------------------------------------------------------------------------------------------------------------

XML_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\t\n\r<>&\"'% "), max_size=30)
NUMBERS = (
    st.integers().map(str) | st.integers(-(1 << 65), 1 << 65).map(str) | st.sampled_from(["", " 1 ", "+7", "-0", "1.0", "1e3", "x", "٣"])
)
VALUES = st.fixed_dictionaries(
    {},
    optional={name: NUMBERS | XML_TEXT if name in _spyne.WHOLE_NUMBERS else XML_TEXT for name in sorted(_spyne.PARAMETERS)},
)


def spyne_decodes(values: dict[str, str]) -> dict[str, Any] | None:
    """What Spyne's own from_element makes of it, with soft validation; None when it refuses."""
    element = etree.Element(f"{{{NAMESPACE}}}sendSms")
    for name, text in values.items():
        etree.SubElement(element, f"{{{NAMESPACE}}}{name}").text = text
    try:
        made = _spyne._PROTOCOLS[Version.SOAP11].from_element(None, _spyne._REQUEST, element)
    except _spyne.Fault:
        return None
    return {name: getattr(made, name) for name in values}


@given(VALUES)
def test_parameters_are_decoded_as_spyne_does(values: dict[str, str]) -> None:
    needed = dict.fromkeys(_spyne.NEEDED, "") | values
    try:
        ours: dict[str, Any] | None = _spyne.decode(needed)
    except Invalid as refused:
        assert refused.field in values
        ours = None
    assert ours == spyne_decodes(needed)


def test_what_is_needed_is_what_spyne_needs() -> None:
    assert _spyne.NEEDED == ("recipients", "message")
    for name in _spyne.NEEDED:
        assert spyne_decodes({needed: "" for needed in _spyne.NEEDED if needed != name}) is None


def test_the_private_name_of_spyne_is_still_there() -> None:
    handlers = _spyne._PROTOCOLS[Version.SOAP11]._from_unicode_handlers
    assert all(callable(handlers[cls]) for cls in _spyne._MEMBERS.values())


RESULTS = st.fixed_dictionaries(
    {name: st.just(0) if name == "error" else XML_TEXT for name, value in RESULT.items() if isinstance(value, str | int)}
    | {"encrypted": st.fixed_dictionaries({"status": XML_TEXT}, optional={"key": XML_TEXT, "url": XML_TEXT})}
    | {"trial_account": st.fixed_dictionaries({"status": XML_TEXT, "sms_sent": st.integers(0, 1 << 30)})}
    | {"port": st.none() | st.integers(1, 2)},
    optional={"ids": st.lists(XML_TEXT, max_size=3)},
)


@given(RESULTS, st.sampled_from(Version), st.booleans())
def test_answers_are_written_as_spyne_does(result: dict[str, Any], version: Version, is_qualified: bool) -> None:
    ours = answer(version, is_qualified, NAMESPACE, result)
    head, _, envelope = ours.partition(b"\n")
    assert head == b'<?xml version="1.0" encoding="utf-8"?>'
    theirs = etree.tostring(_spyne.written_by_spyne(version, is_qualified, result))
    # the same element without content has two spellings
    assert etree.canonicalize(envelope.decode()) == etree.canonicalize(theirs.decode())


# real clients, without a network ------------------------------------------------------------------------------------------------


class Wire:
    """zeep's transport: files are files, and posts go to the API in memory."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def load(self, url: str) -> bytes:
        return Path(url).read_bytes()

    def post_xml(self, address: str, envelope: Any, headers: dict[str, str]) -> Any:
        reply = self.peer.post(etree.tostring(envelope), headers["Content-Type"])
        return type(
            "Response",
            (),
            {"status_code": reply.status, "content": reply.body, "headers": {"Content-Type": reply.content_type}, "encoding": "utf-8"},
        )()


@pytest.mark.parametrize("name", WSDLS)
def test_zeep(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(WSDLS[name])
    peer = Peer(result=RESULT | {"port": 1, "ids": ["a", "b"]})
    client = Zeep(str(tmp_path / name), transport=Wire(peer))
    result = client.service.sendSms(recipients="+1", message="hé €😀 <b>&amp; x", apikey="K")
    assert peer.sent == [{"recipients": "+1", "message": "hé €😀 <b>&amp; x", "apikey": "K"}]
    assert (result.error, result.id, result.port, result.ids) == (0, RESULT["id"], 1, ["a", "b"])
    assert (result.encrypted.status, result.trial_account.sms_sent) == ("0", 0)
    peer.refusal = KeyUnknown()
    with pytest.raises(ZeepFault) as caught:
        client.service.sendSms(recipients="+1", message="x", apikey="wrong")
    assert caught.value.message.startswith("invalid_apikey: ") and caught.value.detail[0].text == "invalid_apikey"


def test_zeep_sends_every_parameter_by_its_type(tmp_path: Path) -> None:
    (tmp_path / "a.wsdl").write_bytes(WSDLS["sendsms.wsdl"])
    client = Zeep(str(tmp_path / "a.wsdl"), transport=Wire(Peer()))
    asked = {name: 1 if name in _spyne.WHOLE_NUMBERS else "x" for name in _spyne.PARAMETERS}
    message = client.create_message(client.service, "sendSms", **asked)
    assert read(etree.tostring(message), TYPE11, _spyne.PARAMETERS).values == {name: str(value) for name, value in asked.items()}


@pytest.mark.parametrize("name", WSDLS)
def test_suds(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(WSDLS[name])
    client = Suds((tmp_path / name).as_uri(), nosend=True, cache=None)
    sent = client.service.sendSms("+1", "é", "K").envelope
    peer = Peer()
    reply = peer.post(sent)
    assert peer.sent == [{"recipients": "+1", "message": "é", "apikey": "K"}]
    result = client.service.sendSms("+1", "é", "K", __inject={"reply": reply.body})
    assert (result.error, result.id, result.trial_account.sms_sent) == (0, RESULT["id"], 0)
