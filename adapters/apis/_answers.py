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
_OPTIONAL = re.compile(r"<[\w:]+>@(port|ids|encrypted\.key|encrypted\.url)@</[\w:]+>")
_SPECIAL = re.compile("[&<>\r]")
_TEXTS = ("sent", "id", "note", "datetime", "datetimeLocal", "iac_control", "iac_authorized", "send_with_whatsapp")
_STRUCTS = {"encrypted": {"status": "", "key": "", "url": ""}, "trial_account": {"status": "", "sms_sent": 0}}
_SAMPLE: dict[str, object] = dict.fromkeys(_TEXTS, "") | {"error": 0, "port": 0, "ids": [""]} | _STRUCTS
"""a result with every field"""


class _Answer:
    """An envelope with holes. An element that may be absent, or repeated, is a hole with its tags."""

    def __init__(self, version: Version, is_qualified: bool) -> None:
        envelope = written_by_spyne(version, is_qualified, _SAMPLE)
        for leaf in envelope.iter():
            if len(leaf) == 0:
                leaf.text = f"@{_path(leaf)}@"
        text = _text(envelope).replace(f'"{NAMESPACE}"', '"%(namespace)s"')
        self._optional = {found[1]: _MARK.sub("%s", found[0]) for found in _OPTIONAL.finditer(text)}
        text = _OPTIONAL.sub(r"%(\1)s", text)
        self._needed = [(mark, *mark.partition(".")[::2]) for mark in _MARK.findall(text)]
        self._template = _MARK.sub(r"%(\1)s", text)

    def fill(self, namespace: str, result: Mapping[str, Any]) -> bytes:
        values = {mark: str(result[outer][inner] if inner else result[outer]) for mark, outer, inner in self._needed}
        if _SPECIAL.search("".join(values.values())):
            values = {mark: _escaped(value) for mark, value in values.items()}
        values["namespace"] = namespace if namespace == NAMESPACE else _escaped(namespace).replace('"', "&quot;")
        for name, element in self._optional.items():
            outer, _, inner = name.partition(".")
            value = result[outer].get(inner) if inner else result.get(outer)
            several = value if isinstance(value, list | tuple) else () if value is None else (value,)
            values[name] = "".join([element % _escaped(str(one)) for one in several])
        return _DECLARATION + (self._template % values).encode("ascii", "xmlcharrefreplace")


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
    names = [etree.QName(element).localname for element in (leaf, *leaf.iterancestors())]
    return ".".join(reversed(names[: names.index("return")]))


def _text(envelope: etree._Element) -> str:
    return etree.tostring(envelope, encoding="unicode").replace("%", "%%")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


_ANSWERS = {(version, is_qualified): _Answer(version, is_qualified) for version in Version for is_qualified in (True, False)}
_FAULTS = {version: _Fault(version) for version in Version}


def answer(version: Version, is_qualified: bool, namespace: str, result: Mapping[str, object]) -> bytes:
    """The envelope of a result, in the caller's SOAP version, style and namespace."""
    return _ANSWERS[version, is_qualified].fill(namespace, result)


def fault(version: Version, *, fault: str, code: str, why: str) -> bytes:
    """The envelope of a fault; `fault` is its code as SOAP 1.1 has it: Client, Server, MustUnderstand, VersionMismatch."""
    return _FAULTS[version].fill(fault, code, why)
