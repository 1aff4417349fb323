"""Bodies that no honest client sends, or only a broken one. Each is refused before anything is done, whatever key it carries."""

from __future__ import annotations

from dataclasses import dataclass

from tests.apis.soap_peer import ARGUMENTS, SOAP11, SOAP12, TYPE11, TYPE12, call_of, envelope

MIB = 1024 * 1024


@dataclass(frozen=True)
class Row:
    name: str
    kind: str
    body: bytes
    content_type: str = TYPE11
    status: int = 500
    code: str = "invalid_xml"


def _typed(value: str) -> bytes:
    return call_of(f"{ARGUMENTS}<port>{value}</port>")


def _dtd(declarations: str, text: str = "x") -> bytes:
    return envelope(f"<sendSms><message>{text}</message></sendSms>", before=f"<!DOCTYPE s:Envelope {declarations}>")


def _deep(levels: int) -> bytes:
    return call_of(ARGUMENTS + "<a>" * levels + "</a>" * levels)


def _attributes(pieces: list[str]) -> bytes:
    return call_of(f"{ARGUMENTS}<a {' '.join(pieces)}/>")


def _labelled(label: str, text: bytes) -> bytes:
    return b'<?xml version="1.0" encoding="%s"?>' % label.encode() + call_of("<message>@</message>").replace(b"@", text)


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
REFERENCE = call_of('<recipients href="#a"/>').replace(b"</sendSms>", b'</sendSms><x id="a" href="#b"/><x id="b" href="#a"/>')
AMPLIFIED = call_of('<recipients href="#a"/>' * 200).replace(b"</sendSms>", b'</sendSms><x id="a">' + b"1" * 500_000 + b"</x>")
CHAIN = "".join(f'<x id="i{n}" href="#i{n + 1}"/>' for n in range(200))
ENVELOPE = {"code": "invalid_envelope"}
PARAMETER = {"code": "invalid_parameter"}
CHARSET = {"code": "unsupported_charset"}

