"""smrtPhone's opt-out footer: the first text to a number has it, and again the first one after 30 days.

Hello
Message sent by Acme Ltd. To opt-out from texts reply with "STOP".
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from service.gateway import Gateway
from service.messages import Submit
from service.ports import SentQuery

EVERY = timedelta(days=30)
_PAGE = 200


async def with_footer(gateway: Gateway, account_id: int, submit: Submit, company: str) -> Submit:
    """As it is where there is no company to name, or the recipient has been told so lately. Of two texts at one moment both may have it."""
    if not company:
        return submit
    footer = f'\nMessage sent by {company}. To opt-out from texts reply with "STOP".'
    (recipient,) = submit.recipients
    return submit if await _is_told(gateway, account_id, recipient, footer) else replace(submit, footer=footer)


async def _is_told(gateway: Gateway, account_id: int, recipient: str, footer: str) -> bool:
    since, before = gateway.clock() - EVERY, None
    while True:
        query = SentQuery(account_id=account_id, keyword=recipient, refused=False, before_id=before, limit=_PAGE)
        page = await gateway.store.sent(query)
        lately = [m for m in page if m.created > since]
        if any(m.recipient == recipient and m.text.endswith(footer) for m in lately):
            return True
        if len(lately) < _PAGE:
            return False
        before = page[-1].id
