"""GET /health: is the process alive, can it keep a message now. No key, nothing secret.

{"status": "ok", "live": true, "ready": true, "store": "ok"}
"""

from __future__ import annotations

import orjson

from adapters.apis import ApiSettings
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

    return Api(name="health", routes=(Route(path="/health", handler=health, methods=frozenset({"GET"})),), word=_word)


def _word(call: Call, error: Refused | Trouble) -> Reply:
    return Reply(orjson.dumps({"error": error.why}), status=error.status if isinstance(error, Trouble) else 400)


def _answer(status: int, *, ready: bool, store: str) -> Reply:
    body = {"status": "ok" if ready else "unavailable", "live": True, "ready": ready, "store": store}
    return Reply(orjson.dumps(body), status=status, headers=(("Cache-Control", "no-store"),))
