"""What an SMSGate app of a given version can do. A feature is the first released version that has it; a test names the version it plays.

From the tags of the SMSGate app's source.
"""

from __future__ import annotations

from dataclasses import dataclass

_SINCE = {
    "stream": (1, 43),
    "order": (1, 46),
    "notification_channel": (1, 53),
    "schedule": (1, 61),
    "sim_cards": (1, 65),
    "receiver_settings": (1, 66, 2),
    "cancelling": (1, 67),
}
_EVENTS = {
    "sms:received": (1,),
    "sms:sent": (1,),
    "sms:delivered": (1,),
    "sms:failed": (1,),
    "system:ping": (1,),
    "sms:data-received": (1, 39),
    "mms:received": (1, 47),
    "mms:downloaded": (1, 56),
    "app:started": (1, 66),
    "sms:cancelled": (1, 67),
}


@dataclass(frozen=True)
class Version:
    name: str
    """as in `User-Agent: me.capcom.smsgateway/1.68.0`"""

    @property
    def parts(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.name.split("."))

    def has(self, feature: str) -> bool:
        return self.parts >= _SINCE[feature]

    def knows_event(self, event: str) -> bool:
        return event in _EVENTS and self.parts >= _EVENTS[event]

    @property
    def periods(self) -> frozenset[str]:
        """of `messages.limit_period`"""
        known = {"Disabled", "PerMinute", "PerHour", "PerDay"}
        return frozenset(known | {"Per30Minutes"} if self.has("cancelling") else known)
