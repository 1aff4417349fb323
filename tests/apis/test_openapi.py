"""/openapi.json: it is a valid OpenAPI 3.1 document, it has every route that is served and no other, and it is served as it is."""

from __future__ import annotations

import ast
import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate
from twisted.internet.task import Clock

import adapters
from adapters.apis import ApiSettings, load, openapi
from adapters.call import Api, Route
from adapters.operations import TEXT, Answer, Operation, record
from adapters.web import FrontDoor
from tests.apis.gateway import MemoryGateway
from tests.fakes import on_the_loop
from tests.http_peer import Answer as Said
from tests.http_peer import Shop

NEITHER = "; each Route needs describe=(Operation(...), ...), see adapters/operations.py"


def apis(**settings: Any) -> list[Api]:
    return load(MemoryGateway(lambda g, s: load(g, s)[0]).gateway, ApiSettings(**settings))


def document(**settings: Any) -> dict[str, Any]:
    return openapi.document(apis(**settings), settings.get("public_url"))


def wrong_with(route: Route) -> str:
    """Why a route is not described; "" when it is."""
    said = {operation.method for operation in route.describe}
    if said != route.methods:
        return f"{route.path} serves {sorted(route.methods)} and describes {sorted(said)}"
    is_prefix = route.path.endswith("/*")
    for operation in route.describe:
        if is_prefix and not operation.path.startswith(route.path[:-1]):
            return f"{route.path} is a prefix, and {operation.method} {operation.path!r} is not the whole path of one that it serves"
        if not is_prefix and operation.path:
            return f"{route.path} is no prefix, so {operation.method} needs no path"
        if not (operation.summary and operation.answers):
            return f"{operation.method} {route.path} has no summary or no answers"
    return ""


def test_every_route_is_described() -> None:
    wrong = [f"{api.name}: {why}{NEITHER}" for api in apis() for route in api.routes if (why := wrong_with(route))]
    assert not wrong, "\n".join(wrong)
    assert not [api.name for api in apis() if not api.about], "an Api needs about=, a sentence for the readers of /openapi.json"


def test_a_route_without_a_description_is_noticed() -> None:
    """The test above can fail."""
    route = Shop().api().routes[0]
    assert wrong_with(route) == "/ serves ['GET', 'POST'] and describes []"
    one = Operation(method="GET", summary="a", answers={200: Answer(about="b")}, wording=lambda codes: {})
    for path, methods, describe, why in [
        ("/a", {"GET"}, (one,), ""),
        ("/a", {"GET", "POST"}, (one,), "/a serves ['GET', 'POST'] and describes ['GET']"),
        ("/a/*", {"GET"}, (one,), "/a/* is a prefix, and GET '' is not the whole path of one that it serves"),
    ]:
        assert wrong_with(Route(path=path, handler=route.handler, methods=frozenset(methods), describe=describe)) == why


def test_the_document_has_what_is_served_and_nothing_else() -> None:
    served: set[tuple[str, str]] = set()
    for api in apis():
        for route in api.routes:
            paths = {operation.path for operation in route.describe} if route.path.endswith("/*") else {route.path}
            served |= {(path, method) for path in paths for method in route.methods}
    listed = {(path, method.upper()) for path, operations in document()["paths"].items() for method in operations}
    assert listed == served
    assert {("/sendsms", "POST"), ("/s/{code}", "GET"), ("/openapi.json", "GET"), ("/health", "GET")} <= listed


@pytest.mark.parametrize("settings", [{}, {"public_url": "https://sms.example.org"}, {"legacy_errors": True}])
def test_it_is_valid(settings: dict[str, Any]) -> None:
    made = document(**settings)
    validate(made)
    assert made["servers"] == [{"url": settings.get("public_url", "/")}]
    ids = [operation["operationId"] for path in made["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids))
    named = {name for path in made["paths"].values() for one in path.values() for each in one["security"] for name in each}
    assert (
        named
        == {"apikey", "bearer", "oauth2", "basic", "phone", "invitation", "password", "grant", "smrtphone"}
        == set(made["components"]["securitySchemes"])
    )


def test_two_schemas_of_one_title_must_be_the_same() -> None:
    def route(path: str, name: str) -> Route:
        schema = record({name: TEXT}, title="Row")
        answer = Answer(about="", content={"application/json": schema})
        operation = Operation(method="GET", summary="", answers={200: answer}, wording=lambda codes: {})
        return Route(path=path, handler=Shop().echo, methods=frozenset({"GET"}), describe=(operation,))

    same = Api(name="a", routes=(route("/a", "x"), route("/b", "x")), word=Shop().word)
    assert openapi.document([same], None)["components"]["schemas"].keys() == {"Row"}
    other = Api(name="a", routes=(route("/a", "x"), route("/b", "y")), word=Shop().word)
    with pytest.raises(ValueError, match="Row"):
        openapi.document([other], None)


def test_the_front_doors_refusals_are_all_told() -> None:
    """Read from its sources: each Trouble and BadFields that it makes itself, but for those that no described call can meet."""
    found: set[tuple[int, str]] = set()
    for name in ("http1.py", "web.py", "fields.py"):
        for node in ast.walk(ast.parse((Path(adapters.__path__[0]) / name).read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Trouble", "BadFields"):
                first, *rest = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
                found.add((400, first) if node.func.id == "BadFields" else (first, rest[0]))
    told = {(status, code) for status, codes in openapi.FRONT_DOOR.items() for code in codes}
    assert found - told == {(404, "not_found"), (405, "method_not_allowed")}
    assert told <= found


def test_legacy_errors_are_described_with_the_status_that_they_have() -> None:
    plain, legacy = (document(legacy_errors=it)["paths"]["/getsms"]["get"]["responses"] for it in (False, True))
    assert {"401", "403", "429"} <= plain.keys() and not {"401", "403", "429"} & legacy.keys()
    codes = legacy["200"]["content"]["application/json"]["schema"]["anyOf"][1]["properties"]["result"]["properties"]["error"]["enum"]
    assert {"invalid_apikey", "missing_parameter", "unavailable"} <= set(codes)


async def _get(headers: dict[str, str]) -> Said:
    at = MemoryGateway(lambda g, s: load(g, s)[-1])
    at.door = FrontDoor(load(at.gateway, ApiSettings()), log=at.log, clock=Clock())
    return await at.get("/openapi.json", headers)


@on_the_loop
async def test_it_is_served_without_a_key_and_not_again_to_who_knows_it() -> None:
    answer = await _get({})
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert json.loads(answer.body) == document()
    assert len(answer.body) < 300_000 and b'": ' not in answer.body[:200]
    etag = answer.headers["etag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await _get({"If-None-Match": known})
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
    other = await asyncio.gather(_get({"If-None-Match": '"other"'}))
    assert other[0].status == 200
