"""GET /health: is the process alive, can it keep a message now. No key, nothing secret.

{"status": "ok", "live": true, "ready": true, "store": "ok"}
"""

from __future__ import annotations

import orjson

from adapters.apis import ApiSettings
from adapters.operations import TEXT, Answer, Content, Operation, json, one_of, record
from adapters.web import Api, Call, Reply, Route, Trouble
from service.errors import Refused, Unavailable
from service.gateway import Gateway


def api(gateway: Gateway, settings: ApiSettings) -> Api:
    """200 when a message could be accepted, 503 when not."""

    async def health(call: Call) -> Reply:
        try:
            await gateway.ready()
        except Unavailable as unavailable:
            return _answer(503, ready=False, store=unavailable.why)
        return _answer(200, ready=True, store="ok")

    route = Route(path="/health", handler=health, methods=frozenset({"GET"}), describe=(_HEALTH,))
    return Api(name="health", about="For supervisors and load balancers.", routes=(route,), word=_word)


def _word(call: Call, error: Refused | Trouble) -> Reply:
    return Reply(orjson.dumps({"error": error.why}), status=error.status if isinstance(error, Trouble) else 400)


def _answer(status: int, *, ready: bool, store: str) -> Reply:
    body = {"status": "ok" if ready else "unavailable", "live": True, "ready": ready, "store": store}
    return Reply(orjson.dumps(body), status=status, headers=(("Cache-Control", "no-store"),))


def _wording(codes: tuple[str, ...]) -> Content:
    return json(record({"error": TEXT}))


def _report(ready: bool) -> Content:
    store = one_of("ok") if ready else TEXT
    status = one_of("ok" if ready else "unavailable")
    return json(record({"status": status, "live": one_of(True), "ready": one_of(ready), "store": store}))


_HEALTH = Operation(
    method="GET",
    summary="Is the process alive, can it keep a message now",
    answers={
        200: Answer(about="A message would be accepted.", content=_report(True)),
        503: Answer(about="It lives, but could not keep a message now.", content=_report(False)),
    },
    wording=_wording,
)
