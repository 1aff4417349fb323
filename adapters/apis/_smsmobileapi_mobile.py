"""/log/sent/frommobile: which of the rows that phones reported are listed, and in what order. A part of smsmobileapi.py.

Dates are the phone's local ones, so the rows are looked at as they are shown; there are only those of the last 7 days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from operator import itemgetter
from zoneinfo import ZoneInfo

from adapters.apis import _smsmobileapi_rows as rows
from service.errors import Invalid
from service.messages import MtMessage
from service.numbers import normalise_sender
from service.search import Wanted

MOST = 200
COLUMNS = ("sIdentifiant", "number", "message", "mobile_date_ms", "mobile_date_formatted", "synchro_time")
SEARCHED_AS_SHOWN = ("sIdentifiant", "mobile_date_formatted", "synchro_time")
"""`search` finds any part of these; message and number as the log's keyword does"""
PERIODS = {"today": (0, 0), "yesterday": (1, 1), "last_3days": (3, 0), "last_7days": (7, 0)}
"""the first and the last day, in days before today"""
LAST_24H = "last_24h"
_PRUNE_AT = 5_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """An empty text asks for nothing."""

    first: date | None
    last: date | None
    period: str
    device: str
    number: str
    message: str
    search: str
    sort_by: str
    sort_order: str
    limit: int


def read(fields: Mapping[str, str]) -> Asked:
    """Raises Invalid."""
    from adapters.apis._smsmobileapi_mailbox import day, whole

    def text(name: str) -> str:
        return fields.get(name, "").strip()

    exact, first, last = ((day(text(name), name) if text(name) else None) for name in ("date", "date_from", "date_to"))
    return Asked(
        first=exact or first,
        last=exact or last,
        period=_known(text("period"), "period", ("", *PERIODS, LAST_24H)),
        device=text("sIdentifiant"),
        number=fields.get("number", "") if text("number") else "",
        message=text("message"),
        search=text("search"),
        sort_by=_known(text("sort_by") or "mobile_date_ms", "sort_by", COLUMNS),
        sort_order=_known(text("sort_order").upper() or "DESC", "sort_order", ("ASC", "DESC")),
        limit=whole(fields, "limit", MOST, MOST),
    )


def _known(value: str, name: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise Invalid(name, f"must be one of {', '.join(filter(None, known))}")
    return value


@dataclass
class Filter:
    """Rows are offered newest first."""

    asked: Asked
    now: datetime
    country: str | None
    _rows: list[rows.Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        number = self.asked.number
        self._number = normalise_sender(number, self.country) if number else ""
        self._is_number = Wanted.of(number).is_number
        self._message, self._search = Wanted.of(self.asked.message), Wanted.of(self.asked.search)

    def offer(self, message: MtMessage, zone: ZoneInfo) -> None:
        if message.sent is None or (self.asked.message and not self._message.are_in(message.text)):
            return
        if not self._is_in_time(message.sent, zone):
            return
        row = rows.mobile_row(message, message.sent, zone)
        if self._is_asked_for(row):
            self._rows.append(row)
            if len(self._rows) > _PRUNE_AT:
                self._rows = self.best()

    @property
    def has_enough(self) -> bool:
        """What is still to be offered would not be among the best."""
        newest_first = self.asked.sort_by == "mobile_date_ms" and self.asked.sort_order == "DESC"
        return newest_first and len(self._rows) >= self.asked.limit

    def best(self) -> list[rows.Row]:
        key: itemgetter[str] = itemgetter(self.asked.sort_by)
        return sorted(self._rows, key=key, reverse=self.asked.sort_order == "DESC")[: self.asked.limit]

    def _is_in_time(self, at: datetime, zone: ZoneInfo) -> bool:
        asked, local, today = self.asked, at.astimezone(zone).date(), self.now.astimezone(zone).date()
        if asked.period == LAST_24H and at < self.now - timedelta(hours=24):
            return False
        if asked.period in PERIODS:
            first, last = PERIODS[asked.period]
            if not today - timedelta(days=first) <= local <= today - timedelta(days=last):
                return False
        return (asked.first is None or asked.first <= local) and (asked.last is None or local <= asked.last)

    def _is_asked_for(self, row: rows.Row) -> bool:
        asked = self.asked
        if asked.device and row["sIdentifiant"] != asked.device:
            return False
        number, message = str(row["number"]), str(row["message"])
        if asked.number and not (number == self._number or self._is_number(number)):
            return False
        search = asked.search.lower()
        return not search or self._search.is_in(number, message) or any(search in str(row[name]).lower() for name in SEARCHED_AS_SHOWN)
