"""SMSMobileAPI's words: form, JSON and query parameters in, its `result` envelope out. The SOAP file borrows them.

    GET /sendsms/?apikey=KEY&recipients=+1234567890&message=Hello
    {"result": {"error": 0, "sent": "1", "id": "c319...", "note": "sent by mobile", ...}}

Types differ by endpoint and strict clients exist: sendsms answers `error` as the integer 0 and `sent` as the string "1", the log
answers `error` as the string "0". A failing call has the HTTP status of the vendor's OpenAPI file and the envelope of its page.
Codes and notes that no source states are ours; they stand in CODES and NOTES.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import orjson

from adapters.apis import ApiSettings
from adapters.web import Api, Call, Reply, Route, Trouble
from service.accounts import Account, Principal, Scope
from service.errors import (
    Invalid,
    KeyExpired,
    KeyMissing,
    KeyUnknown,
    Missing,
    QuotaExceeded,
    Refused,
    ScopeMissing,
    TooManyGuesses,
    Unauthorized,
)
from service.gateway import Gateway
from service.lifecycle import Status
from service.messages import Channel, Receipt, Submit

NOTHING = frozenset({"", "0", "no", "false", "nil", "null", "none"})
"""values that ask for nothing: clients and generated stubs send them for what was not set"""

YES = frozenset({"1", "yes", "true", "on"})
"""values that ask for an option"""

LATER = ("url_media", "pdf_with_image", "url_media_shorted")
"""options that are known but cannot be granted"""

FIELDS = {"text": "message", "sim": "port", "device": "sIdentifiant", "due": "schedule_timestamp", "channels": "sendwa"}
"""the core's field -> the vendor's parameter, where they differ"""

CODES = {
    "key_missing": (400, "missing_apikey"),
    "key_unknown": (403, "invalid_apikey"),
    "key_expired": (403, "expired_apikey"),
    "forbidden": (403, "forbidden"),
    "missing": (400, "missing_parameter"),
    "invalid": (400, "invalid_parameter"),
    "invalid_recipient": (400, "invalid_recipient"),
    "opted_out": (400, "recipient_opted_out"),
    "not_found": (404, "not_found"),
    "wrong_state": (409, "not_in_error_status"),
    "conflict": (409, "idempotency_conflict"),
    "quota_exceeded": (429, "quota_exceeded"),
    "unavailable": (503, "unavailable"),
}
"""the core's refusal -> HTTP status and the `error` of the envelope"""

LISTS = {"log/sent/sms": "sms", "log/sent/frommobile": "sms", "getsms": "sms", "gateway/mobile/list": "mobiles"}
"""where a refusal too has the list that a success has, empty"""

NOTES = {True: "sent by mobile", False: "waiting for a phone to connect", None: "scheduled"}
"""`note`, by whether a phone is online; None: not due yet"""

DEFAULT_RETRY_AFTER_S = 86_400
_RECIPIENT_BREAK = re.compile(r"[,;]")


def api(gateway: Gateway, settings: ApiSettings) -> Api:
    """/sendsms and what reads and changes messages and phones, GET and POST, with and without a trailing slash."""
    from adapters.apis import _smsmobileapi_mailbox, _smsmobileapi_operations  # they use the words of this file

    endpoint = _Endpoints(gateway, settings)
    routes = (Route(path="/sendsms", handler=endpoint.sendsms), *_smsmobileapi_mailbox.routes(gateway))
    return Api(
        name="smsmobileapi",
        routes=_smsmobileapi_operations.described(routes, is_legacy=settings.legacy_errors),
        word=endpoint.word,
        about="Sending, the logs, the inbox and phones, in the words of SMSMobileAPI.",
        schemes=_smsmobileapi_operations.SCHEMES,
    )


