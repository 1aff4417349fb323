"""The command line: `dragoman serve`, `dragoman demo`, and the commands of cli_*.py. Without a command it serves."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from adapters import settings as setting
from adapters.cli_accounts import accounts, devices, inbox, log, send
from adapters.cli_audience import audience, campaigns
from adapters.cli_enrolment import code, password, token
from adapters.cli_keys import keys, oauth
from adapters.cli_optouts import optouts
from adapters.cli_phones import add_phone, remove
from adapters.cli_tls import tls
from adapters.cli_webhooks import webhooks
from adapters.cli_whatsapp import whatsapp
from adapters.demo import run_demo
from adapters.settings import Settings, SettingsError

Serve = Callable[..., int]
NOT_FLAGS = {"bootstrap_api_key"}
"""a secret on a command line is seen by everybody on the machine"""
WRONG_SETTINGS = 2


def main(serve: Serve) -> None:
    """Run the command of sys.argv. `serve(settings, after_start)` runs a server and returns an exit status."""
    arguments = sys.argv[1:]
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("--help", "-h", "--version")):
        arguments = ["serve", *arguments]
    dragoman.main(args=arguments, prog_name="dragoman", obj=serve)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="dragoman")
def dragoman() -> None:
    """An SMS gateway that speaks the APIs its callers already speak."""


def _setting_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """A flag for each setting, its help and default from adapters/settings.py."""
    for name, field in reversed(Settings.model_fields.items()):
        if name not in NOT_FLAGS:
            text = f"{field.description}  [env DRAGOMAN_{name.upper()}; default: {_shown(field.default)}]"
            command = click.option(f"--{name.replace('_', '-')}", name, metavar="VALUE", help=text)(command)
    return command


def _shown(default: object) -> str:
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return str(default) if isinstance(default, str | int | float | Path) and default != "" else "none"


@dragoman.command()
@click.option("--config", type=click.Path(path_type=Path), help="a TOML file with settings; the environment and flags come before it")
@_setting_flags
@click.pass_obj
def serve(serve: Serve, /, config: Path | None, **flags: Any) -> None:
    """Run the server.

    The first account's API key can be given in DRAGOMAN_BOOTSTRAP_API_KEY (not as a flag, which everybody on the machine can read).
    """
    sys.exit(serve(_read(config, flags)))


@dragoman.command()
@click.option("--once", is_flag=True, help="end after the messages are delivered, with exit status 0")
@click.option("--listen", help="HOST:PORT  [default: 127.0.0.1:8080, or any free port]")
@click.pass_obj
def demo(serve: Serve, /, once: bool, listen: str | None) -> None:
    """Show the main job: a SOAP client and a form send, a simulated phone delivers."""
    sys.exit(run_demo(serve, once=once, listen=listen))


def _read(config: Path | None, flags: dict[str, Any]) -> Settings:
    try:
        return setting.read(config=config, flags=flags, environment=os.environ)
    except SettingsError as wrong:
        for complaint in wrong.complaints:
            click.echo(f"error: {complaint}", err=True)
        sys.exit(WRONG_SETTINGS)


accounts.add_command(password)
for _command in (add_phone, remove, token, code):
    devices.add_command(_command)
for _command in (accounts, keys, oauth, devices, whatsapp, webhooks, optouts, audience, campaigns, send, log, inbox, tls):
    dragoman.add_command(_command)
