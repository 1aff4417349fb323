"""All that is asked of Spyne: it owns the types of the contract, how parameters are decoded and how answers and faults are written.

Asking it for each call would cost 150 to 190 us. So it is asked once, at start-up: for each number's own conversion
and validation, and for answers and faults, of which templates are cut. Tests hold both equal to what Spyne does when it is asked.
No other file imports Spyne; it has no types, so nothing of it leaves this one.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from lxml import etree

from adapters.apis._envelope import NAMESPACE, OPERATION, Version
from service.errors import Invalid

# Spyne carries an old six, whose lazy modules Python 3.12 and later cannot find, and for which 3.11 warns at every import after it
for _name in ("", ".collections_abc", ".http_cookies", ".urllib", ".urllib.parse", ".urllib.request", ".urllib.error"):
    sys.modules.setdefault("spyne.util.six.moves" + _name, importlib.import_module("six.moves" + _name))
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from spyne import Application, Service, rpc
    from spyne.error import ValidationError
    from spyne.interface.wsdl import Wsdl11
    from spyne.model.complex import ComplexModelBase, ComplexModelMeta
    from spyne.model.fault import Fault
    from spyne.model.primitive import Integer32, Integer64, Unicode
    from spyne.protocol.soap import Soap11, Soap12
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "spyne.util.six"]

_Class = Any
"""one of Spyne's classes"""

_NEEDED = {"min_occurs": 1, "nillable": False}
_OPTIONAL = {"min_occurs": 0, "nillable": False}


def _model(name: str, members: list[tuple[str, _Class]], sub_ns: str | None = None) -> _Class:
    """`sub_ns` "" takes the namespace from the members, as rpc wants it."""
    typed = [(member, cls if sub_ns is None else cls.customize(sub_ns=sub_ns)) for member, cls in members]
    return ComplexModelMeta(name, (ComplexModelBase,), {"__namespace__": NAMESPACE, "__type_name__": name, "_type_info": typed})


def _response(sub_ns: str | None) -> _Class:
    secrets = [("key", Unicode(**_OPTIONAL)), ("url", Unicode(**_OPTIONAL))]
    encrypted = _model("Encrypted", [("status", Unicode(**_NEEDED)), *secrets], sub_ns)
    trial = _model("TrialAccount", [("status", Unicode(**_NEEDED)), ("sms_sent", Integer32(**_NEEDED))], sub_ns)
    result = _model(
        "SendSmsResult",
        [
            ("error", Integer32(**_NEEDED)),
            ("sent", Unicode(**_NEEDED)),
            ("id", Unicode(**_NEEDED)),
            ("note", Unicode(**_NEEDED)),
            ("datetime", Unicode(**_NEEDED)),
            ("datetimeLocal", Unicode(**_NEEDED)),
            ("port", Integer32(**_OPTIONAL)),
            ("iac_control", Unicode(**_NEEDED)),
            ("iac_authorized", Unicode(**_NEEDED)),
            ("send_with_whatsapp", Unicode(**_NEEDED)),
            ("encrypted", encrypted.customize(**_NEEDED)),
            ("trial_account", trial.customize(**_NEEDED)),
            ("ids", Unicode(max_occurs="unbounded", **_OPTIONAL)),
        ],
        sub_ns,
    )
    return _model(OPERATION + "Response", [("return", result.customize(**_NEEDED))], sub_ns)


_REQUEST = _model(
    OPERATION,
    [
        ("recipients", Unicode(**_NEEDED)),
        ("message", Unicode(**_NEEDED)),
        ("apikey", Unicode(**_OPTIONAL)),
        ("port", Integer32(**_OPTIONAL)),
        ("shorturl", Integer32(**_OPTIONAL)),
        ("sIdentifiant", Unicode(**_OPTIONAL)),
        ("sendwa", Integer32(**_OPTIONAL)),
        ("sendsms", Integer32(**_OPTIONAL)),
        ("encrypt_message", Unicode(**_OPTIONAL)),
        ("schedule_timestamp", Integer64(**_OPTIONAL)),
        ("waonly", Unicode(**_OPTIONAL)),
        ("url_media", Unicode(**_OPTIONAL)),
        ("pdf_with_image", Unicode(**_OPTIONAL)),
        ("url_media_shorted", Unicode(**_OPTIONAL)),
        ("from", Unicode(**_OPTIONAL)),
        ("idempotency_key", Unicode(**_OPTIONAL)),
        ("validity_s", Integer32(**_OPTIONAL)),
    ],
)
_RESPONSES = {True: _response(None), False: _response("")}
"""is_qualified -> the class"""


