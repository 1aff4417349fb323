"""The API of SMSGate's own server for programs, so that those that were written for it work with only the URL changed.

    POST /api/3rdparty/v1/messages   Authorization: Basic ...   {"textMessage": {"text": "Hi"}, "phoneNumbers": ["+32..."]}
    202                              {"id": "...", "state": "Pending", "recipients": [...], ...}

The same at /3rdparty/v1, the path of the app's public server. Errors are {"message": "..."}. Who may call is in _smsgate_client_callers.py.
"""

from __future__ import annotations

from functools import partial

from adapters.apis import ApiSettings
from adapters.apis._smsgate_client_answers import as_json, word
from adapters.apis._smsgate_client_callers import Caller, Callers, Guarded
from adapters.apis._smsgate_client_hooks import Hooks
from adapters.apis._smsgate_client_messages import Messages
from adapters.apis._smsgate_client_operations import SCHEMES, described
from adapters.apis._smsgate_client_phones import Phones
from adapters.call import Api, Call, Handler, Reply, Route, Trouble
from service.errors import Unavailable
from service.gateway import Gateway
from service.grants import Grants

BASES = ("/api/3rdparty/v1", "/3rdparty/v1")
VERSION = "1.0.0"
"""of this API as it is spoken here"""
RELEASE = 1


def api(gateway: Gateway, settings: ApiSettings) -> Api:
    callers = Callers(gateway, Grants(store=gateway.store, accounts=gateway.accounts))
    return Api(
        name="smsgate_client",
        about="For programs that were written for SMSGate's own server.",
        routes=tuple(route for base in BASES for route in _routes(gateway, callers, base)),
        word=word,
        schemes=SCHEMES,
    )


def _routes(gateway: Gateway, callers: Callers, base: str) -> list[Route]:
    guarded = [(method, path, callers.guarded(right, handle)) for method, path, right, handle in _table(gateway, callers, base)]
    health = partial(_health, gateway)
    open_to_all: list[tuple[str, str, Handler]] = [
        ("POST", "/auth/token/refresh", callers.renew),
        ("GET", "/health", health),
        ("GET", "/health/live", _live),
        ("GET", "/health/ready", health),
        ("GET", "/health/startup", health),
    ]
    return [
        Route(path=base + path, handler=handler, methods=frozenset({method}), describe=(described(base, path, method),))
        for method, path, handler in (*guarded, *open_to_all)
    ]


def _table(gateway: Gateway, callers: Callers, base: str) -> list[tuple[str, str, str, Guarded]]:
    messages, phones, hooks = Messages(gateway), Phones(gateway), Hooks(gateway)
    by_both_names: list[tuple[str, str, str, Guarded]] = [
        each
        for path in ("/messages", "/message")
        for each in (
            ("POST", path, "messages:send", partial(messages.send, base)),
            ("GET", path, "messages:list", messages.list),
            ("GET", f"{path}/*", "messages:read", messages.show),
            ("DELETE", f"{path}/*", "messages:cancel", messages.cancel),
        )
    ]
    return [
        *by_both_names,
        ("POST", "/messages/inbox/export", "messages:export", phones.refresh),
        # as their client for Node.js has it
        ("POST", "/inbox/export", "messages:export", phones.refresh),
        ("POST", "/inbox/refresh", "inbox:refresh", phones.refresh),
        ("GET", "/inbox", "inbox:list", phones.inbox),
        ("GET", "/devices", "devices:list", phones.list),
        ("DELETE", "/devices/*", "devices:delete", phones.remove),
        ("GET", "/settings", "settings:read", phones.settings),
        ("PUT", "/settings", "settings:write", phones.replace_settings),
        ("PATCH", "/settings", "settings:write", phones.change_settings),
        ("GET", "/webhooks", "webhooks:list", hooks.list),
        ("POST", "/webhooks", "webhooks:write", hooks.add),
        ("DELETE", "/webhooks/*", "webhooks:delete", hooks.remove),
        ("GET", "/logs", "logs:read", _logs),
        ("POST", "/auth/token", "tokens:manage", callers.new_token),
        ("DELETE", "/auth/token/*", "tokens:manage", callers.end_token),
    ]


async def _logs(caller: Caller, call: Call) -> Reply:
    """Their server does not have them either."""
    raise Trouble(501, "not_implemented", "the logs of phones are not collected")


async def _live(call: Call) -> Reply:
    return _checked("pass", {})


async def _health(gateway: Gateway, call: Call) -> Reply:
    try:
        await gateway.ready()
    except Unavailable:
        return _checked("fail", {"store": _check("fail", "messages cannot be kept now", 0)})
    return _checked("pass", {"store": _check("pass", "messages can be kept", 1)})


def _check(status: str, description: str, value: int) -> dict[str, object]:
    return {"status": status, "description": description, "observedValue": value, "observedUnit": "bool"}


def _checked(status: str, checks: dict[str, dict[str, object]]) -> Reply:
    told = {"status": status, "version": VERSION, "releaseId": RELEASE, "checks": checks}
    return as_json(told, 200 if status == "pass" else 503)
