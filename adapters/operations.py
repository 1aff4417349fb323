"""What an API says of its own routes, for whoever reads /openapi.json. Plain data in the terms of OpenAPI 3.1 and JSON Schema.

    Route(path="/health", handler=health, methods=GET, describe=(Operation(method="GET", summary="Is it alive", ...),))

A route on a prefix says for each operation its whole path: Operation(path="/s/{code}", ...). A schema with a `title` becomes a named one.
An API words every refusal in one way, so an operation has one `wording`: error codes in, what they look like out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Schema = Mapping[str, Any]
Content = Mapping[str, Schema]
"""by media type"""
Wording = Callable[[tuple[str, ...]], Content]

JSON = "application/json"
TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
YES_NO: Schema = {"type": "boolean"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    name: str
    about: str = ""
    schema: Schema = field(default_factory=lambda: TEXT)
    is_needed: bool = False
    place: str = "query"
    """query, path or header"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    about: str
    content: Content = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """what each is for"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    method: str
    summary: str
    answers: Mapping[int, Answer]
    """by status; refusals are apart"""
    wording: Wording
    about: str = ""
    path: str = ""
    """where the route is a prefix: the whole path, with {names}"""
    parameters: tuple[Parameter, ...] = ()
    body: Content = field(default_factory=dict)
    refusals: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """the API's own error codes by status; those of the front door are added"""
    security: tuple[Schema, ...] = ()
    """OpenAPI's security requirements, one of which suffices; empty where nobody is asked for a key"""


def record(properties: Mapping[str, Schema], *, optional: tuple[str, ...] = (), title: str = "") -> Schema:
    """An object that has these and nothing else."""
    needed = [name for name in properties if name not in optional]
    made: dict[str, Any] = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return made | ({"required": needed} if needed else {}) | ({"title": title} if title else {})


def many(of: Schema, **limits: int) -> Schema:
    return {"type": "array", "items": of, **limits}


def one_of(*values: object) -> Schema:
    return {"enum": list(values)}


def shown(schema: Schema, *examples: object) -> Schema:
    """With examples."""
    return {**schema, "examples": list(examples)}


def any_of(*schemas: Schema) -> Schema:
    return schemas[0] if len(schemas) == 1 else {"anyOf": list(schemas)}


def json(schema: Schema) -> Content:
    return {JSON: schema}
