"""Under which names and addresses other machines of the LAN reach this one. Nothing is sent to find out."""

from __future__ import annotations

import fcntl
import ipaddress
import itertools
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

_SIOCGIFADDR = 0x8915
"""Linux, netdevice(7): the IPv4 address of an interface"""
_ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""addresses for documentation: the way to them is the way out"""


def own_names() -> list[str]:
    """Private addresses that are neither loopback nor link-local, the one on the way out first, and the host name."""
    name = socket.gethostname().lower()
    found = dict.fromkeys(itertools.chain(_of_ways_out(), _of_interfaces(), _of_name(name)))
    return [*filter(_is_of_lan, found), name]


def _of_interfaces() -> Iterator[str]:
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, interface in socket.if_nameindex():
            with suppress(OSError):  # it has no IPv4 address
                answer = fcntl.ioctl(probe, _SIOCGIFADDR, struct.pack("256s", interface.encode()[:15]))
                yield socket.inet_ntoa(answer[20:24])


def _of_ways_out() -> Iterator[str]:
    for family, address in _ELSEWHERE:
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))  # chooses the way, sends nothing
            yield str(probe.getsockname()[0])


def _of_name(name: str) -> Iterator[str]:
    with suppress(OSError):
        for *_, address in socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM):
            yield str(address[0])


def _is_of_lan(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    return found.is_private and not (found.is_loopback or found.is_link_local or found.is_unspecified)
