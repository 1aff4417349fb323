"""Holds each answer that an API test gets against what the API says of itself, so that every exchange in the tables tests /openapi.json too."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from adapters.apis import openapi
from adapters.call import Api
from tests.http_peer import Answer

OF_EVERY_PATH = {404, 405}
"""which the front door answers where nothing, or not this, is served"""


class Description:
    """Of some APIs. A route that says nothing of itself is held to nothing; that none does is test_openapi.py's."""

    def __init__(self, *apis: Api) -> None:
        self._apis = apis
        self._document: dict[str, Any] | None = None

    def hold(self, method: str, target: str, answer: Answer) -> None:
        """Raises AssertionError for an answer that the description does not have."""
        operation = self._operation(method, target.partition("?")[0].rstrip("/"))
        if operation is None:
            return
        said = operation["responses"].get(str(answer.status))
        assert said is not None or answer.status in OF_EVERY_PATH, f"{method} {target} never answers {answer.status}, says its description"
        if "$ref" in (said or {}):
            said = self._document["components"]["responses"][said["$ref"].rpartition("/")[2]]
        if not said or not said.get("content"):
            return
        kind = answer.headers.get("content-type", "").partition(";")[0]
        kinds = {name.partition(";")[0]: each["schema"] for name, each in said["content"].items()}
        assert kind in kinds, f"{method} {target} answers {answer.status} as {kind}, its description says {sorted(kinds)}"
        if kind == "application/json":
            components = json.dumps({"components": self._document["components"]}, sort_keys=True)
            _validator(components, json.dumps(kinds[kind], sort_keys=True)).validate(json.loads(answer.body))

    def _operation(self, method: str, path: str) -> Any:
        if self._document is None:
            self._document = openapi.document(self._apis, None)
        return self._document["paths"].get(path, {}).get(method.lower())


@cache
def _validator(components: str, schema: str) -> Draft202012Validator:
    return Draft202012Validator({**json.loads(components), **json.loads(schema)})
