"""dragoman tls: a certification authority of one's own, and a server certificate under it. They are files; no server is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from adapters import authority
from adapters.authority import AuthorityError
from adapters.cli_asking import Asking, asks, listed
from adapters.lan import own_names
from adapters.reactor import utc_now

_NEXT = """
What next:
  1. Serve HTTPS:         dragoman serve --listen-tls 0.0.0.0:8443    (a running server takes a renewed certificate by itself)
  2. Let a phone have it: open https://{host}:8443/tls/ca.pem there, and pass the warning this once; or copy {ca} to it
  3. Install it there:    Settings, Security, Encryption & credentials, Install a certificate, CA certificate
  4. Compare:             Trusted credentials, User, must show the SHA-256 fingerprint of ca.pem from above
{ca_key} signs whatever your phones trust: keep it to yourself.
"""


@click.group()
def tls() -> None:
    """HTTPS for phones on a LAN: a CA of your own, kept in the data folder."""


@tls.command()
@click.option("--host", "hosts", multiple=True, help="name or address of this server, repeatable  [default: this machine's, in the LAN]")
@click.option("--renew", is_flag=True, help="a new server certificate under the CA that is there, for the same hosts when none are given")
@click.option("--force", is_flag=True, help="a new CA in place of the one that is there; each phone has to install it")
@asks
def init(asking: Asking, hosts: tuple[str, ...], renew: bool, force: bool) -> None:
    """Make a CA and a server certificate, or with --renew the latter alone."""
    folder, given = asking.settings.data / authority.FOLDER, listed(hosts) or []
    if renew and force:
        raise click.UsageError("--renew keeps the CA, --force replaces it")
    try:
        if renew:
            authority.renew(folder, given, now=utc_now())
        else:
            authority.make(folder, given or own_names(), now=utc_now(), force=force)
        rows = _rows(folder)
    except AuthorityError as error:
        asking.fail("refused", str(error))
    except OSError as error:
        asking.fail("unavailable", f"{error.filename}: {error.strerror}")
    _show(asking, rows)
    if not asking.is_json:
        host = rows[-1]["hosts"][0]
        ca, ca_key = folder / authority.CA, folder / authority.CA_KEY
        click.echo(_NEXT.format(host=f"[{host}]" if ":" in host else host, ca=ca, ca_key=ca_key))


@tls.command()
@asks
def show(asking: Asking) -> None:
    """What is there, and until when."""
    try:
        rows = _rows(asking.settings.data / authority.FOLDER)
    except AuthorityError as error:
        asking.fail("not_found", str(error))
    _show(asking, rows)


def _show(asking: Asking, rows: list[dict[str, Any]]) -> None:
    """One below the other: side by side a fingerprint would be broken, and nobody compares a broken one."""
    for shown in [rows] if asking.is_json else rows:
        asking.show(shown)


def _rows(folder: Path) -> list[dict[str, Any]]:
    return [_row(folder / name) for name in (authority.CA, authority.SERVER)]


def _row(file: Path) -> dict[str, Any]:
    found = authority.shown(file)
    return {"file": str(found.file), "hosts": found.hosts, "ends": f"{found.ends:%Y-%m-%d}", "sha256": found.sha256}
