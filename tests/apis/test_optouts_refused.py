"""A STOP from a handset, as callers of the APIs meet it afterwards."""

from __future__ import annotations

import json

from adapters.apis import smsmobileapi
from service.messages import MoMessage
from service.optouts import Word
from tests.apis.gateway import KEY, MemoryGateway
from tests.fakes import START, on_the_loop

NUMBER = "+32495898697"


@on_the_loop
async def test_after_a_stop_the_caller_is_refused_and_a_row_is_kept() -> None:
    at = MemoryGateway(smsmobileapi.api)
    account = await at.account()
    driver = at.connect(account_id=account.id)
    woken: list[tuple[int, str | None]] = []
    at.outcome.on_queued = lambda account_id, device: woken.append((account_id, device))
    await at.store.set_reply(account.id, Word.STOP, "Bye.")
    await at.outcome.received(MoMessage(device=driver.device.id, sender=NUMBER, text="Stop.", received=START, sim=1))
    answer = await at.post("/sendsms/", {"recipients": f"+32495000001,{NUMBER}", "message": "hello", "apikey": KEY})
    result = json.loads(answer.body)["result"]
    assert (answer.status, result["error"]) == (400, "recipient_opted_out")
    assert NUMBER in result["message"]
    [reply, refused] = sorted(await at.rows(account.id), key=lambda row: row.api)
    assert (reply.text, reply.recipient, reply.api) == ("Bye.", NUMBER, "reply")
    assert (refused.recipient, refused.refusal, refused.guid) == (NUMBER, "opted_out", result["id"])
    assert woken == [(account.id, driver.device.id)]
