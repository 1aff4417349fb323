"""Holds the WSDLs in wsdl/ against Spyne's types: `python -m adapters.apis.wsdl_check` prints what differs, and writes nothing.

A WSDL becomes lines, a fact each, its references followed. What it says of elements must be what Spyne generates; what it says
otherwise must be LAWS, because clients fail on what Spyne would say there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import unified_diff
from importlib.resources import files

from lxml import etree

from adapters.apis._envelope import NAMESPACE, OPERATION
from adapters.apis._spyne import interface

WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
SOAP = "{http://schemas.xmlsoap.org/wsdl/soap/}"
XSD = "{http://www.w3.org/2001/XMLSchema}"

DOCUMENTED = ("recipients", "message", "apikey")
"""the arguments of the rpc WSDL, in the order of PHP's positional calls"""

LAWS = """\
definitions SendSms urn:sendSms
schema urn:sendSms {form}
mentions http://schemas.xmlsoap.org/wsdl/
mentions http://schemas.xmlsoap.org/wsdl/soap/
mentions http://www.w3.org/2001/XMLSchema
mentions urn:sendSms
service SendSmsService
port sendSmsPort
binding {style} http://schemas.xmlsoap.org/soap/http
operation sendSms urn:sendSms#sendSms
body literal {body}
body literal {body}
operation sendSms"""
"""before the elements; what is in braces differs between the two"""

KINDS: dict[str, dict[str, str | None]] = {
    "sendsms.wsdl": {"form": "qualified", "style": "document", "body": None},
    "sendsms-rpc.wsdl": {"form": "unqualified", "style": "rpc", "body": NAMESPACE},
}


class Broken(Exception):
    """The WSDL refers to something that it does not have, or has it twice."""


@dataclass(frozen=True, slots=True)
class Row:
    """One element of a request or result, or one part of a message."""

    depth: int
    namespace: str
    name: str | None
    type: str
    least: str
    most: str
    nillable: str

    def __str__(self) -> str:
        return f"{'  ' * self.depth}{{{self.namespace}}}{self.name} {self.type} {self.least}..{self.most} {self.nillable}"


class Wsdl:
    def __init__(self, text: bytes) -> None:
        self.root = etree.fromstring(text)
        self.target = self.root.get("targetNamespace")
        self.schema = _only(self.root, f"{WSDL}types/{XSD}schema")

    def laws(self) -> Iterator[str]:
        """All that is not about elements, from the service inwards."""
        yield f"definitions {self.root.get('name')} {self.target}"
        yield f"schema {self.schema.get('targetNamespace')} {self.schema.get('elementFormDefault')}"
        yield from sorted({f"mentions {namespace}" for element in self.root.iter("*") for namespace in element.nsmap.values()})
        service = _only(self.root, f"{WSDL}service")
        port = _only(service, f"{WSDL}port")
        _only(port, f"{SOAP}address")
        binding = self._named(f"{WSDL}binding", port, "binding")
        style = _only(binding, f"{SOAP}binding")
        operation = _only(binding, f"{WSDL}operation")
        yield f"service {service.get('name')}"
        yield f"port {port.get('name')}"
        yield f"binding {style.get('style')} {style.get('transport')}"
        yield f"operation {operation.get('name')} {_only(operation, f'{SOAP}operation').get('soapAction')}"
        for way in ("input", "output"):
            body = _only(operation, f"{WSDL}{way}/{SOAP}body")
            yield f"body {body.get('use')} {body.get('namespace')}"
        yield f"operation {self._operation(binding).get('name')}"

    def rows(self, way: str) -> Iterator[Row]:
        """The parts of the "input" or "output" message and what is in them. An element in a part has one for its part too."""
        binding = self._named(f"{WSDL}binding", _only(self.root, f"{WSDL}service/{WSDL}port"), "binding")
        message = self._named(f"{WSDL}message", _only(self._operation(binding), f"{WSDL}{way}"), "message")
        for part in message.findall(f"{WSDL}part"):
            if part.get("element") is None:
                yield from self._element(part, 0, "")
            else:
                yield Row(0, "", part.get("name"), "element", "1", "1", "false")
                yield from self._element(self._named(f"{XSD}element", part, "element"), 1, NAMESPACE)

    def _operation(self, binding: etree._Element) -> etree._Element:
        return _only(self._named(f"{WSDL}portType", binding, "type"), f"{WSDL}operation")

    def _element(self, element: etree._Element, depth: int, namespace: str) -> Iterator[Row]:
        kind, content = "inline", element.find(f"{XSD}complexType")
        if content is None:
            kind = self._resolved(element, "type")
            if not kind.startswith(XSD):
                content = self._named(f"{XSD}complexType", element, "type")
        least, most, nillable = element.get("minOccurs", "1"), element.get("maxOccurs", "1"), element.get("nillable", "false")
        yield Row(depth, namespace, element.get("name"), kind, least, most, nillable)
        if content is None:
            return
        inner = NAMESPACE if self.schema.get("elementFormDefault") == "qualified" else ""
        for child in _only(content, f"{XSD}sequence"):
            if child.tag == f"{XSD}element":
                yield from self._element(child, depth + 1, inner)

    def _named(self, tag: str, by: etree._Element, attribute: str) -> etree._Element:
        """The definition that an attribute refers to."""
        wanted = self._resolved(by, attribute)
        scope = self.schema if tag.startswith(XSD) else self.root
        found = [each for each in scope.findall(tag) if f"{{{self.target}}}{each.get('name')}" == wanted]
        if len(found) != 1:
            raise Broken(f"there are {len(found)} of {tag} {wanted}")
        return found[0]

    def _resolved(self, element: etree._Element, attribute: str) -> str:
        prefix, _, name = element.get(attribute, "").rpartition(":")
        return f"{{{element.nsmap.get(prefix or None)}}}{name}"


def _only(parent: etree._Element, path: str) -> etree._Element:
    found = parent.findall(path)
    if len(found) != 1:
        raise Broken(f"there are {len(found)} of {path}")
    return found[0]


def differences(name: str, text: bytes) -> list[str]:
    """What a WSDL says otherwise than it should, as a diff; empty when all is well. `name` is which of the two it is."""
    try:
        wsdl = Wsdl(text)
        found = [*wsdl.laws(), *map(str, wsdl.rows("input")), *map(str, wsdl.rows("output"))]
    except (Broken, etree.XMLSyntaxError) as broken:
        return [f"{name}: {broken}"]
    return list(unified_diff(_expected(name), found, "expected", name, lineterm="", n=0))


def _expected(name: str) -> list[str]:
    spyne = Wsdl(interface())
    laws = LAWS.format(**KINDS[name]).splitlines()
    style = _documented if KINDS[name]["style"] == "document" else _rpc
    return laws + [str(row) for way in ("input", "output") for row in style(list(spyne.rows(way)))]


def _documented(rows: list[Row]) -> list[Row]:
    """Spyne names the part and the wrapper's type otherwise."""
    part, wrapper, *rest = rows
    return [replace(part, name="parameters"), replace(wrapper, type="inline"), *rest]


def _rpc(rows: list[Row]) -> list[Row]:
    """What is in the wrapper, without a namespace; parts cannot be optional."""
    _, wrapper, *rest = rows
    inner = [replace(row, depth=row.depth - 2, namespace="") for row in rest]
    if wrapper.name == OPERATION:
        return [replace(row, least="1") for row in inner if row.name in DOCUMENTED]
    return inner


def main() -> int:
    found = [line for name in KINDS for line in differences(name, files("wsdl").joinpath(name).read_bytes())]
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