@dataclass(frozen=True, slots=True)
class _Endpoints:
    gateway: Gateway
    settings: ApiSettings

    async def sendsms(self, call: Call) -> Reply:
        fields = call.fields()
        header = call.header("idempotency-key")
        if header:
            fields = {**fields, "idempotency_key": header}
        return _json({"result": await send(self.gateway, fields, bearer=bearer_of(call), peer=call.peer, api="smsmobileapi")})

    def word(self, call: Call, error: Refused | Trouble) -> Reply:
        """The envelope of the `result` family, or of the `success` family where that is the endpoint's."""
        headers: tuple[tuple[str, str], ...] = ()
        if isinstance(error, Trouble):
            status, code, message = error.status, error.code, error.why
        else:
            status, code, message = code_of(error)
            headers = _headers(error, bearer_of(call))
            if isinstance(error, Unauthorized) and headers:
                status = 401
            if self.settings.legacy_errors:
                status = 200
        path = call.path.strip("/")
        if path.startswith("conversation/"):
            return _json({"success": False, "error": _sentence(error)}, status=status, headers=headers)
        result: dict[str, object] = {"error": code, "sent": "0", "message": message}
        if isinstance(error, Refused) and error.guid:
            result["id"] = error.guid
        if path in LISTS:
            result[LISTS[path]] = []
        return _json({"result": result}, status=status, headers=headers)


def bearer_of(call: Call) -> str | None:
    scheme, _, token = call.header("authorization").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


async def authenticate(
    gateway: Gateway, fields: Mapping[str, str], bearer: str | None, scope: Scope, *, peer: str | None = None
) -> Principal:
    """The key may come as `apikey` or as a Bearer token; where both come, one that is valid suffices.

    `peer` is the caller's address; a key that is held to networks is refused where it is not said.
    """
    key = fields.get("apikey", "").strip()
    if bearer is None:
        return await gateway.accounts.authenticate(key, scope, peer=peer)
    try:
        return await gateway.accounts.authenticate(bearer, scope, peer=peer)
    except (Unauthorized, TooManyGuesses):
        if not key:
            raise
        return await gateway.accounts.authenticate(key, scope, peer=peer)


async def send(gateway: Gateway, fields: Mapping[str, str], *, bearer: str | None, api: str, peer: str | None = None) -> dict[str, object]:
    """Do what /sendsms does; the content of its `result`. Raises Refused."""
    caller = await authenticate(gateway, fields, bearer, Scope.SEND, peer=peer)
    try:
        submit = _read(fields, api, bearer)
    except Invalid as refused:
        seal = not _asks_nothing(fields.get("encrypt_message", ""))
        unread = Submit(recipients=_recipients(fields), text=fields.get("message", ""), api=api, seal=seal)
        raise await gateway.submission.refuse(caller, unread, refused) from None
    return _result(await gateway.submission.submit(caller, submit), caller.account)


def code_of(refused: Refused) -> tuple[int, str, str]:
    """HTTP status, `error` code, and a sentence in ASCII that names the vendor's parameter."""
    status, code = CODES[refused.kind]
    if isinstance(refused, Missing):
        message = f"Missing required parameter: {FIELDS.get(refused.field, refused.field)}"
    elif isinstance(refused, Invalid):
        message = f"Invalid parameter: {FIELDS.get(refused.field, refused.field)} {refused.why}"
    elif isinstance(refused, KeyMissing):
        message = "Missing required parameter: apikey"
    else:
        message = refused.why
    return status, code, message.encode("ascii", "backslashreplace").decode()


def _sentence(error: Refused | Trouble) -> str:
    """The page's own words, of the conversations' endpoint."""
    if isinstance(error, Invalid) and not isinstance(error, Missing):
        return f"Invalid parameter: {FIELDS.get(error.field, error.field)}"
    if isinstance(error, KeyUnknown | KeyExpired):
        return "Invalid apikey" if isinstance(error, KeyUnknown) else "Expired apikey"
    return error.why if isinstance(error, Trouble) else code_of(error)[2]


def _headers(refused: Refused, bearer: str | None) -> tuple[tuple[str, str], ...]:
    if isinstance(refused, QuotaExceeded):
        return (("Retry-After", str(refused.retry_after_s or DEFAULT_RETRY_AFTER_S)),)
    if isinstance(refused, Unauthorized) and bearer is not None:
        return (("WWW-Authenticate", 'Bearer error="invalid_token"'),)
    if isinstance(refused, ScopeMissing) and bearer is not None:
        return (("WWW-Authenticate", f'Bearer error="insufficient_scope", scope="{refused.scope}"'),)
    return ()


