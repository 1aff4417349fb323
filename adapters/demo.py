"""`dragoman demo`: the whole road in one minute. A server starts on the embedded defaults with one simulated phone; a real SOAP
client (zeep) and a form POST each send a message over HTTP; the phone delivers; the answers and the deliveries are shown.

Everything is kept in a temporary folder, which goes with the server.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import socket
import sys
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from adapters.settings import Settings
from service.accounts import digest_of, new_secret
from service.lifecycle import Status
from service.ports import SentQuery

DELIVERY_S = 20.0
RECIPIENTS = ("+32470000001", "+32470000002")
PREFERRED = "127.0.0.1:8080"


class DemoFailed(Exception):
    """A step did not work; the text says which."""


def run_demo(serve: Callable[..., int], *, once: bool, listen: str | None) -> int:
    """The exit status of the server: 0 after the deliveries (`once`) or a clean stop, 1 when a step failed."""
    say = Console(highlight=False, soft_wrap=True)
    secret = new_secret()
    with tempfile.TemporaryDirectory(prefix="dragoman-demo-") as folder:
        settings = Settings(listen=(listen or _free_address(),), data=Path(folder), bootstrap_api_key=secret, simulator=1)

        async def after_start(running: Any) -> int | None:
            try:
                await _show(say, running, secret)
            except DemoFailed as failed:
                say.print(f"[bold red]The demo failed:[/] {failed}")
                return 1
            if once:
                return 0
            _say_what_next(say, running, secret)
            return None

        return serve(settings, after_start)


def _free_address() -> str:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        host, port = PREFERRED.split(":")
        try:
            probe.bind((host, int(port)))
        except OSError:
            return f"{host}:0"
    return PREFERRED


async def _show(say: Console, running: Any, secret: str) -> None:
    url = running.urls[0]
    say.print(f"\n[bold]1. The server listens on {url}[/]  (SQLite in a temporary folder, one simulated phone)")

    say.print(f"\n[bold]2. A SOAP client[/] (zeep) reads {url}/sendsms/wsdl/sendsms.wsdl and calls sendSms:")
    soap = await asyncio.to_thread(_send_by_soap, url, secret)
    say.print_json(json.dumps(soap))

    say.print(f"\n[bold]3. A form[/] is posted to {url}/sendsms/ :")
    form = await asyncio.to_thread(_send_by_form, url, secret)
    say.print_json(json.dumps(form))

    say.print("\n[bold]4. The phone[/] takes both off the queue; what the store knows of them:")
    _, account = await running.gateway.store.find_key(digest_of(secret))
    for guid in (soap["id"], form["result"]["id"]):
        message = await _delivered(running, account.id, guid)
        took_ms = round((message.finished - message.created).total_seconds() * 1000)
        say.print(f"   {guid}  to {message.recipient}")
        say.print(f"   [green]{message.status.value}[/] by phone {message.device}, {took_ms} ms after it came in")


def _send_by_soap(url: str, secret: str) -> dict[str, Any]:
    try:
        zeep: Any = importlib.import_module("zeep")
    except ImportError:
        raise DemoFailed("zeep is not installed; pip install 'dragoman[demo]' brings it") from None
    try:
        client = zeep.Client(f"{url}/sendsms/wsdl/sendsms.wsdl")
        answer = client.service.sendSms(recipients=RECIPIENTS[0], message="Hello from SOAP: é € 😀", apikey=secret)
    except (zeep.exceptions.Error, OSError) as error:
        raise DemoFailed(f"the SOAP call: {type(error).__name__}") from None
    plain: dict[str, Any] = zeep.helpers.serialize_object(answer, dict)
    return {name: value for name, value in plain.items() if value not in (None, [])}


def _send_by_form(url: str, secret: str) -> dict[str, Any]:
    body = urllib.parse.urlencode({"recipients": RECIPIENTS[1], "message": "Hello from a form", "apikey": secret}).encode()
    try:
        with urllib.request.urlopen(f"{url}/sendsms/", body, timeout=10) as answer:
            read: dict[str, Any] = json.load(answer)
            return read
    except OSError as error:
        raise DemoFailed(f"the form POST: {error}") from None


async def _delivered(running: Any, account_id: int, guid: str) -> Any:
    try:
        async with asyncio.timeout(DELIVERY_S):
            while True:
                found = await running.gateway.mailbox.sent(SentQuery(account_id=account_id, guid=guid))
                if found and found[0].status is Status.DELIVERED:
                    return found[0]
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise DemoFailed(f"message {guid} was not delivered within {DELIVERY_S:.0f} s") from None


def _say_what_next(say: Console, running: Any, secret: str) -> None:
    url = running.urls[0]
    key = secret if sys.stdout.isatty() else f"$(cat {running.folder.write_first_key(secret)})"
    say.print(
        f"""
[bold]It stays up. Try next[/], in another terminal:

  curl {url}/sendsms/ -d recipients=+32470000003 -d message=Hello -d "apikey={key}"
  curl "{url}/log/sent/sms/?apikey={key}"
  curl {url}/health

or point your own SOAP client at {url}/sendsms/wsdl/sendsms.wsdl .
Ctrl-C ends it; nothing is kept. For a server that keeps what it is given: [bold]make run[/], or dragoman serve --help.
Real phones: [bold]dragoman devices add-phone[/] says what to type into the app SMSGate (docs/phones.md).
"""
    )
