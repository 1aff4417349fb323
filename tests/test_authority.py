"""What `dragoman tls init` makes: what a phone and OpenSSL want of it, what it may not sign, and that no CA is lost by mistake."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from adapters import authority
from adapters.authority import AuthorityError

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
FILES = {"ca.pem": 0o644, "ca.key": 0o600, "server.pem": 0o644, "server.key": 0o600}


def extension(certificate: x509.Certificate, kind: Any) -> tuple[Any, bool]:
    found = certificate.extensions.get_extension_for_class(kind)
    return found.value, found.critical


def made(folder: Path, *hosts: str) -> tuple[x509.Certificate, x509.Certificate]:
    authority.make(folder, hosts, now=NOW)
    return authority.read(folder / "ca.pem"), authority.read(folder / "server.pem")


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_the_files_are_there_and_keys_are_their_owners(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made(tmp_path / "data" / "tls", "gateway.lan")
    finally:
        os.umask(before)
    found = {str(file.relative_to(tmp_path)): stat.S_IMODE(file.stat().st_mode) for file in tmp_path.rglob("*")}
    assert found == {"data": 0o700, "data/tls": 0o700, **{f"data/tls/{name}": mode for name, mode in FILES.items()}}


def test_the_files_belong_to_whom_the_folder_belongs(tmp_path: Path) -> None:
    if os.geteuid() == 0:  # only root can have made them for somebody else
        os.chown(tmp_path, 4711, 4712)
    made(tmp_path / "tls")
    owner = tmp_path.stat()
    assert {(file.stat().st_uid, file.stat().st_gid) for file in tmp_path.rglob("*")} == {(owner.st_uid, owner.st_gid)}


def test_the_ca(tmp_path: Path) -> None:
    ca, _ = made(tmp_path, "gateway.lan", "sms.example.org", "203.0.113.9", "192.168.1.5")
    assert extension(ca, x509.BasicConstraints) == (x509.BasicConstraints(ca=True, path_length=0), True)
    usage, is_critical = extension(ca, x509.KeyUsage)
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature, is_critical) == (True, True, False, True)
    assert ca.issuer == ca.subject and isinstance(ca.public_key(), ec.EllipticCurvePublicKey)
    assert ca.not_valid_after_utc - NOW == timedelta(days=3652)
    bounds, is_critical = extension(ca, x509.NameConstraints)
    networks = "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 169.254.0.0/16 127.0.0.0/8 fc00::/7 fe80::/10 ::1/128 203.0.113.9/32"
    names = {"localhost", "local", "lan", "internal", "home.arpa", "sms.example.org"}
    assert is_critical and {name.value for name in bounds.permitted_subtrees} == {*map(ip_network, networks.split()), *names}


def test_the_server_certificate(tmp_path: Path) -> None:
    ca, server = made(tmp_path, "Gateway.lan", "192.168.1.5", "[fd00::5]", "gateway.lan")
    server.verify_directly_issued_by(ca)
    names = ["gateway.lan", "192.168.1.5", "fd00::5", "localhost", "127.0.0.1", "::1"]
    assert authority.hosts_of(server) == names
    assert extension(server, x509.SubjectAlternativeName)[0].get_values_for_type(x509.IPAddress)[0] == ip_address("192.168.1.5")
    assert extension(server, x509.BasicConstraints)[0].ca is False
    assert list(extension(server, x509.ExtendedKeyUsage)[0]) == [ExtendedKeyUsageOID.SERVER_AUTH]
    own, of_issuer = extension(ca, x509.SubjectKeyIdentifier)[0], extension(server, x509.AuthorityKeyIdentifier)[0]
    assert own.digest == of_issuer.key_identifier
    assert server.not_valid_before_utc < NOW < server.not_valid_after_utc
    assert server.not_valid_after_utc - server.not_valid_before_utc <= timedelta(days=397)


def test_a_ca_is_replaced_only_by_force(tmp_path: Path) -> None:
    made(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(AuthorityError, match=r"phones may trust it.*--renew.*--force"):
        authority.make(tmp_path, [], now=NOW)
    (tmp_path / "ca.pem").unlink()
    with pytest.raises(AuthorityError, match="--force"):
        authority.make(tmp_path, [], now=NOW)
    (tmp_path / "ca.pem").write_bytes(before["ca.pem"])
    assert contents(tmp_path) == before
    authority.make(tmp_path, [], now=NOW, force=True)
    assert all(data != before[name] for name, data in contents(tmp_path).items())
    assert authority.read(tmp_path / "ca.pem").subject != x509.load_pem_x509_certificate(before["ca.pem"]).subject


def test_renewing_keeps_the_ca_and_the_hosts(tmp_path: Path) -> None:
    ca, first = made(tmp_path, "gateway.lan")
    later = NOW + timedelta(days=390)
    authority.renew(tmp_path, [], now=later)
    second = authority.read(tmp_path / "server.pem")
    assert authority.read(tmp_path / "ca.pem") == ca
    assert authority.hosts_of(second) == authority.hosts_of(first) and second.public_key() != first.public_key()
    assert second.not_valid_after_utc > later + timedelta(days=390)
    second.verify_directly_issued_by(ca)
    authority.renew(tmp_path, ["192.168.3.3", "printer.local", "localhost.lan"], now=later)
    assert authority.hosts_of(authority.read(tmp_path / "server.pem"))[:2] == ["192.168.3.3", "printer.local"]


def test_a_server_certificate_does_not_outlive_its_ca(tmp_path: Path) -> None:
    ca, _ = made(tmp_path)
    authority.renew(tmp_path, [], now=ca.not_valid_after_utc - timedelta(days=5))
    assert authority.read(tmp_path / "server.pem").not_valid_after_utc == ca.not_valid_after_utc
    with pytest.raises(AuthorityError, match="has ended"):
        authority.renew(tmp_path, [], now=ca.not_valid_after_utc)


@pytest.mark.parametrize("host", ["sms.example.org", "xlocal", "203.0.113.9", "2001:db8::1", "11.0.0.1"])
def test_what_the_ca_was_not_made_for_is_not_signed(tmp_path: Path, host: str) -> None:
    made(tmp_path, "example.com")
    before = contents(tmp_path)
    with pytest.raises(AuthorityError, match="this CA may not sign for"):
        authority.renew(tmp_path, [host], now=NOW)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("host", ["", "*.lan", "a b", "-a.lan", "a..lan", "ü.lan", "http://a.lan", "a.lan:8443", "999.1.1.1", "a" * 64])
def test_what_is_no_host_is_refused_and_nothing_written(tmp_path: Path, host: str) -> None:
    with pytest.raises(AuthorityError, match="is neither a host name"):
        authority.make(tmp_path / "tls", [host], now=NOW)
    assert not (tmp_path / "tls").exists()


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("ca.key", None, "ca.key cannot be read: No such file"),
        ("ca.key", b"x", "ca.key is not the key of a CA that was made here"),
        ("ca.pem", b"x", "ca.pem has no certificate in PEM form"),
        ("ca.pem", None, "ca.pem cannot be read: No such file.*`dragoman tls init` makes one"),
    ],
)
def test_what_is_missing_or_broken_is_named(tmp_path: Path, file: str, content: bytes | None, why: str) -> None:
    made(tmp_path)
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(AuthorityError, match=why):
        authority.renew(tmp_path, [], now=NOW)


def test_the_key_of_another_ca_is_noticed(tmp_path: Path) -> None:
    made(tmp_path / "one")
    made(tmp_path / "other")
    (tmp_path / "one" / "ca.key").write_bytes((tmp_path / "other" / "ca.key").read_bytes())
    with pytest.raises(AuthorityError, match="do not belong together"):
        authority.renew(tmp_path / "one", [], now=NOW)
