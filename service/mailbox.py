"""What an account can see of its messages. Another account's message is as unknown as one that never was."""

from __future__ import annotations

from dataclasses import dataclass

from service.messages import MtMessage
from service.ports import SentQuery, Store

MOST_ROWS = 200


@dataclass(kw_only=True)
class Mailbox:
    store: Store

    async def sent(self, query: SentQuery) -> list[MtMessage]:
        """MT messages of `query.account_id`, newest first."""
        return await self.store.sent(query)