def _read(fields: Mapping[str, str], api: str, bearer: str | None) -> Submit:
    get = fields.get
    for name in LATER:
        if name in fields and not _asks_nothing(fields[name]):
            raise Invalid(name, "asks for what this server does not offer")
    seal = _wish(fields, "encrypt_message")
    return Submit(
        recipients=_recipients(fields),
        text=get("message", ""),
        device=get("sIdentifiant", "").strip() or None,
        sim=_sim(get("port")),
        due=_instant(get("schedule_timestamp")),
        validity_s=_whole(get("validity_s"), "validity_s"),
        idempotency_key=get("idempotency_key") or None,
        api=api,
        channels=_channels(fields),
        shorten=_wish(fields, "shorturl"),
        seal=seal,
        # whichever of the two has let the caller in
        caller_secret="\0".join((bearer or "", get("apikey", "").strip())) if seal else "",
    )


def _channels(fields: Mapping[str, str]) -> tuple[Channel, ...]:
    """`waonly` is `sendwa` without an SMS. The command line client (`from=ssh`) says no to both and means an SMS."""
    sendwa, waonly = _wish(fields, "sendwa"), _wish(fields, "waonly")
    no_sms = waonly or (bool(fields.get("sendsms", "").strip()) and _asks_nothing(fields["sendsms"]))
    if not no_sms:
        return (Channel.SMS, Channel.WHATSAPP) if sendwa else (Channel.SMS,)
    if sendwa or waonly:
        return (Channel.WHATSAPP,)
    if fields.get("from") != "ssh":
        raise Invalid("sendsms", "asks for no SMS, and nothing else was asked for")
    return (Channel.SMS,)


def _wish(fields: Mapping[str, str], name: str) -> bool:
    value = fields.get(name)
    if value is None or _asks_nothing(value):
        return False
    if value.strip().lower() not in YES:
        raise Invalid(name, "must be 1, yes or empty")
    return True


def _recipients(fields: Mapping[str, str]) -> tuple[str, ...]:
    """Several are separated by comma or semicolon. A space before the first is a plus that a form has decoded: then it is one
    before the others too; otherwise a space after a comma is just that."""
    raw = fields.get("recipients", "")
    parts = [part for part in _RECIPIENT_BREAK.split(raw) if part.strip()]
    return tuple(part if raw[:1] == " " else part.strip() for part in parts)


def _asks_nothing(value: str) -> bool:
    return value.strip().lower() in NOTHING


def _whole(value: str | None, field: str) -> int | None:
    if not value or _asks_nothing(value):
        return None
    value = value.strip()
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise Invalid(field, "must be a whole number")
    return int(value)


def _sim(value: str | None) -> int | None:
    sim = _whole(value, "sim")
    if sim is not None and sim not in (1, 2):
        raise Invalid("sim", "must be 1, 2 or empty")
    return sim


def _instant(value: str | None) -> datetime | None:
    seconds = _whole(value, "due")
    if seconds is None:
        return None
    if seconds >= 1 << 33:
        raise Invalid("due", "must be a UNIX timestamp in seconds")
    return datetime.fromtimestamp(seconds, UTC)


def _result(receipt: Receipt, account: Account) -> dict[str, object]:
    utc, local = _both_times(int(receipt.accepted.timestamp()), account.time_zone)
    sealed = receipt.sealed_key
    result: dict[str, object] = {
        "error": 0,
        "sent": "1",
        "id": receipt.guids[0],
        "note": NOTES[None if receipt.status is Status.SCHEDULED else receipt.device_online],
        "datetime": utc,
        "datetimeLocal": local,
        "port": receipt.sim,
        "iac_control": "1",
        "iac_authorized": "1",
        "send_with_whatsapp": "1" if receipt.whatsapp else "0",
        "encrypted": {"status": "1", "key": sealed.key, "url": sealed.url} if sealed else {"status": "0"},
        "trial_account": {"status": "1" if receipt.trial else "0", "sms_sent": receipt.trial_sent},
    }
    if len(receipt.guids) > 1:
        result["ids"] = receipt.guids
    return result


@lru_cache(maxsize=64)
def _both_times(second: int, time_zone: str) -> tuple[str, str]:
    utc = datetime.fromtimestamp(second, UTC)
    return utc.strftime("%Y-%m-%dT%H:%M:%SZ"), utc.astimezone(_zone(time_zone)).isoformat()


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _json(value: object, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    return Reply(orjson.dumps(value), status=status, headers=headers)
