"""Between the core's objects and a row: datetimes and milliseconds, Status and text, no SIM and SIM 0.

A message's row is in the order of statements.MESSAGE_COLUMNS, which is that of the table.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

from service.accounts import Account, ApiKey, Scope
from service.errors import Invalid
from service.fleet import Device, Sim
from service.lifecycle import Status
from service.limits import Limits
from service.messages import WHATSAPP_QUEUE, Channel, MoMessage, MtMessage, Receipt, queue_of
from service.ports import Acceptance
from service.quotas import NO_QUOTAS, AccountQuotas, Charge, Quotas

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_STATUS = {s.value: s for s in Status}


def ms(when: datetime) -> int:
    return (when - _EPOCH) // _MS


def ms_or_none(when: datetime | None) -> int | None:
    return None if when is None else (when - _EPOCH) // _MS


def offset_s(when: datetime) -> int:
    offset = when.utcoffset()
    return 0 if offset is None else offset // timedelta(seconds=1)


def when(ms: int) -> datetime:
    # a fraction of a second comes back exactly: fromtimestamp rounds to the nearest microsecond
    return datetime.fromtimestamp(ms / 1000, UTC)


def when_or_none(ms: int | None) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)


def storable(text: str) -> str:
    """What a device said, without what no database can hold: a message from a handset is not lost for a NUL or half a character."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def storable_or_none(text: str | None) -> str | None:
    return None if text is None else storable(text)


def check(acceptance: Acceptance) -> None:
    """Raises Invalid for what some database cannot hold, so that it depends on none."""
    for message in acceptance.messages:
        _check("text", message.text)
    if acceptance.idempotency is not None:
        _check("idempotency_key", acceptance.idempotency.key)


