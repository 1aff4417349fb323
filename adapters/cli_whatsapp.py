"""dragoman whatsapp."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any

import click

from adapters.cli_asking import Asking, asks

_WARNING = """WAHA speaks to WhatsApp as a linked device of your own number, which breaks WhatsApp's terms: the number may be banned.
Use one that you can lose. The official way is Meta's Cloud API: dragoman whatsapp add-cloud."""


@click.group()
def whatsapp() -> None:
    """WhatsApp: what sendwa=1 and waonly=yes send by."""


def _about(command: Callable[..., Any]) -> Callable[..., Any]:
    for flag in (
        click.option("--account", help="whose it is  [default: default]"),
        click.option("--label", help="what you call it"),
        click.option("--number", help="its phone number, as it is shown"),
    ):
        command = flag(command)
    return command


@whatsapp.command("add-cloud")
@click.argument("phone_number_id")
@click.option("--token-file", type=click.File(), help="a file with the access token; asked for when not given")
@click.option("--app-secret-file", type=click.File(), help="a file with the app secret; asked for when not given")
@click.option("--template", help="send each text as the first parameter of this approved template")
@click.option("--language", help="of the template  [default: en]")
@click.option("--version", help="of the Graph API  [default: v23.0]")
@click.option("--url", help="another address than Meta's own, for a proxy")
@_about
@asks
def add_cloud(asking: Asking, token_file: IO[str] | None, app_secret_file: IO[str] | None, **given: Any) -> None:
    """Connect a number of Meta's Cloud API, by its Phone number ID.

    In the app's WhatsApp configuration enter the hook that is shown as callback URL, the secret as verify token, and subscribe to messages.
    """
    token, app_secret = _secret(token_file, "Access token"), _secret(app_secret_file, "App secret")
    asking.show_with_secret(asking.ask("whatsapp.add_cloud", token=token, app_secret=app_secret, **given))


@whatsapp.command("add-waha")
@click.argument("url")
@click.option("--session", help="its session  [default: default]")
@click.option("--key-file", type=click.File(), help="a file with the server's API key; asked for when not given")
@_about
@asks
def add_waha(asking: Asking, key_file: IO[str] | None, **given: Any) -> None:
    """Connect a session of a WAHA server at URL that you run.

    Give the session a webhook with the hook that is shown, the events message and message.ack, and the secret as its hmac key.
    """
    click.echo(_WARNING, err=True)
    asking.show_with_secret(asking.ask("whatsapp.add_waha", key=_secret(key_file, "API key of the WAHA server"), **given))


@whatsapp.command("key")
@click.argument("id")
@click.option("--key-file", type=click.File(), help="a file with it; asked for when not given")
@asks
def key(asking: Asking, id: str, key_file: IO[str] | None) -> None:
    """Give a device another access token or API key."""
    asking.show(asking.ask("whatsapp.key", id=id, key=_secret(key_file, "Access token or API key")))


def _secret(file: IO[str] | None, name: str) -> str:
    """Never a flag: everybody on the machine can read those."""
    return str(click.prompt(name, hide_input=True, err=True)) if file is None else file.read().strip()
