"""Limits and quiet hours: how many may go out, until when to wait, and by which SIM."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.storage.memory import MemoryStore
from service.errors import Invalid
from service.fleet import Device, Sim
from service.limits import Limits, Sent, Usage, checked, quiet_until
from service.messages import Channel, MtMessage
from service.traffic import Leave, Traffic
from tests.fakes import START, mt_message, on_the_loop

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
BRUSSELS, KATHMANDU = "Europe/Brussels", "Asia/Kathmandu"


def sent(*seconds_ago: float) -> Sent:
    made = Sent()
    for ago in seconds_ago:
        made.add(START - ago * SECOND)
    return made


@pytest.mark.parametrize(
    ("limits", "ago", "room", "wait_s", "why"),
    [
        (Limits(), [0] * 100, 1 << 30, None, ""),
        (Limits(per_minute=5), [], 5, None, ""),
        (Limits(per_minute=5), [59, 30, 1], 2, None, ""),
        (Limits(per_minute=2), [59, 30], 0, 1, "2 a minute reached"),
        (Limits(per_minute=2), [60, 30], 1, None, ""),
        (Limits(per_minute=2), [50, 40, 30, 20], 0, 30, "2 a minute reached"),
        (Limits(per_hour=2), [3599, 61], 0, 1, "2 an hour reached"),
        (Limits(per_day=1), [3600], 0, 23 * 3600, "1 a day reached"),
        (Limits(per_minute=1, per_day=3), [80_000, 70_000, 10], 0, 6400, "3 a day reached"),
        (Limits(per_minute=1, per_day=3), [86_390, 70_000, 10], 0, 50, "1 a minute reached"),
        (Limits(per_minute=4, per_hour=5), [600, 500, 400], 2, None, ""),
    ],
)
def test_how_many_may_go_out(limits: Limits, ago: list[float], room: int, wait_s: float | None, why: str) -> None:
    allowance = sent(*ago).allowance(limits, START)
    assert allowance.room == room
    assert allowance.why == why
    assert allowance.until == (None if wait_s is None else START + wait_s * SECOND)


_limits = st.builds(
    Limits,
    per_minute=st.none() | st.integers(1, 5),
    per_hour=st.none() | st.integers(1, 12),
    per_day=st.none() | st.integers(1, 30),
)


@given(_limits, st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 10)), max_size=60))
def test_no_window_ever_holds_more_than_its_limit_and_whoever_waits_as_told_may_send(limits: Limits, asks: list[tuple[int, int]]) -> None:
    made, now, gone = Sent(), START, []
    for pause_s, wanted in asks:
        now += pause_s * SECOND
        allowance = made.allowance(limits, now)
        if not allowance.room:
            assert allowance.until is not None
            assert allowance.until > now
            assert not made.allowance(limits, allowance.until - timedelta(microseconds=1)).room, "nobody waits for nothing"
            now = allowance.until
            allowance = made.allowance(limits, now)
            assert allowance.room, "nothing starves"
        for _ in range(min(wanted, allowance.room)):
            made.add(now)
            gone.append(now)
    for most, _, length in limits.windows():
        assert all(sum(begins <= at < begins + length for at in gone) <= most for begins in gone)


def test_what_was_given_back_never_counted_and_nothing_else_is_forgotten() -> None:
    usage = Usage()
    for ago in (50, 40, 10):
        usage.count(1, START - ago * SECOND)
    usage.uncount(1, START - 40 * SECOND)
    for its in (usage.everything(), usage.of(1)):
        assert its.allowance(Limits(per_minute=2), START).until == START + 10 * SECOND
    usage.uncount(1, START - 40 * SECOND)
    assert usage.everything().allowance(Limits(per_minute=3), START).room == 1


def test_what_went_out_long_ago_is_forgotten() -> None:
    made = sent(*range(400_000, 0, -1000))
    made.add(START)
    assert len(made._times) < 200


@pytest.mark.parametrize(
    ("hours", "zone", "now", "until"),
    [
        ((22, 7), "UTC", "2026-03-20T21:59:59+00:00", None),
        ((22, 7), "UTC", "2026-03-20T22:00:00+00:00", "2026-03-21T07:00:00+00:00"),
        ((22, 7), "UTC", "2026-03-21T06:59:59+00:00", "2026-03-21T07:00:00+00:00"),
        ((22, 7), "UTC", "2026-03-21T07:00:00+00:00", None),
        ((12, 14), "UTC", "2026-03-20T13:30:00+00:00", "2026-03-20T14:00:00+00:00"),
        ((12, 14), "UTC", "2026-03-20T14:00:00+00:00", None),
        ((22, 0), "UTC", "2026-03-20T23:30:00+00:00", "2026-03-21T00:00:00+00:00"),
        ((22, 7), BRUSSELS, "2026-03-20T21:00:00+00:00", "2026-03-21T06:00:00+00:00"),
        ((22, 7), KATHMANDU, "2026-03-20T16:15:00+00:00", "2026-03-21T01:15:00+00:00"),
        # the night of summer time is an hour shorter, that of winter time an hour longer
        ((22, 7), BRUSSELS, "2026-03-28T21:00:00+00:00", "2026-03-29T05:00:00+00:00"),
        ((22, 7), BRUSSELS, "2026-10-24T20:00:00+00:00", "2026-10-25T06:00:00+00:00"),
        # 02:30 never comes: 03:00 is the first time after it
        ((1, 2.5), BRUSSELS, "2026-03-29T00:10:00+00:00", "2026-03-29T01:00:00+00:00"),
        ((1, 2.5), BRUSSELS, "2026-03-29T00:50:00+00:00", "2026-03-29T01:00:00+00:00"),
        # 02:30 comes twice, and so does the half hour before it
        ((1, 2.5), BRUSSELS, "2026-10-24T23:30:00+00:00", "2026-10-25T00:30:00+00:00"),
        ((1, 2.5), BRUSSELS, "2026-10-25T00:45:00+00:00", None),
        ((1, 2.5), BRUSSELS, "2026-10-25T01:10:00+00:00", "2026-10-25T01:30:00+00:00"),
    ],
)
def test_quiet_hours_end_by_the_clock_on_the_wall(hours: tuple[float, float], zone: str, now: str, until: str | None) -> None:
    limits = Limits(quiet_from=int(hours[0] * 60), quiet_until=int(hours[1] * 60))
    expected = datetime.fromisoformat(until) if until else None
    assert quiet_until(limits, datetime.fromisoformat(now), ZoneInfo(zone)) == expected


@given(
    st.integers(0, 1439), st.integers(0, 1439), st.integers(0, 366 * 24 * 60), st.sampled_from([BRUSSELS, KATHMANDU, "America/St_Johns"])
)
def test_quiet_hours_end_and_not_before_they_are_over(begins: int, ends: int, minutes: int, name: str) -> None:
    if begins == ends:
        return
    limits, zone, now = Limits(quiet_from=begins, quiet_until=ends), ZoneInfo(name), datetime(2026, 1, 1, tzinfo=UTC) + minutes * MINUTE
    until = quiet_until(limits, now, zone)
    if until is not None:
        assert now < until <= now + 26 * HOUR
        assert quiet_until(limits, until, zone) is None
        assert quiet_until(limits, until - SECOND, zone) == until


@pytest.mark.parametrize("field", ["per_minute", "per_hour", "per_day"])
@pytest.mark.parametrize("value", [0, -1, 100_001])
def test_a_limit_that_makes_no_sense_is_refused(field: str, value: int) -> None:
    with pytest.raises(Invalid) as refused:
        checked(Limits(**{field: value}))
    assert refused.value.field == field


@pytest.mark.parametrize(("begins", "ends"), [(0, None), (None, 5), (60, 60), (-1, 5), (5, 1440)])
def test_quiet_hours_that_make_no_sense_are_refused(begins: int | None, ends: int | None) -> None:
    with pytest.raises(Invalid) as refused:
        checked(Limits(quiet_from=begins, quiet_until=ends))
    assert refused.value.field == "quiet"


# by SIM


def device(*cards: Sim, sims: int = 2, limits: Limits | None = None, **fields: object) -> Device:
    given = {"id": "a", "account_id": 1, "kind": "test", "sims": sims, "cards": cards, "limits": limits or Limits(), **fields}
    return Device(**given)  # type: ignore[arg-type]


def card(slot: int, **limits: int) -> Sim:
    return Sim(slot=slot, limits=Limits(**limits))


async def _take(traffic: Traffic, phone: Device, messages: list[MtMessage], now: datetime = START) -> list[int | None]:
    await traffic.learn(phone, now)
    return [m.sim for m in traffic.take(phone, messages, traffic.leave(phone, now), now)]


@pytest.mark.parametrize(
    ("phone", "wanted", "by"),
    [
        (device(sims=1), [None], [None]),
        (device(), [None, None, 2, None], [None, None, 2, None]),
        (device(Sim(slot=2, number="+32470000002")), [None, 1], [None, 1]),
        (device(card(1, per_day=10), card(2, per_day=10)), [None] * 4, [1, 2, 1, 2]),
        (device(card(1, per_day=5), card(2, per_day=10)), [None] * 5, [1, 2, 2, 1, 2]),
        (device(card(1, per_day=10), card(2, per_day=10)), [2, None, None], [2, 1, 1]),
        (device(card(1, per_day=10)), [None] * 3, [1, 2, 2]),
    ],
)
@on_the_loop
async def test_a_message_goes_by_the_sim_with_most_room(phone: Device, wanted: list[int | None], by: list[int]) -> None:
    assert await _take(Traffic(store=MemoryStore()), phone, [mt_message(wanted_sim=sim) for sim in wanted]) == by


@on_the_loop
async def test_a_message_by_whatsapp_goes_by_no_sim_and_counts_for_the_phone_alone() -> None:
    phone, traffic = device(card(1, per_day=1), limits=Limits(per_day=2), whatsapp=True), Traffic(store=MemoryStore())
    assert await _take(traffic, phone, [mt_message(channel=Channel.WHATSAPP)]) == [None]
    assert traffic.leave(phone, START) == Leave(room=1, slots=(1, 2))
    await _take(traffic, phone, [mt_message(channel=Channel.WHATSAPP)])
    assert traffic.leave(phone, START).room == 0


@on_the_loop
async def test_only_sims_with_room_may_be_used_and_so_few_at_a_time_that_any_of_them_may_be_wanted() -> None:
    phone, traffic = device(card(1, per_minute=2), card(2, per_minute=5)), Traffic(store=MemoryStore())
    assert traffic.leave(phone, START) == Leave(room=2, slots=(1, 2))
    await _take(traffic, phone, [mt_message(wanted_sim=1), mt_message(wanted_sim=1)])
    one_is_out = Leave(room=5, slots=(2,), until=START + MINUTE, why="SIM 1: 2 a minute reached")
    assert traffic.leave(phone, START) == one_is_out
    await _take(traffic, phone, [mt_message()] * 5, START + SECOND)
    leave = traffic.leave(phone, START + SECOND)
    assert (leave.room, leave.slots, leave.until) == (0, (), START + MINUTE)
    assert traffic.leave(phone, START + MINUTE).slots == (1,)


@on_the_loop
async def test_limits_that_come_later_count_what_went_before() -> None:
    class Sending(MemoryStore):
        async def sent_since(self, device: Device, since: datetime, now: datetime) -> list[tuple[int | None, datetime]]:
            assert (device.id, since, now) == ("a", START - 24 * HOUR, START)
            return [(2, now - HOUR), (None, now - 2 * HOUR), (0, now - SECOND)]

    traffic, phone = Traffic(store=Sending()), device(card(1, per_day=2), card(2, per_day=2), limits=Limits(per_day=4))
    await traffic.learn(phone, START)
    assert traffic.leave(phone, START) == Leave(room=1, slots=(1,), until=START + 22 * HOUR, why="SIM 2: 2 a day reached")
