"""Every pair of statuses, and what no change may ever do."""

from __future__ import annotations

import pytest

from service.lifecycle import NEXT, Status, advance

S = Status

MAY_FOLLOW = {
    S.SCHEDULED: {S.QUEUED, S.SENDING, S.FAILED, S.EXPIRED, S.CANCELLED},
    S.QUEUED: {S.SENDING, S.FAILED, S.EXPIRED, S.CANCELLED, S.OUTCOME_UNKNOWN},
    S.SENDING: {S.QUEUED, S.SENT, S.DELIVERED, S.FAILED, S.EXPIRED, S.OUTCOME_UNKNOWN},
    S.SENT: {S.DELIVERED, S.FAILED},
    S.OUTCOME_UNKNOWN: {S.QUEUED, S.SENDING, S.SENT, S.DELIVERED, S.FAILED, S.CANCELLED},
    S.DELIVERED: set(),
    S.FAILED: {S.QUEUED, S.DELIVERED},
    S.EXPIRED: {S.QUEUED},
    S.CANCELLED: set(),
}
"""written a second time on purpose: a change of the table is a change of what callers see"""


def test_the_table_has_every_status() -> None:
    assert set(NEXT) == set(MAY_FOLLOW) == set(Status)


@pytest.mark.parametrize("told", Status)
@pytest.mark.parametrize("current", Status)
def test_a_status_follows_only_where_the_table_says_so(current: Status, told: Status) -> None:
    assert advance(current, told) is (told if told in MAY_FOLLOW[current] else current)


def test_what_a_handset_confirmed_is_never_taken_back() -> None:
    assert all(advance(S.DELIVERED, told) is S.DELIVERED for told in Status)


def test_a_report_that_was_overtaken_changes_nothing() -> None:
    assert advance(advance(S.SENDING, S.DELIVERED), S.SENT) is S.DELIVERED


def test_what_a_device_took_never_returns_to_the_queue_by_itself() -> None:
    assert advance(S.SENT, S.QUEUED) is S.SENT


def test_what_waits_and_what_has_ended() -> None:
    assert {s for s in Status if s.is_waiting} == {S.SCHEDULED, S.QUEUED}
    assert {s for s in Status if s.is_final} == {S.DELIVERED, S.FAILED, S.EXPIRED, S.CANCELLED}


def test_the_words_are_those_that_are_stored() -> None:
    words = "scheduled queued sending sent delivered failed expired cancelled outcome_unknown"
    assert " ".join(s.value for s in Status) == words