class _SendSmsService(Service):  # type: ignore[misc]
    @rpc(_REQUEST, _returns=_RESPONSES[True], _body_style="bare", _operation_name=OPERATION)  # type: ignore[untyped-decorator]
    def sendSms(ctx: object, request: object) -> None:
        """Never called: it only tells Spyne what belongs together."""


_APPLICATION = Application([_SendSmsService], NAMESPACE, in_protocol=Soap11(validator="soft"), out_protocol=Soap11())
_PROTOCOLS = {
    Version.SOAP11: Soap11(_APPLICATION, validator="soft"),
    Version.SOAP12: Soap12(_APPLICATION, validator="soft"),
}


def interface() -> bytes:
    """The WSDL that Spyne makes of the types, by which those in wsdl/ are judged. nusoap loses every argument with this one."""
    document = Wsdl11(_APPLICATION.interface)
    document.build_interface_document("")
    made: bytes = document.get_interface_document()
    return made


def _decoder(cls: _Class) -> Callable[[str], int]:
    """What Spyne's soft validation does to the text of an element of this class. Raises ValueError."""
    # a private name, without a public one that is as cheap; a test says when it has gone
    convert = _PROTOCOLS[Version.SOAP11]._from_unicode_handlers[cls]

    def decode(text: str) -> int:
        try:
            value: int = convert(cls, text)
        except ValidationError:
            raise ValueError from None
        if not cls.validate_native(cls, value):
            raise ValueError
        return value

    return decode


_MEMBERS: dict[str, _Class] = _REQUEST.get_flat_type_info(_REQUEST)
_DECODERS = {name: _decoder(cls) for name, cls in _MEMBERS.items() if not issubclass(cls, Unicode)}
PARAMETERS = frozenset(_MEMBERS)
NEEDED = tuple(name for name, cls in _MEMBERS.items() if cls.Attributes.min_occurs)
WHOLE_NUMBERS = frozenset(_DECODERS)


def decode(values: Mapping[str, str]) -> dict[str, str | int]:
    """The parameters by their types; a text stays as it is. Raises Invalid, with the parameter as its field."""
    decoded: dict[str, str | int] = dict(values)
    for name in WHOLE_NUMBERS & values.keys():
        try:
            decoded[name] = _DECODERS[name](values[name])
        except ValueError:
            raise Invalid(name, "must be a whole number that the WSDL allows") from None
    return decoded


def written_by_spyne(version: Version, is_qualified: bool, result: dict[str, object]) -> etree._Element:
    """The envelope that answers with `result`, as Spyne itself writes it."""
    return _written(version, _RESPONSES[is_qualified], {"return": result}, {"tns": NAMESPACE})


def fault_by_spyne(version: Version, *, code: str, why: str) -> etree._Element:
    """The envelope of a fault of the client's. Spyne writes what SOAP says of it, but for an empty actor; the detail is ours."""
    root = _written(version, Fault, Fault(faultcode="Client", faultstring=why), {})
    fault = root[0][0]
    fault.remove(fault[-1])
    detail = etree.SubElement(fault, "detail" if version is Version.SOAP11 else f"{{{version.value}}}Detail")
    etree.SubElement(detail, f"{{{NAMESPACE}}}code", nsmap={None: NAMESPACE}).text = code
    return root


def _written(version: Version, cls: _Class, value: Any, prefixes: dict[str, str]) -> etree._Element:
    protocol = _PROTOCOLS[version]
    root = etree.Element(f"{{{version.value}}}Envelope", nsmap={protocol.soap_env: version.value, **prefixes})
    body = etree.SubElement(root, f"{{{version.value}}}Body")
    protocol.to_parent(None, cls, value, body, NAMESPACE)
    return root
