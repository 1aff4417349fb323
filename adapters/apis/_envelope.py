"""A SOAP envelope in, whoever wrote it: the operation's parameters as text, and in which dialect to answer.

SOAP 1.1 and 1.2; rpc/encoded, rpc/literal and document/literal; children in any order, qualified or not, typed or not, in place
or by reference (href to an id). The operation and its children are known by their local names, in any namespace: stubs that were
compiled against another WSDL go on working. What is decided about parameters is not decided here.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from enum import Enum

from lxml import etree

from adapters.apis._xml import Malformed, parse

OPERATION = "sendSms"
NAMESPACE = "urn:sendSms"
LIST = "recipients"
"""the one parameter that may be an array, or be repeated: it becomes one text, separated by commas"""
_MOST_TEXT = 1 << 20
"""of all that is reached by references, which can name one long element many times"""
_MOST_NAMESPACE = 200
_MOST_STEPS = 4
"""of references that lead to references"""

_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
_ENC12 = "{http://www.w3.org/2003/05/soap-encoding}"
_TRUE = frozenset({"1", "true"})


class Version(Enum):
    SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
    SOAP12 = "http://www.w3.org/2003/05/soap-envelope"


_VERSIONS = {version.value: version for version in Version}

_FOR_US = frozenset(
    {
        "",
        "http://schemas.xmlsoap.org/soap/actor/next",
        "http://www.w3.org/2003/05/soap-envelope/role/next",
        "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver",
    }
)
"""actor or role of a header that the endpoint itself must look at"""


class BadEnvelope(Malformed):
    """It is XML, but not a call of our operation. `fault` is the fault's code as SOAP 1.1 has it."""

    def __init__(self, code: str, why: str, fault: str = "Client") -> None:
        super().__init__(code, why)
        self.fault = fault
        self.version: Version | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    version: Version
    namespace: str
    """of the operation; the answer's too, because a compiled stub looks for it there"""
    is_qualified: bool
    """whether the children have a namespace (document/literal), and so shall those of the answer"""
    values: dict[str, str]
    """parameter -> text; what was nil or not known is left out"""


def read(body: bytes, content_type: str, known: Container[str]) -> Request:
    """The call in a body. `known` are the parameters to look for. Raises Malformed, and BadEnvelope once the version is known."""
    root = parse(body, content_type)
    if _local(root) != "Envelope":
        raise BadEnvelope("invalid_envelope", "the body is not a SOAP envelope")
    version = _VERSIONS.get(_namespace(root))
    if version is None:
        raise BadEnvelope("version_mismatch", "the envelope is neither SOAP 1.1 nor SOAP 1.2", "VersionMismatch")
    try:
        return _request(root, version, known)
    except BadEnvelope as bad:
        bad.version = version
        raise


def _request(root: etree._Element, version: Version, known: Container[str]) -> Request:
    content = None
    for part in root:
        name = _local(part)
        if name == "Header":
            _refuse_unknown_headers(part, version)
        elif name == "Body" and content is None:
            content = part
    if content is None:
        raise BadEnvelope("invalid_envelope", "the envelope has no Body")
    references = _References(root)
    operation = references.follow(_operation(content))
    namespace = _namespace(operation)
    return Request(
        version=version,
        namespace=namespace if 0 < len(namespace) <= _MOST_NAMESPACE else NAMESPACE,
        is_qualified=len(operation) > 0 and _namespace(operation[0]) != "",
        values=_values(operation, known, references),
    )


def _operation(body: etree._Element) -> etree._Element:
    """Beside it a body may hold what its parameters refer to."""
    names = [_local(child) for child in body]
    if names.count(OPERATION) == 1:
        return body[names.index(OPERATION)]
    if not names:
        raise BadEnvelope("invalid_envelope", "the Body is empty")
    if names[0] == "Fault":
        raise BadEnvelope("invalid_envelope", "a Fault is not a request")
    if OPERATION in names:
        raise BadEnvelope("invalid_envelope", f"the Body holds more than one {OPERATION}")
    raise BadEnvelope("unknown_operation", f"the operation is not known here, only {OPERATION} is")


def _refuse_unknown_headers(header: etree._Element, version: Version) -> None:
    """No header is known here, so each that must be understood is refused; the others may say what they like."""
    prefix = f"{{{version.value}}}"
    role = prefix + ("actor" if version is Version.SOAP11 else "role")
    for block in header:
        if block.get(prefix + "mustUnderstand", "").strip() in _TRUE and block.get(role, "") in _FOR_US:
            raise BadEnvelope("must_understand", "a header that must be understood is not known here", "MustUnderstand")


class _References:
    """What href="#id" (SOAP 1.1) and enc:ref="id" (SOAP 1.2) point at, anywhere in the envelope."""

    def __init__(self, root: etree._Element) -> None:
        self._root = root
        self._found: dict[str, etree._Element] | None = None

    def follow(self, element: etree._Element) -> etree._Element:
        """The element itself, or what it refers to."""
        for _ in range(_MOST_STEPS):
            target = _target(element)
            if not target:
                return element
            if target not in self._elements():
                raise BadEnvelope("invalid_envelope", "a reference leads nowhere in this envelope")
            element = self._elements()[target]
        raise BadEnvelope("invalid_envelope", "a reference leads back to itself, or over too many others")

    def _elements(self) -> dict[str, etree._Element]:
        if self._found is None:
            ids = ((element.get("id") or element.get(_ENC12 + "id"), element) for element in self._root.iter())
            self._found = {id: element for id, element in ids if id}
        return self._found


def _target(element: etree._Element) -> str:
    if not element.attrib:
        return ""
    return element.get("href", "").removeprefix("#") or element.get(_ENC12 + "ref", "")


def _values(operation: etree._Element, known: Container[str], references: _References) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    room = _MOST_TEXT
    for child in operation:
        name = _local(child)
        if name not in known:
            continue
        if not child.attrib and len(child) == 0:
            found.setdefault(name, []).append(child.text or "")
            continue
        for text in _texts(name, references.follow(child), references):
            room -= len(text)
            if room < 0:
                raise BadEnvelope("invalid_parameter", f"Invalid parameter: {name} is too long")
            found.setdefault(name, []).append(text)
    return {name: texts[0] if len(texts) == 1 else _joined(name, texts) for name, texts in found.items()}


def _texts(name: str, element: etree._Element, references: _References) -> Iterator[str]:
    """Its text; nothing when it is nil; those of its items when it is an array."""
    if len(element) == 0:
        if element.get(_XSI + "nil", "").strip() not in _TRUE:
            yield element.text or ""
        return
    if name != LIST:
        raise _no_text(name)
    for item in map(references.follow, element):
        if len(item):
            raise _no_text(name)
        yield item.text or ""


def _no_text(name: str) -> BadEnvelope:
    return BadEnvelope("invalid_parameter", f"Invalid parameter: {name} holds elements instead of text")


def _joined(name: str, texts: list[str]) -> str:
    if name != LIST:
        raise BadEnvelope("invalid_parameter", f"Invalid parameter: {name} is given more than once")
    return ",".join(texts)


def _local(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _namespace(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[0][1:]