ROWS = [
    Row("billion laughs", "entities", _dtd(f'[<!ENTITY l0 "ha">{LAUGHS}]', "&l9;")),
    Row("quadratic blow-up", "entities", _dtd(f'[<!ENTITY a "{"a" * 50_000}">]', "&a;" * 5_000)),
    Row("entity in an attribute", "entities", _dtd('[<!ENTITY a "1">]', '<b c="&a;"/>')),
    Row("one entity", "entities", _dtd('[<!ENTITY a "expanded">]', "&a;")),
    Row("recursive entity", "entities", _dtd('[<!ENTITY a "&b;"><!ENTITY b "&a;">]', "&a;")),
    Row("entity that nobody declared", "entities", call_of("<message>&nbsp;</message>")),
    Row("many undeclared entities", "entities", call_of(f"<message>{'&x;' * 300_000}</message>")),
    Row("unused DTD", "DTD", _dtd("[]")),
    Row("DTD without a subset", "DTD", _dtd("")),
    Row("DTD behind comments", "DTD", b"<?xml version='1.0'?><!-- > --> \n<?a ?>" + _dtd('[<!ATTLIST a b CDATA "c">]')),
    Row("DTD behind a byte order mark", "DTD", b"\xef\xbb\xbf" + _dtd("[]")),
    Row("DTD in UTF-16", "DTD", _dtd("[]").decode().encode("utf-16")),
    Row("file", "XXE", _dtd('[<!ENTITY a SYSTEM "file:///etc/passwd">]', "&a;")),
    Row("address", "XXE", _dtd('[<!ENTITY a SYSTEM "http://127.0.0.1:1/">]', "&a;")),
    Row("parameter entity", "XXE", _dtd('[<!ENTITY % a SYSTEM "file:///etc/hostname"> %a;]')),
    Row("external subset", "XXE", _dtd('SYSTEM "http://127.0.0.1:1/a.dtd"')),
    Row("XInclude is no parameter", "XXE", call_of('<message><i:include xmlns:i="http://www.w3.org/2001/XInclude" href="/etc/passwd"/></message>'), **PARAMETER),
    Row("33 levels", "depth", _deep(30)),
    Row("300 levels", "depth", _deep(300)),
    Row("100,000 levels, never closed", "depth", b"<a>" * 100_000),
    Row("deep inside a header", "depth", call_of(header=f"<s:Header>{'<a>' * 40}{'</a>' * 40}</s:Header>")),
    Row("65 attributes", "attributes", _attributes([f'a{n}=""' for n in range(65)])),
    Row("50,000 attributes", "attributes", _attributes([f'a{n}=""' for n in range(50_000)])),
    Row("one attribute, many times", "attributes", _attributes(['a=""'] * 100_000)),
    Row("65 namespaces", "attributes", _attributes([f'xmlns:a{n}="u"' for n in range(65)])),
    Row("60,000 namespaces", "attributes", _attributes([f'xmlns:a{n}="u"' for n in range(60_000)])),
    Row("257 elements", "elements", call_of(ARGUMENTS + "<a/>" * 251)),
    Row("250,000 elements", "elements", call_of("<a/>" * 250_000)),
    Row("elements in a header", "elements", call_of(header=f"<s:Header>{'<a/>' * 300}</s:Header>")),
    Row("100,000 comments", "elements", call_of("<!---->" * 100_000)),
    Row("an unknown charset", "encodings", _labelled("nope", b"x"), "text/xml", **CHARSET),
    Row("an unknown charset in HTTP", "encodings", call_of(), "text/xml; charset=nope", **CHARSET),
    Row("UTF-7", "encodings", b"+ADw-a+AD4-", "text/xml; charset=utf-7", **CHARSET),
    Row("EBCDIC", "encodings", call_of().decode().encode("cp037"), "text/xml; charset=ibm037", **CHARSET),
    Row("base64 is not a charset", "encodings", call_of(), "text/xml; charset=base64", **CHARSET),
    Row("broken UTF-8", "encodings", call_of("<message>@</message>").replace(b"@", b"\xc3(")),
    Row("overlong UTF-8", "encodings", call_of("<message>@</message>").replace(b"@", b"\xc0\xbcb/\xc0\xbe")),
    Row("UTF-16 with half a character", "encodings", call_of().decode().encode("utf-16") + b"<", **CHARSET),
    Row("UTF-32", "encodings", call_of().decode().encode("utf-32")),
    Row("not Shift_JIS", "encodings", _labelled("Shift_JIS", b"\xfd\xfe\xff"), "text/xml", **CHARSET),
    Row("NUL in a text", "NUL", call_of("<message>a\0b</message>")),
    Row("NUL as a reference", "NUL", call_of("<message>a&#0;b</message>")),
    Row("NUL as a hexadecimal reference", "NUL", call_of("<message>a&#x0;b</message>")),
    Row("NUL at the end", "NUL", call_of() + b"\0"),
    Row("NUL in UTF-16", "NUL", call_of("<message>a\0b</message>").decode().encode("utf-16")),
    Row("high surrogate", "surrogates", call_of("<message>&#xD800;</message>")),
    Row("a pair of references", "surrogates", call_of("<message>&#55357;&#56832;</message>")),
    Row("surrogate in UTF-8", "surrogates", call_of("<message>@</message>").replace(b"@", b"\xed\xa0\x80")),
    Row("lone surrogate in UTF-16", "surrogates", "<a>\ud800</a>".encode("utf-16", "surrogatepass"), **CHARSET),
    Row("beyond Unicode", "surrogates", call_of("<message>&#x110000;</message>")),
    Row("nothing", "empty", b""),
    Row("blanks", "empty", b" \r\n\t "),
    Row("only a declaration", "empty", b'<?xml version="1.0"?>'),
    Row("an empty Body", "empty", envelope(""), **ENVELOPE),
    Row("a Body of text", "empty", envelope("hello"), **ENVELOPE),
    Row("no Body", "empty", f'<s:Envelope xmlns:s="{SOAP11}"/>'.encode(), **ENVELOPE),
    Row("only a header", "empty", f'<s:Envelope xmlns:s="{SOAP12}"><s:Header/></s:Envelope>'.encode(), TYPE12, 400, **ENVELOPE),
    Row("to itself", "references", call_of('<message id="a" href="#a"/>'), **ENVELOPE),
    Row("in a circle", "references", REFERENCE, **ENVELOPE),
    Row("to nowhere", "references", call_of('<message href="#gone"/>'), **ENVELOPE),
    Row("to an attachment", "references", call_of('<message href="cid:1"/>'), **ENVELOPE),
    Row("a long chain", "references", call_of('<message href="#i0"/>').replace(b"</sendSms>", b"</sendSms>" + CHAIN.encode()), **ENVELOPE),
    Row("one long text, 200 times", "references", AMPLIFIED, **PARAMETER),
    Row("an operation that is itself", "references", envelope('<sendSms id="a" href="#a"/>'), **ENVELOPE),
    Row("more than 32 bits", "huge numbers", _typed("99999999999"), **PARAMETER),
    Row("a million digits", "huge numbers", _typed("1" * 1_000_000), **PARAMETER),
    Row("5,000 digits", "huge numbers", _typed("9" * 5_000), **PARAMETER),
    Row("more than 64 bits", "huge numbers", call_of(f"{ARGUMENTS}<schedule_timestamp>{1 << 63}</schedule_timestamp>"), **PARAMETER),
    Row("an exponent", "huge numbers", _typed("1e400"), **PARAMETER),
    Row("a word for a number", "wrong types", _typed("first"), **PARAMETER),
    Row("a fraction", "wrong types", _typed("1.5"), **PARAMETER),
    Row("not a number", "wrong types", _typed("NaN"), **PARAMETER),
    Row("an element for a text", "wrong types", call_of("<message><b>x</b></message>"), **PARAMETER),
    Row("a list for a text", "wrong types", call_of("<message>a</message><message>b</message>"), **PARAMETER),
    Row("a list of lists", "wrong types", call_of("<recipients><i><i>1</i></i></recipients>"), **PARAMETER),
    Row("2 MiB", "big bodies", call_of(f"<message>{'x' * 2 * MIB}</message>"), status=413, code="too_large"),
    Row("2 MiB, SOAP 1.2", "big bodies", call_of(f"<message>{'x' * 2 * MIB}</message>", namespace=SOAP12), TYPE12, 413, "too_large"),
    Row("30 MiB of nothing", "big bodies", b" " * 30 * MIB, status=413, code="too_large"),
    Row("1 MiB of names", "big bodies", b"<" + b"a" * (MIB - 2) + b">"),
    Row("1 MiB of character references", "big bodies", call_of(f"<a>{'&#10;' * 200_000}</b>")),
    Row("form fields", "not SOAP", b"apikey=KEY&recipients=1&message=x", "application/x-www-form-urlencoded"),
    Row("JSON", "not SOAP", b'{"apikey": "KEY"}', "application/json"),
    Row("multipart", "not SOAP", b'--b\r\nContent-Type: text/xml\r\n\r\n<a/>\r\n--b--', "multipart/related; boundary=b"),
    Row("XML, but no envelope", "not SOAP", b"<sendSms/>", **ENVELOPE),
    Row("two roots", "not SOAP", call_of() * 2),
    Row("cut off", "not SOAP", call_of()[:-20]),
    Row("a Fault", "envelopes", envelope("<s:Fault><faultcode>s:Client</faultcode></s:Fault>"), **ENVELOPE),
    Row("two calls", "envelopes", envelope("<sendSms/><sendSms/>"), **ENVELOPE),
    Row("another operation", "envelopes", envelope("<dropAll/>"), code="unknown_operation"),
    Row("another operation, SOAP 1.2", "envelopes", envelope("<dropAll/>", namespace=SOAP12), TYPE12, 400, "unknown_operation"),
    Row("another SOAP", "envelopes", call_of(namespace="urn:soap:2.0"), code="version_mismatch"),
    Row("no namespace", "envelopes", b"<Envelope><Body><sendSms/></Body></Envelope>", code="version_mismatch"),
    Row("must understand", "envelopes", call_of(header='<s:Header><a s:mustUnderstand="1"/></s:Header>'), code="must_understand"),
]  # fmt: skip
