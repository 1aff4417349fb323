"""smrtPhone's SMS API: one call, as Globiflow (Podio) and CRMs make it.

    POST /sms/send   X-Auth-smrtPhone: KEY   from=+18652730270&to=(206)%20555-1212&message=Hello
    200 {"success": true, "smsId": "b6df1664-...", "messageId": "b6df1664-...", "status": "queued"}
    400 Missing required parameter(s): from, to, message

The key is looked at first, whatever the rest says: a POST with nothing but a key is how callers try one. A refusal is bare text, and one
of them is compared letter by letter: whatever is our fault is FAILED. What nobody has documented (the body of a success, most of the
texts) is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from html import escape

import orjson

from adapters.apis import ApiSettings
from adapters.apis._smrtphone_footer import with_footer
from adapters.apis._smrtphone_webhooks import sms_id
from adapters.operations import TEXT as STRING
from adapters.operations import YES_NO, Answer, Content, Operation, Parameter, json, one_of, record, shown
from adapters.web import Api, Call, Reply, Route, Trouble
from service import numbers
from service.accounts import Account, Principal, Scope
from service.errors import Conflict, Forbidden, Invalid, InvalidRecipient, OptedOut, QuotaExceeded, Refused, TooManyGuesses, Unauthorized
from service.gateway import Gateway
from service.messages import Submit

PATH = "/sms/send"
KEY_HEADER = "X-Auth-smrtPhone"
TEXT = "text/html; charset=UTF-8"
NEEDED = ("from", "to", "message")
FAILED = "Error: An unknown error occurred. Please contact your system administrator"
COUNTRY = "US"
"""whose numbers those without a country code are, where the account says nothing"""
FIELDS = {"from_number": "from number", "device": "from number", "sim": "from number", "recipients": "to number", "text": "message"}
"""the core's field -> the vendor's, with what it is to be"""
DEFAULT_RETRY_AFTER_S = 86_400


def api(gateway: Gateway, settings: ApiSettings) -> Api:
    endpoint = _Endpoint(gateway, settings)
    route = Route(path=PATH, handler=endpoint.send, methods=frozenset({"POST"}), describe=(_SEND,))
    return Api(
        name="smrtphone",
        about="smrtPhone's SMS API: `from` is a number of one of the account's phones or SIMs.",
        routes=(route,),
        word=endpoint.word,
        schemes={"smrtphone": {"type": "apiKey", "in": "header", "name": KEY_HEADER}},
    )


@dataclass(frozen=True, slots=True)
class _Endpoint:
    gateway: Gateway
    settings: ApiSettings

    async def send(self, call: Call) -> Reply:
        caller = await self.gateway.accounts.authenticate(call.header(KEY_HEADER), Scope.SEND, peer=call.peer)
        fields = call.fields()
        missing = [name for name in NEEDED if not fields.get(name, "").strip()]
        if missing:
            raise Trouble(400, "missing_parameter", f"Missing required parameter(s): {', '.join(missing)}")
        submit = await self._read(caller, fields, call.header("idempotency-key"))
        receipt = await self.gateway.submission.submit(caller, submit)
        id = sms_id(receipt.guids[0])
        if self.settings.smrtphone_plain:
            return Reply(id.encode(), content_type="text/plain; charset=UTF-8")
        return Reply(orjson.dumps({"success": True, "smsId": id, "messageId": id, "status": "queued"}))

    async def _read(self, caller: Principal, fields: Mapping[str, str], idempotency_key: str) -> Submit:
        """Raises Invalid, of which a row is kept."""
        written = Submit(recipients=(fields["to"],), text=fields["message"], api="smrtphone", idempotency_key=idempotency_key or None)
        try:
            submit = replace(
                written,
                from_number=_from_number(fields["from"], caller.account),
                recipients=(_recipient(fields["to"], caller.account),),
                number_per_day=self.settings.smrtphone_per_day or None,
            )
        except Invalid as refused:
            raise await self.gateway.submission.refuse(caller, written, refused) from None
        return await with_footer(self.gateway, caller.account.id, submit, self.settings.smrtphone_footer)

    def word(self, call: Call, error: Refused | Trouble) -> Reply:
        status, said = _said(error)
        headers: tuple[tuple[str, str], ...] = (("X-Content-Type-Options", "nosniff"),)
        if isinstance(error, QuotaExceeded):
            status = status if isinstance(error, TooManyGuesses) else self.settings.smrtphone_limit_status
            headers = (*headers, ("Retry-After", str(error.retry_after_s or DEFAULT_RETRY_AFTER_S)))
        # what it says may name a field as it was sent
        return Reply(escape(said, quote=False).encode(), status=status, content_type=TEXT, headers=headers)


def _from_number(raw: str, account: Account) -> str:
    try:
        return numbers.normalise(raw, account.default_country or COUNTRY)
    except InvalidRecipient:
        raise Invalid("from_number", "is not a phone number") from None


def _recipient(raw: str, account: Account) -> str:
    number = numbers.normalise(raw, account.default_country or COUNTRY)
    if not number.startswith("+"):
        raise InvalidRecipient(raw)
    return number


def _said(error: Refused | Trouble) -> tuple[int, str]:
    match error:
        case Trouble():
            return error.status, error.why if error.status < 500 else FAILED
        case Unauthorized() | Forbidden():
            return 403, "Forbidden"
        case OptedOut():
            return 400, "Recipient is on the Do Not Text list"
        case QuotaExceeded(quota="number", per="day"):
            return 429, f"Daily limit of {error.most} text messages per number exceeded"
        case QuotaExceeded():
            return 429, error.why[:1].upper() + error.why[1:]
        case Invalid():
            return 400, f"Invalid {FIELDS.get(error.field, error.field)}"
        case Conflict():
            return 409, "This idempotency key was used for another request"
    return 500, FAILED


def _wording(codes: tuple[str, ...]) -> Content:
    return {TEXT: STRING}


_ID = shown(STRING, "b6df1664-0000-4000-8000-000000000000")
_ANSWER = record({"success": YES_NO, "smsId": _ID, "messageId": _ID, "status": one_of("queued")}, title="SmrtPhoneSent")
_FORM = {
    "type": "object",
    "properties": {
        "from": shown({"type": "string", "description": "a number of the account's phones or SIMs"}, "+18652730270"),
        "to": shown({"type": "string", "description": "one recipient, however it is written"}, "+12065551212"),
        "message": STRING,
    },
    "required": list(NEEDED),
}
_SEND = Operation(
    method="POST",
    summary="Send a text message",
    about="Also as multipart and as JSON. Other fields are ignored. How many messages a number may send in a day is the operator's to say.",
    parameters=(Parameter(name="Idempotency-Key", about="the same for each try of one message", place="header"),),
    body={"application/x-www-form-urlencoded": _FORM, **json(_FORM)},
    answers={200: Answer(about="It is on disk.", content={**json(_ANSWER), "text/plain; charset=UTF-8": STRING})},
    refusals={
        400: ("missing_parameter", "invalid_parameter"),
        403: ("forbidden",),
        409: ("conflict",),
        429: ("quota_exceeded",),
        500: ("failed",),
    },
    wording=_wording,
    security=({"smrtphone": []},),
)
