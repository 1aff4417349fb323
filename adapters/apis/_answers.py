"""What goes back in an envelope, filled into templates that are cut, at start-up, from what Spyne writes.

Everything is ASCII, other characters as references: nusoap reads an answer as ISO-8859-1 when it finds no better reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lxml import etree

from adapters.apis._envelope import NAMESPACE, Version
from adapters.apis._spyne import fault_by_spyne, written_by_spyne

_DECLARATION = b'<?xml version="1.0" encoding="utf-8"?>\n'
_MARK = re.compile(r"@([\w.]+)@")
_OPTIONAL = re.compile(r"<[\w:]+>@(port|ids)@</[\w:]+>")
_SPECIAL = re.compile("[&<>\r]")
_SAMPLE: dict[str, object] = {
    **dict.fromkeys(("sent", "id", "note", "datetime", "datetimeLocal", "iac_control", "iac_authorized", "send_with_whatsapp"), ""),
    **{"error": 0, "port": 0, "encrypted": {"status": ""}, "trial_account": {"status": "", "sms_sent": 0}, "ids": [""]},
}
"""a result with every field"""


class _Answer:
    """An envelope with holes. An element that may be absent, or repeated, is a hole with its tags."""

    def __init__(self, version: Version, is_qualified: bool) -> None:
        envelope = written_by_spyne(version, is_qualified, _SAMPLE)
        for leaf in envelope.iter():
            if len(leaf) == 0:
                leaf.text = f"@{_path(leaf)}@"
        text = _text(envelope).replace(f'"{NAMESPACE}"', '"@namespace@"')
        self._elements = {found[1]: found[0].replace(f"@{found[1]}@", "%s") for found in _OPTIONAL.finditer(text)}
        pieces = _MARK.split(_OPTIONAL.sub(r"@\1@", text))
        self._template = "%s".join(pieces[::2])
        self._holes = pieces[1::2]

    def fill(self, namespace: str, result: Mapping[str, Any]) -> bytes:
        return _DECLARATION + (self._template % tuple([self._value(hole, namespace, result) for hole in self._holes])).encode(
            "ascii", "xmlcharrefreplace"
        )

    def _value(self, hole: str, namespace: str, result: Mapping[str, Any]) -> str:
        if hole == "namespace":
            return _escaped(namespace).replace('"', "&quot;")
        outer, _, inner = hole.partition(".")
        value = result[outer][inner] if inner else result.get(outer)
        element = self._elements.get(hole)
        if element is None:
            return _escaped(str(value))
        values = value if isinstance(value, list | tuple) else () if value is None else (value,)
        return "".join([element % _escaped(str(one)) for one in values])


class _Fault:
    def __init__(self, version: Version) -> None:
        text = _text(fault_by_spyne(version, code="@code@", why="@why@"))
        # in this order: fault, why, code
        self._template = _MARK.sub("%s", re.sub(":(Client|Sender)<", ":@fault@<", text))
        self._words = {} if version is Version.SOAP11 else {"Client": "Sender", "Server": "Receiver"}

    def fill(self, fault: str, code: str, why: str) -> bytes:
        text = self._template % (self._words.get(fault, fault), _escaped(why), _escaped(code))
        return _DECLARATION + text.encode("ascii", "xmlcharrefreplace")


def _path(leaf: etree._Element) -> str:
    name, outer = etree.QName(leaf).localname, etree.QName(leaf.getparent()).localname
    return name if outer == "return" else f"{outer}.{name}"


def _text(envelope: etree._Element) -> str:
    return etree.tostring(envelope, encoding="unicode").replace("%", "%%")


def _escaped(text: str) -> str:
    if not _SPECIAL.search(text):
        return text
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


_ANSWERS = {(version, is_qualified): _Answer(version, is_qualified) for version in Version for is_qualified in (True, False)}
_FAULTS = {version: _Fault(version) for version in Version}


def answer(version: Version, is_qualified: bool, namespace: str, result: Mapping[str, object]) -> bytes:
    """The envelope of a result, in the caller's SOAP version, style and namespace."""
    return _ANSWERS[version, is_qualified].fill(namespace, result)


def fault(version: Version, *, fault: str, code: str, why: str) -> bytes:
    """The envelope of a fault; `fault` is its code as SOAP 1.1 has it: Client, Server, MustUnderstand, VersionMismatch."""
    return _FAULTS[version].fill(fault, code, why)
