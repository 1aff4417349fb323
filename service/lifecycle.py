"""What may follow what in the life of a message. Everything that changes a status asks `advance`."""

from __future__ import annotations

from enum import Enum


class Status(Enum):
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    OUTCOME_UNKNOWN = "outcome_unknown"

    @property
    def is_waiting(self) -> bool:
        """It has not been handed to a device, or is to be handed over again."""
        return self in _WAITING

    @property
    def is_final(self) -> bool:
        """Nothing more is expected, though a person may still resend, and a late report may still tell better."""
        return self in _FINAL


S = Status
_WAITING = frozenset({S.SCHEDULED, S.QUEUED})
_FINAL = frozenset({S.DELIVERED, S.FAILED, S.EXPIRED, S.CANCELLED})

NEXT: dict[Status, frozenset[Status]] = {
    S.SCHEDULED: frozenset({S.QUEUED, S.SENDING, S.FAILED, S.EXPIRED, S.CANCELLED}),
    # OUTCOME_UNKNOWN: its validity ended while a device might have it
    S.QUEUED: frozenset({S.SENDING, S.FAILED, S.EXPIRED, S.CANCELLED, S.OUTCOME_UNKNOWN}),
    # back to QUEUED is another try; DELIVERED is a report that overtook the submit's answer
    S.SENDING: frozenset({S.QUEUED, S.SENT, S.DELIVERED, S.FAILED, S.EXPIRED, S.OUTCOME_UNKNOWN}),
    S.SENT: frozenset({S.DELIVERED, S.FAILED}),
    # SENDING: the device says after all that it has it
    S.OUTCOME_UNKNOWN: frozenset({S.QUEUED, S.SENDING, S.SENT, S.DELIVERED, S.FAILED, S.CANCELLED}),
    S.DELIVERED: frozenset(),
    # a handset's own receipt outweighs a device that gave up; QUEUED is a resend
    S.FAILED: frozenset({S.QUEUED, S.DELIVERED}),
    S.EXPIRED: frozenset({S.QUEUED}),
    S.CANCELLED: frozenset(),
}


def advance(current: Status, told: Status) -> Status:
    """The status after being `told` one: the told one where it may follow, else the current (old news changes nothing)."""
    return told if told in NEXT[current] else current
