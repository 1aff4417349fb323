"""A running server holds to its own description: seeded calls made from /openapi.json, and each answer held against it.

The calls are of the kind that the description asks for, and with a good key by turns, so that they get past the door.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.checks import CheckFunction
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from adapters.apis import ApiSettings, load, openapi
from adapters.apis._soap_operations import EXAMPLE
from tests.apis.gateway import MemoryGateway
from tests.test_server import KEY, Server

pytestmark = pytest.mark.slow

EXAMPLES = 40
BEHAVIOUR = '{"replies": {"ping": "pong"}}'
PUBLIC_URL = "https://sms.example.org"
CHECKS: list[CheckFunction] = [
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
SOAP = ("/sendsms/soap", "/sendsms/wsdl/")
"""where a fault that is the caller's has the status 500"""

envelopes = st.one_of(
    st.just(EXAMPLE.replace("KEY", KEY)),
    st.just(EXAMPLE.replace("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope")),
    st.text(st.characters(codec="utf-8")).map(lambda text: EXAMPLE.replace("KEY", KEY).replace("Hello", text)),
    st.text(st.characters(codec="utf-8")),
).map(lambda text: text.encode())
for kind in ("text/xml", "application/soap+xml"):
    schemathesis.openapi.media_type(kind, envelopes)

DOCUMENT = openapi.document(load(MemoryGateway(lambda g, s: load(g, s)[0]).gateway, ApiSettings(public_url=PUBLIC_URL)), PUBLIC_URL)
FOUND = [found.ok() for found in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()]
OPERATIONS = {f"{it.method.upper()} {it.path}": it for it in sorted(FOUND, key=lambda it: "delete" in it.path)}
"""what deletes comes last, so that the others find something"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(
        tmp_path_factory.mktemp("described") / "data",
        DRAGOMAN_SIMULATOR="1",
        DRAGOMAN_SIMULATOR_BEHAVIOUR=BEHAVIOUR,
        DRAGOMAN_BOOTSTRAP_API_KEY=KEY,
        DRAGOMAN_PUBLIC_URL=PUBLIC_URL,
    )
    try:
        yield started.wait_ready()
    finally:
        started.process.kill()
        started.process.wait(10)


@pytest.fixture(scope="module")
def known(server: Server) -> dict[str, str]:
    """Values that are there, for fields that name something: a message that was sent, one that was received, the phone."""
    phone = server.get(f"/gateway/mobile/list?apikey={KEY}")["result"]["mobiles"][0]["sid"]
    server.get(f"/gateway/mobile/update?apikey={KEY}&sid={phone}&label=a&sync_sent=1")
    guid = server.get("/sendsms", {"recipients": "+32470000001", "message": "ping", "apikey": KEY})["result"]["id"]
    received = server.wait_received(KEY, "")["guid"]
    there = {"sid": phone, "label": "b", "alias": "c", "recipients": "+32470000001", "message": "ping", "period": "last_24h"}
    return {**there, "guid": guid, "guid_message": received, "origineConversation": "sent", "before": guid}


def hold(server: Server, case: Case, **how: Any) -> None:
    answer = case.call(base_url=f"http://127.0.0.1:{server.port}", allow_redirects=False, timeout=10, **how)
    case.validate_response(answer, checks=CHECKS)
    if answer.status_code >= 500 and answer.status_code != 501:
        assert case.path.startswith(SOAP) and "Server<" not in answer.text and "Receiver<" not in answer.text, answer.text


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_answer_is_outside_the_description(server: Server, known: dict[str, str], name: str) -> None:
    operation = OPERATIONS[name]

    @seed(2026)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(), key=st.sampled_from([KEY, KEY, KEY, "wrong", None]), real=st.booleans())
    def hold_all(case: Case, key: str | None, real: bool) -> None:
        if real:
            _fill_in(case, known, name)
        hold(server, case, headers={"Authorization": f"Bearer {key}"} if key else {})

    hold_all()
    log = server.log.read_text()
    assert "handler failed" not in log and "Traceback" not in log


def _fill_in(case: Case, known: dict[str, str], name: str) -> None:
    """The values that are there in place of those that were thought up."""
    method, path = name.lower().split(" ")
    said = DOCUMENT["paths"][path][method]
    if isinstance(case.body, dict):
        schemas = [content["schema"] for content in said["requestBody"]["content"].values()]
        case.body.update({field: known[field] for field in schemas[0].get("properties", ()) if field in known})
    elif method == "get":
        names = [it["name"] for it in said.get("parameters", ())]
        case.query = {**(case.query or {}), **{field: known[field] for field in names if field in known}}


def test_the_served_document_is_the_one_that_was_held(server: Server) -> None:
    assert server.get("/openapi.json") == DOCUMENT
