"""Rows and times as SMSMobileAPI writes them. A part of smsmobileapi.py.

Each list has its own: the log shows local time beside the server's, with the vendor's odd epochs; the inbox shows the server's UTC beside
the phone's own clock; the mobile's list local time beside UTC; a conversation UTC for what came and local time for what went.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from service.fleet import Device, Presence
from service.lifecycle import Status
from service.mailbox_queries import Talk
from service.messages import MtMessage, ReceivedMessage
from service.numbers import vendor_form
from service.traffic import Wait

PHONE_ERRORS = {
    Status.EXPIRED: "expired before a phone could send it",
    Status.CANCELLED: "cancelled",
    Status.OUTCOME_UNKNOWN: "outcome unknown: the phone may have sent it",
}

Row = dict[str, object]


def sent_row(message: MtMessage, zone: ZoneInfo, error_api: str) -> Row:
    """Dates and hours are local, but for `_server`; `timestamp` and `send_from_mobile_timestamp` are the vendor's odd epochs:
    the local wall clock read as if it were UTC. What was not sent yet has empty strings and zeros."""
    added, added_local = message.created, message.created.astimezone(zone)
    sent = message.sent
    sent_local = sent.astimezone(zone) if sent else None
    return {
        "sIdentifiantPhone": message.device if sent and message.device else "",
        "port": message.wanted_sim or 0,
        "date_add": _date(added_local),
        "hour_add": _hour(added_local),
        "timestamp": _wall_epoch(added_local),
        "send_from_mobile": 1 if sent else 0,
        "send_from_mobile_date": _date(sent_local),
        "send_from_mobile_heure": _hour(sent_local),
        "send_from_mobile_timestamp": _wall_epoch(sent_local),
        "recipients": vendor_form(message.recipient),
        "sms": message.text,
        "error_api": error_api,
        "send_from_mobile_erreur": _phone_error(message),
        "guid_message": message.guid,
        "timearea": _time_area(added_local),
        "date_add_server": _date(added),
        "hour_add_server": _hour(added),
        "timestamp_server": int(added.timestamp()),
        "send_from_mobile_date_server": _date(sent),
        "send_from_mobile_heure_server": _hour(sent),
    }


def received_row(message: ReceivedMessage, key_hash: str) -> Row:
    """`date`, `hour` and `timestamp_unix` are when we kept it, UTC; `time_received` is the phone's own clock, milliseconds and all."""
    local = message.received
    return {
        "id": message.number,
        "sIdentifiantPhone": message.device,
        "date": _date(message.created),
        "hour": _hour(message.created),
        "timestamp_unix": int(message.created.timestamp()),
        "time_received": local.strftime("%Y%m%d%H%M%S") + f"{local.microsecond // 1000:03d}",
        "indice": message.device_message_id or str(message.number),
        "message": message.text,
        "number": message.sender,
        "guid": message.guid,
        "alias": message.alias,
        "apikey": key_hash,
    }


def mobile_row(message: MtMessage, at: datetime, zone: ZoneInfo) -> Row:
    """What a phone reported as sent `at`: its local time, and when we learned of it, UTC, which is the same instant for what we gave it."""
    return {
        "sIdentifiant": message.device or "",
        "number": message.recipient,
        "message": message.text,
        "mobile_date_ms": int(at.timestamp()) * 1000 + at.microsecond // 1000,
        "mobile_date_formatted": stamp(at.astimezone(zone)),
        "synchro_time": stamp(at),
    }


class Line(NamedTuple):
    """A message of a conversation, and what it is sorted by."""

    date: str
    id: int
    row: Row


def incoming_line(message: ReceivedMessage) -> Line:
    return _line(message.received.astimezone(UTC), message.received, message.id, "incoming", "received", message)


def outgoing_line(message: MtMessage, at: datetime, zone: ZoneInfo) -> Line:
    return _line(at.astimezone(zone), at, message.id, "outgoing", "sent", message)


def _line(shown: datetime, at: datetime, id: int, direction: str, status: str, message: ReceivedMessage | MtMessage) -> Line:
    row: Row = {
        "direction": direction,
        "message_id": message.guid,
        "date": stamp(shown),
        "timestamp_utc": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "message": message.text,
        "status": status,
        "mobile_sid": message.device or "",
    }
    return Line(f"{shown:%Y-%m-%d %H:%M:%S.%f}", id, row)


def conversation(talk: Talk, lines: list[Line]) -> Row:
    """`lines` oldest first by the date that is shown."""
    return {"phone_number": talk.number, "contact_alias": talk.alias, "messages": [line.row for line in lines]}


def phone_row(device: Device, presence: Presence, is_online: bool, zone: ZoneInfo) -> Row:
    return {
        "sid": device.id,
        "sIdentifiant": device.id,
        "label": device.label,
        "phone_number": device.phone_number or "",
        "battery": "" if presence.battery is None else str(presence.battery),
        "version": presence.version or "",
        "date": stamp(presence.since.astimezone(zone)) if presence.since else "",
        "online": is_online,
    }


def wait_fields(wait: Wait) -> Row:
    """Ours, beside the vendor's."""
    return {"waiting": wait.count, "waiting_reason": wait.reason}


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")


def _phone_error(message: MtMessage) -> str:
    """Empty while there may be another try: callers take anything else for the end."""
    if message.refusal:
        return ""
    if message.status is Status.FAILED:
        return message.error or "failed"
    return PHONE_ERRORS.get(message.status, "")


def _date(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d") if at else ""


def _hour(at: datetime | None) -> str:
    return at.strftime("%H:%M:%S") if at else ""


def _wall_epoch(at: datetime | None) -> int:
    return int(at.replace(tzinfo=UTC).timestamp()) if at else 0


def _time_area(at: datetime) -> str:
    """`UTC+01`, `UTC+05:30`."""
    offset = at.strftime("%z")
    return f"UTC{offset[:3]}" + (f":{offset[3:5]}" if offset[3:5] != "00" else "")
