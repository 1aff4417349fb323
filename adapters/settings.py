"""Settings: a TOML file, over it the environment (DRAGOMAN_*), over that the flags; every complaint at once, in words.

A name is the same everywhere: `listen` in the file, DRAGOMAN_LISTEN in the environment, `--listen` on the command line.
"""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from adapters.devices.simulator import Behaviour

_ADDRESS = re.compile(r"(?:(?P<v6>\[[0-9a-fA-F:.]+\])|(?P<host>[^\s:\[\]]+)):(?P<port>\d{1,5})\Z")


class SettingsError(Exception):
    """One or more settings are wrong; `complaints` has a line for each."""

    def __init__(self, complaints: list[str]) -> None:
        super().__init__("\n".join(complaints))
        self.complaints = complaints


def _addresses(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _address(value: str) -> str:
    match = _ADDRESS.match(value)
    if not match or int(match["port"]) > 65535:
        raise ValueError("must be HOST:PORT, for example 127.0.0.1:8080 or [::1]:8080")
    return value


def _network(value: object) -> object:
    try:
        return ip_network(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("must be networks in CIDR notation, for example 192.168.1.0/24") from None


def _database_url(value: str) -> str:
    if value and not re.match(r"(postgresql://|sqlite:///).+", value):
        raise ValueError("must be empty (SQLite in the data folder), sqlite:///FILE or postgresql://USER@HOST/DATABASE")
    return value


def _public_url(value: str) -> str | None:
    if not value:
        return None
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be the address that callers use, for example https://sms.example.org")
    return value.rstrip("/")


def _api_key(value: str | None) -> str | None:
    if value and not re.fullmatch(r"[!-~]{16,200}", value):
        raise ValueError("must be 16 to 200 printable ASCII characters without spaces")
    return value or None


def _whole(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


def _behaviour(value: object) -> object:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError("must be a JSON object") from None
    known = {field.name for field in dataclasses.fields(Behaviour)}
    if isinstance(value, dict) and (unknown := sorted(set(value) - known)):
        raise ValueError(f"{', '.join(unknown)}: not known; there are: {', '.join(sorted(known))}")
    return value


class Settings(BaseModel):
    """What an operator can decide. The descriptions are the help texts."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    listen: Annotated[
        tuple[Annotated[str, AfterValidator(_address)], ...],
        BeforeValidator(_addresses),
        Field(min_length=1, description="where to listen, HOST:PORT, several separated by commas"),
    ] = ("127.0.0.1:8080",)
    listen_tls: Annotated[
        tuple[Annotated[str, AfterValidator(_address)], ...],
        BeforeValidator(_addresses),
        Field(description="where to listen by HTTPS, HOST:PORT, several separated by commas"),
    ] = ()
    tls_certificate: Annotated[
        Path | None,
        Field(description="the server's certificate and what it was signed with, PEM; tls/server.pem in the data folder when not given"),
    ] = None
    tls_key: Annotated[Path | None, Field(description="its key, PEM; tls/server.key in the data folder when not given")] = None
    trusted_proxies: Annotated[
        tuple[Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)], ...],
        BeforeValidator(_addresses),
        Field(description="networks of proxies whose X-Forwarded-For and -Proto are believed, CIDR, several separated by commas"),
    ] = ()
    data: Annotated[Path, Field(description="the folder that keeps everything; it is made if it is not there")] = Path("data")
    database_url: Annotated[
        str, AfterValidator(_database_url), Field(description="postgresql://... ; SQLite in the data folder when empty")
    ] = ""
    public_url: Annotated[
        str | None, AfterValidator(lambda v: _public_url(v or "")), Field(description="the address that callers use, for WSDL and links")
    ] = None
    bootstrap_api_key: Annotated[
        str | None,
        AfterValidator(_api_key),
        Field(description="the first account's API key, for automation; made at random when not given"),
    ] = None
    simulator: Annotated[int, Field(ge=0, le=100, description="how many simulated phones to connect")] = 0
    simulator_whatsapp: Annotated[int, Field(ge=0, le=100, description="how many of the simulated phones can send WhatsApp messages")] = 0
    simulator_behaviour: Annotated[
        Behaviour, BeforeValidator(_behaviour), Field(description="how simulated phones behave, as JSON (in the file: a table)")
    ] = Behaviour(delivered_reports=1.0)
    short_link_days: Annotated[
        int, Field(ge=1, le=36500, description="how long a short link leads on, in days from when its message is due")
    ] = 365
    sealed_message_days: Annotated[
        int, Field(ge=1, le=3650, description="how long an encrypted message can be read, in days from when it is due; then it is erased")
    ] = 30
    log: Annotated[Literal["text", "json"], Field(description="how the log is written")] = "text"
    legacy_errors: Annotated[
        bool, Field(description="answer errors with HTTP 200 and the error in the body, for callers that look only there")
    ] = False
    smrtphone_per_day: Annotated[
        int,
        Field(ge=0, le=100_000_000, description="messages a day from one number by smrtPhone's API, in the account's zone; 0: any number"),
    ] = 200
    smrtphone_limit_status: Annotated[
        Literal[429, 400],
        BeforeValidator(_whole),
        Field(description="with which smrtPhone's API answers that a limit is reached: 429 or 400"),
    ] = 429
    smrtphone_plain: Annotated[bool, Field(description="smrtPhone's API answers a success with the id alone, as text")] = False
    smrtphone_footer: Annotated[
        str, Field(max_length=60, description="the company that the opt-out footer of smrtPhone's API names; no footer when empty")
    ] = ""
    webhook_networks: Annotated[
        tuple[Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)], ...],
        BeforeValidator(_addresses),
        Field(description="networks beside the public internet that webhooks may be in, in CIDR notation, several separated by commas"),
    ] = ()
    secret_key_file: Annotated[
        Path | None, Field(description="the file with the key that seals secrets; secret.key in the data folder when not given")
    ] = None
    connections: Annotated[
        int, Field(ge=10, le=1_000_000, description="how many connections of callers and phones may be open at a time")
    ] = 16_000
    body_limit: Annotated[int, Field(ge=1024, le=64 << 20, description="the largest request body, in bytes")] = 1 << 20


def read(*, config: Path | None = None, flags: Mapping[str, Any] | None = None, environment: Mapping[str, str]) -> Settings:
    """Settings from the file, the environment and the flags (None: not given). Raises SettingsError with every complaint."""
    merged: dict[str, Any] = {}
    named: dict[str, str] = {}
    sources = (_file(config), _environment(environment), {k: v for k, v in (flags or {}).items() if v is not None})
    spellings = ("{}", "DRAGOMAN_{}", "--{}")
    for source, spelling in zip(sources, spellings, strict=True):
        for name, value in source.items():
            merged[name] = value
            named[name] = _spell(spelling, name)
    try:
        return Settings.model_validate(merged)
    except ValidationError as wrong:
        raise SettingsError([_complaint(e, named) for e in wrong.errors(include_url=False, include_input=False)]) from None


def _spell(spelling: str, name: str) -> str:
    if spelling.startswith("--"):
        name = name.replace("_", "-")
    return spelling.format(name.upper() if spelling.startswith("DRAGOMAN") else name)


def _file(config: Path | None) -> dict[str, Any]:
    if config is None:
        return {}
    try:
        return tomllib.loads(config.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError([f"--config {config}: cannot be read: {error.strerror}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([f"--config {config}: is not TOML: {error}"]) from None


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Names that are not ours are reported too: DRAGOMAN_LISTENS is a typing mistake, not a wish."""
    return {name[len("DRAGOMAN_") :].lower(): value for name, value in environment.items() if name.startswith("DRAGOMAN_")}


def _complaint(error: Any, named: Mapping[str, str]) -> str:
    field = str(error["loc"][0])
    known = ", ".join(sorted(Settings.model_fields))
    why = {
        "extra_forbidden": f"is not a setting; there are: {known}",
        "int_parsing": "must be a whole number",
    }.get(error["type"], error["msg"].removeprefix("Value error, "))
    return f"{named.get(field, field)}: {why}"
