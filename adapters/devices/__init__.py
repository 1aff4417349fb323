"""Devices: one file a kind, each a `service.ports.Driver` that speaks one device's language and decides nothing.

A driver may not block, retry, or touch the store, and never awaits its inbox inside submit. Adding a kind is one file here with
`KIND: str` and `def driver(device: Device, tools: Tools) -> Driver`, which `load` finds by itself, and one line in
tests/conformance/drivers.py, whose suite holds every driver to the promises of the port. With `READS_SECRETS = True` it is given the
device's secrets; they are not read for the others, of which there may be ten thousand.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from service.fleet import Device
from service.ports import Clock, Driver
from service.pulling import Pulls


@dataclass(frozen=True, kw_only=True, slots=True)
class Tools:
    """What a driver is built with."""

    clock: Clock
    folder: Path
    """the data folder"""
    pulls: Pulls
    """the outboxes of the devices that fetch their messages"""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """the device's own, by name, if its kind reads them"""
    options: Mapping[str, object] = field(default_factory=dict)
    """what the operator decided for all devices of a kind, by the kind"""


Build = Callable[[Device, Tools], Driver]


def load() -> dict[str, Build]:
    """Who builds the driver of a device, by the device's kind."""
    kinds: dict[str, Build] = {}
    for found in pkgutil.iter_modules(__path__):
        if not found.name.startswith("_"):
            module = importlib.import_module(f"{__name__}.{found.name}")
            kinds[module.KIND] = module.driver
    return kinds


def reading_secrets() -> frozenset[str]:
    """The kinds whose driver is built with the device's secrets."""
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__) if found.name[0] != "_"]
    return frozenset(module.KIND for module in modules if getattr(module, "READS_SECRETS", False))
