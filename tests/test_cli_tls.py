"""dragoman tls, as typed: what is made, what is said, the exit status."""

from __future__ import annotations

import json
import socket
from ipaddress import ip_address
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from adapters.cli import dragoman
from adapters.cli_asking import Asking
from adapters.lan import own_names
from adapters.settings import Settings


def invoke(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(dragoman, ["tls", *arguments, "--data", str(data)])


def test_init_says_what_it_made_and_what_comes_next(tmp_path: Path) -> None:
    data = tmp_path / "data"
    result = invoke(data, "init", "--host", "192.168.1.5,gateway.lan", "--host", "fd00::5")
    assert result.exit_code == 0, result.output
    for words in (
        "dragoman serve --listen-tls",
        "https://192.168.1.5:8443/tls/ca.pem",
        str(data / "tls" / "ca.key"),
        "gateway.lan, fd00::5",
    ):
        assert words in result.stdout
    (ca, server) = json.loads(invoke(data, "show", "--json").stdout)
    assert ca["sha256"] in result.stdout and len(ca["sha256"]) == 95
    assert server["hosts"] == ["192.168.1.5", "gateway.lan", "fd00::5", "localhost", "127.0.0.1", "::1"]
    assert "PRIVATE" not in result.stdout


def test_a_fingerprint_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    Asking(settings=Settings(), is_json=False).show({"sha256": "84:21:CD:AB:A8"})
    assert "84:21:CD:AB:A8" in capsys.readouterr().out


def test_without_hosts_it_is_for_this_machine(tmp_path: Path) -> None:
    (_, server) = json.loads(invoke(tmp_path, "init", "--json").stdout)
    assert socket.gethostname().lower() in server["hosts"]
    assert server["hosts"] == [*own_names(), *(host for host in ("localhost", "127.0.0.1", "::1") if host not in own_names())]


def test_own_addresses_are_those_of_a_lan() -> None:
    *addresses, name = own_names()
    assert name == socket.gethostname().lower() and len(set(addresses)) == len(addresses)
    for address in map(ip_address, addresses):
        assert address.is_private and not address.is_loopback and not address.is_link_local


def test_a_second_init_changes_nothing_renew_the_certificate_force_all(tmp_path: Path) -> None:
    def fingerprints(*arguments: str) -> list[str]:
        return [row["sha256"] for row in json.loads(invoke(tmp_path, *arguments, "--json").stdout)]

    first = fingerprints("init")
    again = invoke(tmp_path, "init")
    assert again.exit_code == 1 and again.stderr.startswith("error: there is a CA in ")
    assert fingerprints("show") == first
    renewed = fingerprints("init", "--renew")
    assert renewed[0] == first[0] and renewed[1] != first[1]
    assert fingerprints("init", "--force")[0] != first[0]


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        (["show"], 1, "error: "),
        (["init", "--renew"], 1, "error: "),
        (["init", "--host", "*"], 1, "error: '*' is neither a host name"),
        (["init", "--renew", "--force"], 2, "Usage: "),
    ],
)
def test_what_cannot_be_done(tmp_path: Path, arguments: list[str], status: int, why: str) -> None:
    result = invoke(tmp_path, *arguments)
    assert (result.exit_code, result.stdout) == (status, "") and result.stderr.startswith(why)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    result = invoke(tmp_path / "data", "init")
    assert result.exit_code == 1 and "Not a directory" in result.stderr
