"""The parameters of a call: what clients send, what broken ones send, and what hostile ones do."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.fields import BadFields, decode

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
MULTIPART = "multipart/form-data; boundary=xx"


def multipart(*parts: str, end: str = "--xx--\r\n") -> bytes:
    return "".join(f"--xx\r\n{part}\r\n" for part in parts).encode() + end.encode()


def part(name: str, value: str, more: str = "") -> str:
    return f'Content-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}'


READABLE = [
    # query, body, content type, fields
    pytest.param(b"a=1&b=2", b"", "", {"a": "1", "b": "2"}, id="query"),
    pytest.param(b"", b"a=1&b=2", FORM, {"a": "1", "b": "2"}, id="form"),
    pytest.param(b"a=1&b=2", b"b=3", FORM, {"a": "1", "b": "3"}, id="body wins over query"),
    pytest.param(b"", b"a=1&a=2", FORM, {"a": "2"}, id="last of a repeated field wins"),
    pytest.param(b"wsdl", b"", "", {"wsdl": ""}, id="name alone"),
    pytest.param(b"&&a=1&", b"", "", {"a": "1"}, id="empty pairs"),
    pytest.param(b"", b"m=a=b", FORM, {"m": "a=b"}, id="equals sign in a value"),
    pytest.param(b"", b"recipients=+3247&m=a+b", FORM, {"recipients": " 3247", "m": "a b"}, id="raw plus stays a leading space"),
    pytest.param(b"", b"m=a%2Bb%26c", FORM, {"m": "a+b&c"}, id="encoded plus and ampersand"),
    pytest.param(b"", b"m=x%0D%0A&n=y\r\n", FORM, {"m": "x\r\n", "n": "y"}, id="line end after a form"),
    pytest.param(b"", b"a=1", FORM + "; charset=UTF-8", {"a": "1"}, id="form with charset"),
    pytest.param(b"", b"a=1", "Application/X-WWW-Form-URLencoded", {"a": "1"}, id="form in capitals"),
    pytest.param(b"", b"a=1", "", {"a": "1"}, id="form without content type"),
    pytest.param(b"", b"a=1", "text/plain;charset=UTF-8", {"a": "1"}, id="form as text"),
    pytest.param(b"", b"a=1", JSON, {"a": "1"}, id="form said to be JSON"),
    pytest.param(b"", b'{"a":"b=c&d"}', FORM, {"a": "b=c&d"}, id="JSON said to be a form"),
    pytest.param(b"", b'{"a":"b=c"}', "", {"a": "b=c"}, id="JSON without content type"),
    pytest.param(b"", b'\xef\xbb\xbf {"a":"1"}\n', JSON, {"a": "1"}, id="JSON with byte order mark"),
    pytest.param(b"", b"{a=1", FORM, {"{a": "1"}, id="form that begins like JSON"),
    pytest.param(b"", b'{"a":1,"b":true,"c":false,"d":null,"e":1.5,"f":-3,"g":""}', JSON,
                 {"a": "1", "b": "true", "c": "false", "d": "", "e": "1.5", "f": "-3", "g": ""}, id="JSON scalars"),
    pytest.param(b"", b'{"r":["+3247","+3248",3]}', JSON, {"r": "+3247,+3248,3"}, id="JSON list"),
    pytest.param(b"", b'{"r":[]}', JSON, {"r": ""}, id="JSON empty list"),
    pytest.param(b"", b'{"n":18446744073709551615}', JSON, {"n": "18446744073709551615"}, id="JSON 64 bits"),
    pytest.param(b"", '{"m":"é€😀"}'.encode(), "application/vnd.api+json", {"m": "é€😀"}, id="JSON UTF-8"),
    pytest.param(b"", b'{"m":"\\ud83d\\ude00"}', JSON, {"m": "😀"}, id="JSON surrogate pair"),
    pytest.param(b"", multipart(part("a", "1"), part("m", "é\r\nx")), MULTIPART, {"a": "1", "m": "é\r\nx"}, id="multipart"),
    pytest.param(b"a=0&q=1", multipart(part("a", "1")), MULTIPART, {"a": "1", "q": "1"}, id="multipart wins over query"),
    pytest.param(b"", multipart(part("a", "1")), 'multipart/form-data; charset=utf-8; boundary="xx"', {"a": "1"}, id="quoted boundary"),
    pytest.param(b"", multipart(part("a", "1"), part("f", "data", '; filename="x.txt"'), part("g", "d", "; filename*=UTF-8''x")),
                 MULTIPART, {"a": "1"}, id="files are not fields"),
    pytest.param(b"", multipart("content-type: text/plain\r\nCONTENT-DISPOSITION: Form-Data; NAME=a\r\n\r\n1"), MULTIPART, {"a": "1"},
                 id="part in capitals, name unquoted"),
    pytest.param(b"", multipart(part("a%22b", "1")), MULTIPART, {'a"b': "1"}, id="quote in a part's name"),
    pytest.param(b"", multipart(), MULTIPART, {}, id="multipart without parts"),
    # broken percent-encoding: kept as it came
    pytest.param(b"", b"m=100%&n=%zz&o=%4", FORM, {"m": "100%", "n": "%zz", "o": "%4"}, id="broken percent"),
    pytest.param(b"m=%", b"", "", {"m": "%"}, id="percent at the end"),
    pytest.param(b"", b"m=%25%2&n=50%+off", FORM, {"m": "%%2", "n": "50% off"}, id="percent before space"),
    # encodings
    pytest.param(b"", b"m=caf%E9+%80", FORM, {"m": "café €"}, id="Windows-1252, encoded"),
    pytest.param(b"", b"m=caf\xe9", FORM, {"m": "café"}, id="Latin-1, raw"),
    pytest.param(b"", "m=é€".encode(), FORM, {"m": "é€"}, id="UTF-8, raw"),
    pytest.param(b"", b"m=%81%8d%90", FORM, {"m": "\x81\x8d\x90"}, id="bytes that Windows-1252 leaves open"),
    pytest.param(b"", b"m=%C3%A9&n=%E9", FORM, {"m": "é", "n": "é"}, id="each value for itself"),
    pytest.param(b"", b'{"m":"caf\xe9 \x80"}', JSON, {"m": "café €"}, id="JSON in Windows-1252"),
    pytest.param(b"", b"m=%ED%A0%80", FORM, {"m": "í\xa0€"}, id="surrogate in UTF-8 is not UTF-8"),
    # empty and unrelated bodies
    pytest.param(b"a=1", b"", JSON, {"a": "1"}, id="JSON empty"),
    pytest.param(b"", b" \r\n", JSON, {}, id="JSON blank"),
    pytest.param(b"", b"", FORM, {}, id="form empty"),
    pytest.param(b"", b"", MULTIPART, {}, id="multipart empty"),
    pytest.param(b"a=1", b'{"a":', JSON, {"a": "1"}, id="broken JSON beside a query"),
    pytest.param(b"a=1", b'["x"]', JSON, {"a": "1"}, id="JSON list beside a query"),
    pytest.param(b"a=1", b"\x00\xff\x01", "application/octet-stream", {"a": "1"}, id="bytes beside a query"),
    pytest.param(b"", b'<?xml version="1.0"?><a/>', "text/xml", {}, id="XML has no fields"),
]  # fmt: skip


@pytest.mark.parametrize("query, body, content_type, fields", READABLE)
def test_what_clients_send_is_read(query: bytes, body: bytes, content_type: str, fields: dict[str, str]) -> None:
    assert decode(query, body, content_type) == fields


HOSTILE = [
    # query, body, content type, code, a word of why
    pytest.param(b"m=a%00b", b"", "", "invalid_character", "'m'", id="NUL in the query"),
    pytest.param(b"", b"m=a\0b", FORM, "invalid_character", "'m'", id="NUL in a form, raw"),
    pytest.param(b"", b"%00=a", FORM, "invalid_character", r"'\x00'", id="NUL in a name"),
    pytest.param(b"", b'{"m":"\\u0000"}', JSON, "invalid_character", "'m'", id="NUL in JSON"),
    pytest.param(b"", multipart(part("m", "a\0")), MULTIPART, "invalid_character", "'m'", id="NUL in a part"),
    pytest.param(b"", b'{"m":"\\ud800"}', JSON, "invalid_character", "'m'", id="high surrogate alone"),
    pytest.param(b"", b'{"m":"\\uDC00x"}', JSON, "invalid_character", "'m'", id="low surrogate alone"),
    pytest.param(b"", b'{"ok":1,"m":"\\ude00\\ud83d"}', JSON, "invalid_character", "'m'", id="surrogates in the wrong order"),
    pytest.param(b"", b'{"\\ud800":1}', JSON, "invalid_character", r"'\ud800'", id="surrogate in a name"),
    pytest.param(b"", b'{"r":["1","\\ud800"]}', JSON, "invalid_character", "'r'", id="surrogate in a list"),
    pytest.param(b"q=1", b'{"m":"\\ud800"}', JSON, "invalid_character", "'m'", id="surrogate beside a query"),
    pytest.param(b"", b'{"a":' + b"9" * 5000 + b"}", JSON, "invalid_json", "", id="5,000 digits"),
    pytest.param(b"", b'{"a":1e999}', JSON, "invalid_json", "", id="beyond a double"),
    pytest.param(b"", b'{"a":18446744073709551616}', JSON, "invalid_field", "'a'", id="beyond 64 bits"),
    pytest.param(b"", b'{"a":[1e300]}', JSON, "invalid_field", "'a'", id="huge float in a list"),
    pytest.param(b"", b'{"a":NaN}', JSON, "invalid_json", "", id="NaN"),
    pytest.param(b"", b'{"a":-Infinity}', JSON, "invalid_json", "", id="infinity"),
    pytest.param(b"", b"[" * 200_000, JSON, "invalid_json", "", id="deep list"),
    pytest.param(b"", b'{"a":' * 200_000, JSON, "invalid_json", "", id="deep object"),
    pytest.param(b"", b'{"\\ud800":' + b"[" * 200_000, JSON, "invalid_json", "", id="deep behind a surrogate"),
    pytest.param(b"", b'{"a":{"b":1}}', JSON, "invalid_field", "'a'", id="object in a field"),
    pytest.param(b"", b'{"a":[["b"]]}', JSON, "invalid_field", "'a'", id="list in a list"),
    pytest.param(b"", b'{"a":[{}]}', JSON, "invalid_field", "'a'", id="object in a list"),
    pytest.param(b"", b'["a"]', JSON, "invalid_json", "", id="list instead of object"),
    pytest.param(b"", b'"a=b"', JSON, "invalid_json", "", id="text instead of object"),
    pytest.param(b"", b"null", JSON, "invalid_json", "", id="null instead of object"),
    pytest.param(b"", b'{"a":1', JSON, "invalid_json", "", id="JSON cut short"),
    pytest.param(b"", b'{"a":1}{"b":2}', JSON, "invalid_json", "", id="two documents"),
    pytest.param(b"", b'{"a":"\n"}', JSON, "invalid_json", "", id="raw line break in a text"),
    pytest.param(b"", b'{"a":1', "", "invalid_json", "", id="JSON cut short, no content type"),
    pytest.param(b"", b"&".join(b"a%d=1" % n for n in range(201)), FORM, "too_many_fields", "200", id="201 fields"),
    pytest.param(b"", b"&" * 1_000_000, FORM, "too_many_fields", "200", id="a million ampersands"),
    pytest.param(b"&".join(b"a%d=1" % n for n in range(150)), b"&".join(b"b%d=1" % n for n in range(150)), FORM, "too_many_fields", "200",
                 id="300 fields, half in the query"),
    pytest.param(b"", json.dumps({str(n): 1 for n in range(201)}).encode(), JSON, "too_many_fields", "200", id="201 fields in JSON"),
    pytest.param(b"", b"n" * 201 + b"=1", FORM, "invalid_field", "200", id="long name"),
    pytest.param(b"", b"x" * 30_000_000, JSON, "invalid_json", "", id="30 MB that are not JSON"),
    pytest.param(b"", multipart(part("a", "1"), end=""), MULTIPART, "invalid_multipart", "last boundary", id="multipart not ended"),
    pytest.param(b"", b"a=1", MULTIPART, "invalid_multipart", "last boundary", id="multipart without boundary line"),
    pytest.param(b"", multipart(part("a", "1")), "multipart/form-data", "invalid_multipart", "names no boundary", id="no boundary"),
    pytest.param(b"", multipart(part("a", "1")), "multipart/form-data; boundary=" + "x" * 71 + '"', "invalid_multipart", "boundary",
                 id="long boundary"),
    pytest.param(b"", multipart("\r\n1"), MULTIPART, "invalid_multipart", "no name", id="part without head"),
    pytest.param(b"", multipart('Content-Disposition: form-data; name="a"'), MULTIPART, "invalid_multipart", "head", id="part without blank line"),
    pytest.param(b"", multipart("Content-Disposition: form-data\r\n\r\n1"), MULTIPART, "invalid_multipart", "no name", id="part without name"),
    pytest.param(b"", multipart('Content-Disposition: attachment; name="a"\r\n\r\n1'), MULTIPART, "invalid_multipart", "no name",
                 id="part that is no form data"),
    pytest.param(b"", multipart("X: " + "x" * 3000 + "\r\n" + part("a", "1")), MULTIPART, "invalid_multipart", "too long", id="long part head"),
    pytest.param(b"", multipart("Content-Transfer-Encoding: base64\r\n" + part("a", "MQ==")), MULTIPART, "invalid_multipart", "transfer",
                 id="part in base64"),
    pytest.param(b"", multipart(*[part(f"a{n}", "1") for n in range(101)]), MULTIPART, "too_many_fields", "100", id="101 parts"),
    pytest.param(b"", b"--xxjunk\r\n\r\n--xx--", MULTIPART, "invalid_multipart", "", id="junk after a boundary"),
]  # fmt: skip


@pytest.mark.parametrize("query, body, content_type, code, word", HOSTILE)
def test_what_cannot_be_read_is_refused_by_name(query: bytes, body: bytes, content_type: str, code: str, word: str) -> None:
    with pytest.raises(BadFields) as refused:
        decode(query, body, content_type)
    assert refused.value.code == code
    assert word in refused.value.why
    assert refused.value.why.isascii()
    assert len(refused.value.why) < 400


def test_exactly_the_most_fields_are_read() -> None:
    assert len(decode(b"", b"&".join(b"a%d=1" % n for n in range(200)), FORM)) == 200
    assert len(decode(b"", multipart(*[part(f"a{n}", "1") for n in range(100)]), MULTIPART)) == 100


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
FIELDS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20), TEXT, max_size=9
)


@given(FIELDS)
def test_any_text_survives_a_form(fields: dict[str, str]) -> None:
    assert decode(b"", urlencode(fields).encode(), FORM) == fields
    assert decode(urlencode(fields).encode(), b"", "") == fields


@given(FIELDS, st.booleans())
def test_any_text_survives_json(fields: dict[str, str], ascii_only: bool) -> None:
    assert decode(b"", json.dumps(fields, ensure_ascii=ascii_only).encode(), JSON) == fields


@given(st.dictionaries(st.from_regex(r"[a-zA-Z_]{1,20}", fullmatch=True), TEXT.filter(lambda text: "--xx" not in text), max_size=9))
def test_any_text_survives_multipart(fields: dict[str, str]) -> None:
    assert decode(b"", multipart(*[part(name, value) for name, value in fields.items()]), MULTIPART) == fields


@given(st.binary(max_size=300), st.binary(max_size=300), st.sampled_from([FORM, JSON, MULTIPART, "", "text/xml"]))
def test_any_bytes_are_read_or_refused(query: bytes, body: bytes, content_type: str) -> None:
    try:
        fields = decode(query, body, content_type)
    except BadFields:
        return
    "".join([*fields, *fields.values()]).encode()  # whole characters only
