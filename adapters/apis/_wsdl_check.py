"""Holds the WSDLs in wsdl/ against Spyne's types: `python -m adapters.apis._wsdl_check` prints what differs, and writes nothing.

A WSDL becomes lines, one a fact, with every name resolved; the same lines are made of what Spyne generates. What Spyne would
do otherwise, because clients fail on it, is in LAWS.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
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

LAWS = {
    "sendsms.wsdl": ["style document", "body literal -", "body literal -"],
    "sendsms-rpc.wsdl": ["style rpc", f"body literal {NAMESPACE}", f"body literal {NAMESPACE}"],
}
"""what each file has of its own; the other laws are the same in both"""


class Broken(Exception):
    """The WSDL refers to something that it does not have."""


def differences(name: str, wsdl: bytes) -> list[str]:
    """What is not in the WSDL as it should be, as a diff; empty when all is well. `name` says which of the two it is."""
    try:
        found = list(_facts(etree.fromstring(wsdl)))
    except (Broken, etree.XMLSyntaxError) as broken:
        return [f"{name}: {broken}"]
    return list(unified_diff(_expected(name), found, "Spyne", name, lineterm="", n=0))
