"""What the tests of SMSMobileAPI share: the vendor's instant, an account in Brussels, answers taken apart.

An answer is compared as text, so that keys, their order, types and values all count. $guid stands for the newest message's.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.apis import ApiSettings
from adapters.apis.smsmobileapi import api
from adapters.storage.memory import MemoryStore
from tests.apis.gateway import KEY, MemoryGateway
from tests.http_peer import Answer

ADDED = datetime(2026, 3, 20, 21, 7, 44, tzinfo=UTC)
"""the instant of the vendor's examples"""
SENT_AFTER_S = 141
BRUSSELS = "Europe/Brussels"
PHONE = "abbg00055x5"
SEND = {"apikey": KEY, "recipients": "+32495898697", "message": "test"}

FUTURE = int((ADDED + timedelta(hours=1)).timestamp())

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
BEARER = {"Authorization": f"Bearer {KEY}"}

NOT_SENT_YET: dict[str, object] = {
    "sIdentifiantPhone": "",
    "send_from_mobile": 0,
    "send_from_mobile_date": "",
    "send_from_mobile_heure": "",
    "send_from_mobile_timestamp": 0,
    "send_from_mobile_date_server": "",
    "send_from_mobile_heure_server": "",
}


async def house(settings: ApiSettings | None = None, *, store: MemoryStore | None = None, **account: Any) -> MemoryGateway:
    """An account in Brussels with the key KEY, at the time of the vendor's examples."""
    made = MemoryGateway(api, settings, store=store)
    made.clock.now = ADDED
    await made.account(**{"time_zone": BRUSSELS, **account})
    return made


def compact(text: str) -> str:
    """The same JSON as a server writes it, the order of its keys kept."""
    return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)


async def expected(text: str, at: MemoryGateway) -> str:
    return compact(text.replace("$guid", (await at.rows())[-1].guid))


def result_of(answer: Answer) -> dict[str, Any]:
    (result,) = json.loads(answer.body).values()
    return dict(result)


async def listed(at: MemoryGateway, **filters: str) -> list[dict[str, Any]]:
    answer = await at.get("/log/sent/sms/", apikey=KEY, **filters)
    assert answer.status == 200, answer.body
    return list(result_of(answer)["sms"])