def _check(field: str, text: str) -> None:
    if "\0" in text:
        raise Invalid(field, "contains a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Invalid(field, "contains half of a character (a lone surrogate)") from None


def row_of(m: MtMessage) -> tuple[Any, ...]:
    return (
        m.id,
        m.guid,
        m.account_id,
        m.key_id,
        m.api,
        m.recipient,
        m.text,
        m.segments,
        m.status.value,
        ms(m.created),
        ms_or_none(m.due),
        ms(m.expires),
        m.wanted_device,
        m.wanted_sim or 0,
        queue_of(m.account_id, m.wanted_device, m.channel),
        m.device,
        m.device_message_id,
        m.attempts,
        ms_or_none(m.sent),
        ms_or_none(m.finished),
        m.refusal,
        m.error,
        m.sender,
    )


def message_of(row: Sequence[Any]) -> MtMessage:
    (id, guid, account_id, key_id, api, recipient, text, segments, status, created, due, expires, wanted_device, wanted_sim) = row[:14]
    device, device_message_id, attempts, sent, finished, refusal, error, sender, resends, taken, in_doubt, sim, failures = row[15:]
    return MtMessage(
        id=id,
        guid=guid,
        account_id=account_id,
        key_id=key_id,
        api=api,
        recipient=recipient,
        text=text,
        segments=segments,
        status=_STATUS[status],
        created=when(created),
        due=when_or_none(due),
        expires=when(expires),
        wanted_device=wanted_device,
        wanted_sim=wanted_sim or None,
        device=device,
        device_message_id=device_message_id,
        attempts=attempts,
        sent=when_or_none(sent),
        finished=when_or_none(finished),
        refusal=refusal,
        error=error,
        channel=Channel.WHATSAPP if row[14].endswith(WHATSAPP_QUEUE) else Channel.SMS,
        resends=resends,
        taken=when_or_none(taken),
        in_doubt=bool(in_doubt),
        sim=sim,
        failures=failures,
        sender=sender,
    )


def receipt_to_json(receipt: Receipt) -> str:
    fields: Mapping[str, Any] = {
        "guids": receipt.guids,
        "accepted": ms(receipt.accepted),
        "status": receipt.status.value,
        "device_online": receipt.device_online,
        "sim": receipt.sim,
        "trial": receipt.trial,
        "whatsapp": receipt.whatsapp,
        "sealed": receipt.sealed,
    }
    return json.dumps(fields)


def receipt_of_json(text: str, trial_sent: int) -> Receipt:
    """The first receipt, given again."""
    fields = json.loads(text)
    fields.update(guids=tuple(fields["guids"]), accepted=when(fields["accepted"]), status=Status(fields["status"]))
    return Receipt(**fields, trial_sent=trial_sent, replayed=True)


def account_of(row: Sequence[Any]) -> Account:
    id, name, default_country, time_zone, validity_s, trial_limit, resend_unknown, sticky, quotas = row
    return Account(
        id=id,
        name=name,
        default_country=default_country,
        time_zone=time_zone,
        validity_s=validity_s,
        trial_limit=trial_limit,
        resend_unknown=bool(resend_unknown),
        sticky=bool(sticky),
        quotas=None if quotas is None else AccountQuotas(**{name: Quotas(**each) for name, each in json.loads(quotas).items()}),
    )


def account_row(account: Account) -> dict[str, Any]:
    row = {name: getattr(account, name) for name in Account.__slots__}
    given = account.quotas
    kept = given and {name: _numbers_row(part) for name in AccountQuotas.__slots__ if (part := getattr(given, name)) != NO_QUOTAS}
    return {**row, "quotas": None if kept is None else json.dumps(kept)}


def device_of(row: Sequence[Any]) -> Device:
    fields = dict(zip(Device.__slots__, row, strict=True))
    config, limits, cards = (json.loads(fields[name]) for name in ("config", "limits", "cards"))
    kept = {"config": config, "limits": Limits(**limits), "cards": tuple(map(_card_of, cards))}
    return Device(**{**fields, "whatsapp": bool(fields["whatsapp"]), "sync_sent": bool(fields["sync_sent"]), **kept})


def device_row(device: Device) -> dict[str, Any]:
    row = {name: getattr(device, name) for name in Device.__slots__}
    cards = [{"slot": card.slot, "number": card.number, "limits": _numbers_row(card.limits)} for card in device.cards]
    kept = {"config": dict(device.config), "limits": _numbers_row(device.limits), "cards": cards}
    return {**row, **{name: json.dumps(value) for name, value in kept.items()}}


def _numbers_row(some: Limits | Quotas) -> dict[str, int]:
    return {name: value for name in some.__slots__ if (value := getattr(some, name)) is not None}


def _card_of(card: dict[str, Any]) -> Sim:
    return Sim(slot=card["slot"], number=card["number"], limits=Limits(**card["limits"]))


def key_of(row: Sequence[Any]) -> ApiKey:
    (id, account_id, label, digest, scopes, expires, networks, client_id, created, used, former_digest, former_ends, revoked) = row[:13]
    quotas = row[13]
    return ApiKey(
        id=id,
        account_id=account_id,
        label=label,
        digest=bytes(digest),
        scopes=Scope(scopes),
        expires=when_or_none(expires),
        networks=tuple(map(ip_network, networks.split())),
        client_id=client_id,
        created=when_or_none(created),
        used=when_or_none(used),
        former_digest=None if former_digest is None else bytes(former_digest),
        former_ends=when_or_none(former_ends),
        revoked=when_or_none(revoked),
        quotas=None if quotas is None else Quotas(**json.loads(quotas)),
    )


def key_row(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "account_id": key.account_id,
        "label": key.label,
        "digest": key.digest,
        "scopes": key.scopes.value,
        "expires": ms_or_none(key.expires),
        "networks": " ".join(map(str, key.networks)),
        "client_id": key.client_id,
        "created": ms_or_none(key.created),
        "used": ms_or_none(key.used),
        "former_digest": key.former_digest,
        "former_ends": ms_or_none(key.former_ends),
        "revoked": ms_or_none(key.revoked),
        "quotas": None if key.quotas is None else json.dumps(_numbers_row(key.quotas)),
    }


def charge_row(charge: Charge) -> tuple[Any, ...]:
    """As transactions_quotas.charged has it."""
    lasts = charge.lasts // _MS
    return charge.subject, charge.quota, charge.per, charge.most, charge.count, ms(charge.since), ms(charge.slot), lasts


def counted(receipt: Receipt, trial_sent: int) -> Receipt:
    return receipt if trial_sent == receipt.trial_sent else replace(receipt, trial_sent=trial_sent)


def fingerprint_of(message: MoMessage) -> bytes | None:
    """By what a redelivery is known. Sender and text belong to it, since devices' own ids are short and come round again."""
    if message.device_message_id is None:
        return None
    part = () if message.part is None else tuple(map(str, (message.part.reference, message.part.number, message.part.total)))
    parts = (message.device_message_id, message.sender, message.text, *part)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
