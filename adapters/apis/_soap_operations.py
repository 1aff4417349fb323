"""What soap.py says of its routes, for /openapi.json. The contract is the WSDL; here stand only where it is and how answers arrive."""

from __future__ import annotations

from adapters.operations import TEXT, Answer, Content, Operation, Parameter, Schema

XML, SOAP12, PLAIN = "text/xml", "application/soap+xml", "text/plain"
EXAMPLE = """\
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><sendSms xmlns="urn:sendSms">\
<recipients>+1234567890</recipients><message>Hello</message><apikey>KEY</apikey></sendSms></s:Body></s:Envelope>"""
ENVELOPE: Schema = {"type": "string", "examples": [EXAMPLE]}
OPTIONAL_BEARER: tuple[Schema, ...] = ({}, {"bearer": []})


def _wording(codes: tuple[str, ...]) -> Content:
    """Any error has its code in front of the fault's sentence."""
    return {XML: TEXT, SOAP12: TEXT}


_CALL = Operation(
    method="POST",
    summary="Call the operation sendSms",
    about="SOAP 1.1 or 1.2, rpc or document. Of a refusal the fault's sentence begins with its code. A fault has the status 500 in "
    "SOAP 1.1, and in 1.2 where the server is to blame, else 400.",
    body={XML: ENVELOPE, SOAP12: ENVELOPE},
    answers={200: Answer(about="The envelope of the result.", content={XML: TEXT, SOAP12: TEXT})},
    wording=_wording,
    security=OPTIONAL_BEARER,
)

ENDPOINT = (
    Operation(
        method="GET",
        summary="The WSDL, or a sentence for a person",
        parameters=(Parameter(name="wsdl", about="present in any way: the WSDL"),),
        answers={200: Answer(about="`sendsms.wsdl`, or the sentence.", content={XML: TEXT, PLAIN: TEXT})},
        wording=_wording,
    ),
    _CALL,
)


def wsdl(name: str) -> tuple[Operation, ...]:
    """Of one WSDL; some stubs post where they found it."""
    answer = Answer(about="With our address in it.", content={XML: TEXT})
    return Operation(method="GET", summary=f"The contract: {name}", answers={200: answer}, wording=_wording), _CALL
