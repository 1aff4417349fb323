"""The APIs that callers speak, one file each.

Each file has `def api(gateway: Gateway, settings: ApiSettings) -> Api`; `load` finds them all, so that a new API is a new file and
nothing else is edited. Files whose name begins with an underscore are parts of one. What the routes say of themselves is collected in
openapi.py, which has no `api` but one over all the others. FORMATS of a part that is called `_..._webhooks.py` is how that vendor's
webhooks look, which `formats` finds.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from adapters.web import Api
from service.events import Format
from service.gateway import Gateway


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiSettings:
    """What the operator decides about APIs."""

    public_url: str | None = None
    """where callers reach us, without a trailing slash; None when it was not set"""
    listens_on: str = "127.0.0.1:8080"
    """HOST:PORT of the first listener, for a caller who does not say which host it asked"""
    legacy_errors: bool = False
    """answer errors of the vendors' APIs with HTTP 200, for callers that look only at the body"""
    ca_file: Path | None = None
    """the certificate of our own CA, which need not be there"""
    smrtphone_per_day: int = 200
    """messages a day from one number, where its account has no quota for numbers; 0: any number"""
    smrtphone_limit_status: int = 429
    """how a limit that is reached is answered"""
    smrtphone_plain: bool = False
    """answer a success with the id alone, as text"""
    smrtphone_footer: str = ""
    """the company that the opt-out footer names; none is appended when empty"""


def load(gateway: Gateway, settings: ApiSettings) -> list[Api]:
    """Every API in this folder, in the order of the file names, and the one that describes them."""
    from adapters.apis import openapi  # it needs ApiSettings

    apis = []
    for found in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{found.name}")
        if not found.name.startswith("_") and hasattr(module, "api"):
            apis.append(module.api(gateway, settings))
    return [*apis, openapi.over(apis, settings)]


def formats() -> Mapping[str, Format]:
    """How webhooks look in the words of each vendor, by the name that each has everywhere. Raises ValueError when two have one name."""
    found: dict[str, Format] = {}
    for part in pkgutil.iter_modules(__path__):
        if part.name.endswith("_webhooks"):
            for name, format in importlib.import_module(f"{__name__}.{part.name}").FORMATS.items():
                if name in found:
                    raise ValueError(f"the webhook format {name} is there twice")
                found[name] = format
    return found
