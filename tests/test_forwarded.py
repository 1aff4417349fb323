"""Whose call it is behind proxies: what trusted ones wrote counts, what a caller wrote does not."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.forwarded import UNKNOWN, Proxies
from adapters.web import FrontDoor
from tests.fakes import on_the_loop
from tests.http_peer import House, Peer

PROXIES = Proxies(networks=(ip_network("10.0.0.0/8"), ip_network("fd00::/8")))
PROXY = "10.0.0.2"


def caller(forwarded_for: str, peer: str = PROXY) -> str:
    return PROXIES.caller(peer, {b"x-forwarded-for": forwarded_for.encode("latin-1")})


@pytest.mark.parametrize(
    ("forwarded_for", "expected"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, 10.0.0.3", "203.0.113.9"),
        ("203.0.113.9,10.1.2.3 , 10.0.0.3", "203.0.113.9"),
        ("198.51.100.7, 203.0.113.9, 10.0.0.3", "203.0.113.9"),
        ("10.9.9.9, 203.0.113.9", "203.0.113.9"),
        ("10.9.9.9, 10.0.0.3", "10.9.9.9"),
        ("2001:db8::7, fd00::1", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, ::ffff:10.0.0.3", "203.0.113.9"),
        ("", PROXY),
        (" , ,", PROXY),
        ("203.0.113.9, unknown", UNKNOWN),
        ("unknown, 203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, 10.0.0.3, 999.1.1.1", UNKNOWN),
        ("\xff\x00", UNKNOWN),
        ("10.0.0.3:", UNKNOWN),
        ('for="[2001:db8::7]"', UNKNOWN),
    ],
)
def test_the_last_address_that_is_no_trusted_proxy_is_the_callers(forwarded_for: str, expected: str) -> None:
    assert caller(forwarded_for) == expected


@given(st.text(st.characters(max_codepoint=255)))
def test_whatever_a_caller_writes_before_it_the_address_that_the_proxy_saw_counts(made_up: str) -> None:
    assert caller(f"{made_up}, 203.0.113.9") == "203.0.113.9"


@given(st.text(st.characters(max_codepoint=255)))
def test_what_comes_out_is_an_address_or_unknown(named: str) -> None:
    found = caller(named)
    assert found == UNKNOWN or ip_address(found)


@pytest.mark.parametrize(
    ("said", "scheme"),
    [("https", "https"), ("HTTPS", "https"), ("https, http", "http"), ("http,https", "https"), ("ftp", "was"), ("", "was")],
)
def test_the_scheme_is_the_nearest_proxys(said: str, scheme: str) -> None:
    assert PROXIES.scheme({b"x-forwarded-proto": said.encode()}, "was") == scheme


@pytest.mark.parametrize("peer", [PROXY, "::ffff:10.0.0.2", "fd00::5"])
def test_trusted(peer: str) -> None:
    assert PROXIES.trusts(peer) and not Proxies().trusts(peer)


@pytest.mark.parametrize("peer", ["203.0.113.9", "11.0.0.1", "2001:db8::1", "", "somewhere"])
def test_not_trusted(peer: str) -> None:
    assert not PROXIES.trusts(peer)


@dataclass
class Address:
    host: str


@pytest.mark.parametrize(
    ("connected", "peer", "scheme"),
    [(PROXY, "203.0.113.9", "https"), ("203.0.113.8", "203.0.113.8", "http"), ("", "", "http")],
    ids=["through a proxy", "by a liar", "nobody knows whence"],
)
@on_the_loop
async def test_a_call_through_the_door(connected: str, peer: str, scheme: str) -> None:
    house = House()
    house.door = FrontDoor([house.shop.api()], proxies=PROXIES, log=house.log, clock=house.clock, log_all=True)
    client = Peer(house, Address(connected))
    said = b"GET /echo HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 10.5.5.5\r\nX-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n\r\n"
    await client.say(said * 2, b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n")
    assert [(call.peer, call.scheme) for call in house.shop.calls] == [(peer, scheme)] * 2 + [(connected, "http")]
    assert [fields["peer"] for _, fields in house.log.lines] == [peer, peer, connected]
