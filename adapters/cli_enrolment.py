"""dragoman devices token, dragoman devices code, dragoman accounts password: how phones join an account."""

from __future__ import annotations

from typing import Any

import click

from adapters.cli_asking import Asking, asks


@click.group()
def token() -> None:
    """Private tokens: one lets any number of phones join an account, until it is revoked."""


@token.command()
@click.option("--account", help="which account they join  [default: default]")
@click.option("--label", help="what you call it")
@asks
def new(asking: Asking, **given: Any) -> None:
    """Make a private token. It is shown once."""
    asking.show_with_secret(asking.ask("devices.token.new", **given))


@token.command("list")
@click.option("--account", help="only this account's")
@asks
def show(asking: Asking, **given: Any) -> None:
    """What private tokens there are. None is shown: only its SHA-256 is kept."""
    asking.show(asking.ask("devices.token.list", **given))


@token.command()
@click.argument("id")
@asks
def revoke(asking: Asking, **given: Any) -> None:
    """End a private token. Phones that joined by it stay."""
    asking.show(asking.ask("devices.token.revoke", **given))


@click.command()
@click.option("--account", help="which account it joins  [default: default]")
@asks
def code(asking: Asking, **given: Any) -> None:
    """Make a code with which one phone can join within five minutes."""
    asking.show_with_secret(asking.ask("devices.code", **given))


@click.command()
@click.argument("name")
@click.option("--prompt", is_flag=True, help="ask for it; without this one is made and shown once")
@asks
def password(asking: Asking, name: str, prompt: bool) -> None:
    """Give the account NAME a password, with which phones can join it: at least 14 characters. A former one works no more."""
    chosen = click.prompt("Password", hide_input=True, confirmation_prompt=True) if prompt else None
    made = asking.ask("accounts.password", name=name, password=chosen)
    asking.show(made) if prompt else asking.show_with_secret(made)
