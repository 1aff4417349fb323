"""GET /openapi.json: what every API says of its routes, put together as one OpenAPI 3.1 document. No key, nothing secret.

It knows no API: each route brings its operations (adapters/operations.py), each API its sentence and its ways to show a key. What is added
here is what the front door answers on every path. The document is made once and served as it is, with an ETag.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import orjson

from adapters.apis import ApiSettings
from adapters.operations import JSON, TEXT, Answer, Content, Operation, Parameter, Schema, any_of, json, one_of, record
from adapters.web import Api, Call, Reply, Route, Trouble
from service.errors import Refused

PATH = "/openapi.json"

FRONT_DOOR: Mapping[int, tuple[str, ...]] = {
    400: ("bad_request", "invalid_character", "invalid_field", "invalid_json", "invalid_multipart", "too_many_fields"),
    408: ("request_timeout",),
    413: ("too_large",),
    414: ("uri_too_long",),
    417: ("expectation_failed",),
    431: ("headers_too_large",),
    500: ("internal",),
    503: ("busy",),
    505: ("http_version",),
}
"""what may become of a call before its API has seen it, or because its API failed: worded as that API words everything"""

WHAT = {
    400: "A parameter is missing or cannot be used, or the request cannot be read.",
    401: "The Bearer token, or the client's secret, is not good.",
    403: "The key is not good, or may not do this.",
    404: "There is no such thing, or it is another account's.",
    408: "The request took too long to arrive.",
    409: "It is not in a state in which this can be done, or the idempotency key came with another request.",
    413: "The body is too large.",
    414: "The request line is too long.",
    417: "Another expectation than 100-continue.",
    429: "A limit is reached.",
    431: "The headers are too large.",
    500: "The gateway failed; the answer has a reference for its log. In SOAP 1.1: any fault.",
    503: "Nothing was stored; try again later.",
    505: "Neither HTTP/1.1 nor HTTP/1.0.",
}
HEADERS = {
    401: {"WWW-Authenticate": "how to show who you are"},
    429: {"Retry-After": "seconds"},
}
INTRODUCTION = """\
Every path is served with and without a trailing slash, and never redirected. Where GET is served so is HEAD, and OPTIONS everywhere; any
other method is answered 405 with `Allow`. Parameters may stand in the query, in a form (urlencoded or multipart) or in a JSON object; where
one stands twice the body wins; one that is not known is ignored. Every answer has an `X-Request-Id`."""


def over(apis: Sequence[Api], settings: ApiSettings) -> Api:
    """The API that describes the others, and itself."""
    served: dict[str, bytes] = {}

    async def handler(call: Call) -> Reply:
        return _answer(call, served["document"], served["etag"].decode())

    route = Route(path=PATH, handler=handler, methods=frozenset({"GET"}), describe=(_OWN,))
    ours = Api(name="openapi", about="This document.", routes=(route,), word=_word)
    made = orjson.dumps(document([*apis, ours], settings.public_url))
    served.update(document=made, etag=b'"%s"' % hashlib.sha256(made).hexdigest()[:32].encode())
    return ours


def document(apis: Iterable[Api], public_url: str | None) -> dict[str, Any]:
    """What has no description is left out; two schemas of one title must be the same, else ValueError."""
    made = _Components()
    paths: dict[str, dict[str, Any]] = {}
    tags: list[dict[str, str]] = []
    schemes: dict[str, Schema] = {}
    for api in apis:
        tags.append({"name": api.name, "description": api.about})
        schemes.update(api.schemes)
        for route in api.routes:
            for operation in route.describe:
                path = operation.path or route.path
                paths.setdefault(path, {})[operation.method.lower()] = made.operation(api.name, path, operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Dragoman",
            "version": version("dragoman"),
            "summary": "A self-hosted SMS gateway that speaks the APIs its callers already speak.",
            "description": INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": public_url or "/"}],
        "tags": tags,
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": made.schemas, "responses": made.responses, "securitySchemes": schemes},
    }


class _Components:
    """What is said once and referred to: titled schemas, and the answers that the operations of an API share."""

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {}
        self.responses: dict[str, Any] = {}

    def operation(self, tag: str, path: str, it: Operation) -> dict[str, Any]:
        words = [word for word in path.replace("{", "").replace("}", "").replace(".", "/").split("/") if word]
        made: dict[str, Any] = {
            "operationId": "-".join([it.method.lower(), *words]),
            "tags": [tag],
            "summary": it.summary,
            "responses": self._answers(tag, it),
        }
        if it.about:
            made["description"] = it.about
        if it.parameters:
            made["parameters"] = [self._parameter(each) for each in it.parameters]
        if it.body:
            made["requestBody"] = {"content": self._content(it.body)}
        return {**made, "security": list(it.security)}

    def _parameter(self, it: Parameter) -> dict[str, Any]:
        made = {"name": it.name, "in": it.place, "required": it.is_needed, "schema": self._schema(it.schema)}
        return {**made, "description": it.about} if it.about else made

    def _answers(self, tag: str, it: Operation) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for status in sorted({*it.answers, *it.refusals, *FRONT_DOOR}):
            codes = sorted({*it.refusals.get(status, ()), *FRONT_DOOR.get(status, ())})
            answer = it.answers.get(status)
            refusal = it.wording(tuple(codes)) if codes else {}
            about = answer.about if answer else WHAT[status]
            headers = {**HEADERS.get(status, {}), **(answer.headers if answer else {})}
            one = self._answer(about, _merged(answer.content if answer else {}, refusal), headers)
            made[str(status)] = one if answer else self._shared(tag, status, one)
        return made

    def _answer(self, about: str, content: Content, headers: Mapping[str, str]) -> dict[str, Any]:
        made: dict[str, Any] = {"description": about}
        if headers:
            made["headers"] = {name: {"description": what, "schema": TEXT} for name, what in headers.items()}
        return {**made, "content": self._content(content)} if content else made

    def _shared(self, tag: str, status: int, answer: dict[str, Any]) -> dict[str, str]:
        name, more = f"{tag}-{status}", 1
        while self.responses.setdefault(name, answer) != answer:
            more += 1
            name = f"{tag}-{status}-{more}"
        return {"$ref": f"#/components/responses/{name}"}

    def _content(self, content: Content) -> dict[str, Any]:
        return {kind: {"schema": self._schema(schema)} for kind, schema in content.items()}

    def _schema(self, schema: Any) -> Any:
        """With each titled schema in its place among the components."""
        if isinstance(schema, list | tuple):
            return [self._schema(each) for each in schema]
        if not isinstance(schema, Mapping):
            return schema
        made = {name: value if name in ("examples", "enum") else self._schema(value) for name, value in schema.items()}
        title = made.get("title")
        if not isinstance(title, str):
            return made
        if self.schemas.setdefault(title, made) != made:
            raise ValueError(f"two schemas have the title {title}")
        return {"$ref": f"#/components/schemas/{title}"}


def _merged(one: Content, other: Content) -> Content:
    """What may be either."""
    return {kind: any_of(*(content[kind] for content in (one, other) if kind in content)) for kind in {**one, **other}}


def _wording(codes: tuple[str, ...]) -> Content:
    return json(record({"error": one_of(*codes), "message": TEXT}))


def _word(call: Call, error: Refused | Trouble) -> Reply:
    code, status = (error.code, error.status) if isinstance(error, Trouble) else (error.kind, 400)
    return Reply(orjson.dumps({"error": code, "message": error.why}), status=status)


def _answer(call: Call, made: bytes, etag: str) -> Reply:
    headers = (("ETag", etag), ("Cache-Control", "max-age=300"), ("Access-Control-Allow-Origin", "*"))
    known = {each.strip().removeprefix("W/") for each in call.header("if-none-match").split(",")}
    return Reply(b"", status=304, headers=headers) if known & {etag, "*"} else Reply(made, headers=headers)


_OWN = Operation(
    method="GET",
    summary="The description of all that is served",
    parameters=(Parameter(name="If-None-Match", about="an ETag that is known", place="header"),),
    answers={
        200: Answer(
            about="OpenAPI 3.1.",
            content={JSON: {"type": "object", "required": ["openapi", "info", "paths"], "additionalProperties": True}},
            headers={"ETag": "changes with the document"},
        ),
        304: Answer(about="It is still the one that you know."),
    },
    wording=_wording,
)
