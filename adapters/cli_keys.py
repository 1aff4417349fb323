"""dragoman keys, dragoman oauth: the two kinds of secrets that speak for an account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from adapters.cli_asking import Asking, asks, listed

_SCOPES = "what it may do: send, read, devices, webhooks, admin; several separated by commas"
_NETWORKS = "from where it may be used, for example 192.0.2.0/24; several separated by commas"
_EXPIRES = "when it ends: 2030-12-31, 2030-12-31T12:00Z, 30d, or never"


def _quotas(command: Callable[..., Any]) -> Callable[..., Any]:
    for per, shown in (("day", "a day of the account's time zone"), ("hour", "an hour"), ("minute", "a minute")):
        command = click.option(f"--per-{per}", type=int, help=f"messages {shown} that are accepted with it; 0: any number")(command)
    return command


def group(name: str, what: str, secret_is: str) -> click.Group:
    """create, list, set, rotate and revoke, for keys and for OAuth2 clients."""

    @click.group(name=name, help=f"{what}: {secret_is}.")
    def made() -> None: ...

    @made.command("create", help=f"Make {what.lower()}. The secret is shown once.")
    @click.option("--account", help="whom it speaks for  [default: default]")
    @click.option("--label", help="what you call it")
    @click.option("--scopes", multiple=True, help=f"{_SCOPES}  [default: all]")
    @click.option("--networks", multiple=True, help=f"{_NETWORKS}  [default: anywhere]")
    @click.option("--expires", help=f"{_EXPIRES}  [default: never]")
    @_quotas
    @asks
    def create(asking: Asking, scopes: tuple[str, ...], networks: tuple[str, ...], **given: Any) -> None:
        asking.show_with_secret(asking.ask(f"{name}.create", scopes=listed(scopes), networks=listed(networks), **given))

    @made.command("list", help="What there is, and when each was last used. No secret is shown: only its SHA-256 is kept.")
    @click.option("--account", help="only this account's")
    @asks
    def show(asking: Asking, account: str | None) -> None:
        asking.show(asking.ask(f"{name}.list", account=account))

    @made.command("set", help="Change what is given, keep the rest.")
    @click.argument("id", type=int)
    @click.option("--label", help="what you call it")
    @click.option("--scopes", multiple=True, help=_SCOPES)
    @click.option("--networks", multiple=True, help=f"{_NETWORKS}; any: anywhere")
    @click.option("--expires", help=_EXPIRES)
    @_quotas
    @asks
    def change(asking: Asking, scopes: tuple[str, ...], networks: tuple[str, ...], **given: Any) -> None:
        asking.show(asking.ask(f"{name}.set", scopes=listed(scopes), networks=listed(networks), **given))

    @made.command("rotate", help="A new secret, shown once; the old one goes on for a while.")
    @click.argument("id", type=int)
    @click.option("--grace", help="how long the old secret goes on, for example 12h or 30d; 0s ends it now  [default: 7d]")
    @asks
    def rotate(asking: Asking, **given: Any) -> None:
        asking.show_with_secret(asking.ask(f"{name}.rotate", **given))

    @made.command("revoke", help="End it for good, with all its access tokens.")
    @click.argument("id", type=int)
    @asks
    def revoke(asking: Asking, **given: Any) -> None:
        asking.show(asking.ask(f"{name}.revoke", **given))

    return made


keys = group("keys", "API keys", "a secret that a caller sends with each call")
oauth = group("oauth", "OAuth2 clients", "a name and a secret that get access tokens at /oauth2/token")
