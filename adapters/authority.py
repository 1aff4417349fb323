"""A certification authority of one's own, so that phones on a LAN speak HTTPS with us: what it may sign, how long, in which files.

    data/tls/ca.pem, ca.key            for ten years; ca.pem is what a phone installs
    data/tls/server.pem, server.key    for 397 days, since browsers and phones take no longer ones

Whoever installs ca.pem trusts the holder of ca.key, so the authority binds itself (RFC 5280, 4.2.1.10): private addresses, names that
only a LAN has, and what was named when it was made. OpenSSL and browsers hold it to that; Android does not look, and takes it as it is.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

FOLDER = "tls"
CA, CA_KEY, SERVER, SERVER_KEY = "ca.pem", "ca.key", "server.pem", "server.key"
CA_LASTS = timedelta(days=3652)
SERVER_LASTS = timedelta(days=397)
CLOCKS_DIFFER = timedelta(hours=1)
"""how far a phone's clock may be behind ours"""
LOOPBACK = ("localhost", "127.0.0.1", "::1")
PRIVATE = tuple(
    ip_network(network)
    for network in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8"),
        *("fc00::/7", "fe80::/10", "::1/128"),
    )
)
LOCAL = ("localhost", "local", "lan", "internal", "home.arpa")
"""with all names below them; without a leading dot, which implementations read differently"""
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)\Z")

Names = list[x509.GeneralName]
Key = ec.EllipticCurvePrivateKey


class AuthorityError(Exception):
    """It was not done; the text says why and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """One certificate as a person is shown it."""

    file: Path
    hosts: list[str]
    """for whom a server's is; empty for an authority"""
    ends: datetime
    sha256: str
    """of the whole certificate, as phones and browsers show it"""


def make(folder: Path, hosts: Sequence[str], *, now: datetime, force: bool = False) -> None:
    """A new authority and a server certificate for `hosts` and the loopback. Raises AuthorityError; never replaces one without `force`."""
    names = _names(hosts)
    if not force and ((folder / CA).exists() or (folder / CA_KEY).exists()):
        raise AuthorityError(
            f"there is a CA in {folder} already, and phones may trust it: --renew makes a new server certificate under it; "
            "--force replaces it, and then each phone has to install the new one"
        )
    key = ec.generate_private_key(ec.SECP256R1())
    ca = _authority(key, names, now)
    _make_folder(folder)
    _write_pair(folder, CA, CA_KEY, ca, key)
    _write_server(folder, ca, key, names, now)


def renew(folder: Path, hosts: Sequence[str], *, now: datetime) -> None:
    """A new server certificate under the same authority, for the same hosts when none are given. Raises AuthorityError."""
    ca, key = read(folder / CA), _read_key(folder / CA_KEY)
    if ca.public_key() != key.public_key():
        raise AuthorityError(f"{folder / CA} and {folder / CA_KEY} do not belong together; --force makes a new CA")
    if ca.not_valid_after_utc <= now:
        raise AuthorityError(f"{folder / CA} has ended; --force makes a new CA, which each phone has to install")
    names = _names(hosts or hosts_of(read(folder / SERVER)))
    _require_permitted(ca, names)
    _write_server(folder, ca, key, names, now)


def read(path: Path) -> x509.Certificate:
    """The first certificate of a file. Raises AuthorityError."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0]
    except OSError as error:
        raise AuthorityError(f"{path} cannot be read: {error.strerror}; `dragoman tls init` makes one") from None
    except ValueError:
        raise AuthorityError(f"{path} has no certificate in PEM form") from None


def shown(path: Path) -> Shown:
    """Raises AuthorityError."""
    found = read(path)
    digest = found.fingerprint(hashes.SHA256()).hex(":").upper()
    return Shown(file=path, hosts=hosts_of(found), ends=found.not_valid_after_utc, sha256=digest)


def hosts_of(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names]


def _names(hosts: Sequence[str]) -> Names:
    found: Names = []
    for host in (*hosts, *LOOPBACK):
        name = _name(host.strip().lower())
        if name not in found:
            found.append(name)
    return found


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host.strip("[]")))
    except ValueError:
        pass
    if len(host) > 253 or not all(map(_LABEL.match, host.split("."))) or host.rpartition(".")[2].isdigit():
        raise AuthorityError(f"{host!a} is neither a host name in ASCII nor an IP address")
    return x509.DNSName(host)


def _authority(key: Key, names: Names, now: datetime) -> x509.Certificate:
    subject = _subject(f"Dragoman CA {secrets.token_hex(4)}")  # phones list CAs by name, and tell an old one and its successor apart by it
    usage = _usage(key_cert_sign=True, crl_sign=True)
    return (
        _certificate(subject, subject, key.public_key(), now, now + CA_LASTS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .add_extension(x509.NameConstraints(permitted_subtrees=_permitted(names), excluded_subtrees=None), critical=True)
        .sign(key, hashes.SHA256())
    )


def _permitted(names: Names) -> Names:
    """What any LAN has, and beside it `names`."""
    named = [_whole(name) for name in names]
    usual: Names = [*map(x509.DNSName, LOCAL), *map(x509.IPAddress, PRIVATE)]
    return usual + [name for name in named if not _is_below(name, usual)]


def _whole(name: x509.GeneralName) -> x509.GeneralName:
    """An address as the network that has nothing else in it."""
    return x509.IPAddress(ip_network(name.value)) if isinstance(name, x509.IPAddress) else name


def _is_below(name: x509.GeneralName, permitted: Sequence[x509.GeneralName]) -> bool:
    if isinstance(name, x509.DNSName):
        bases = [base.value for base in permitted if isinstance(base, x509.DNSName)]
        return any(f".{name.value}".endswith(f".{base}") for base in bases)
    network = _network(name)
    return any(_is_within(network, _network(base)) for base in permitted if isinstance(base, x509.IPAddress))


def _network(name: x509.GeneralName) -> IPv4Network | IPv6Network:
    value = name.value
    assert isinstance(value, IPv4Address | IPv6Address | IPv4Network | IPv6Network)
    return ip_network(value)


def _is_within(inner: IPv4Network | IPv6Network, outer: IPv4Network | IPv6Network) -> bool:
    return inner.version == outer.version and inner.network_address in outer and inner.prefixlen >= outer.prefixlen


def _require_permitted(ca: x509.Certificate, names: Names) -> None:
    try:
        permitted = ca.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    except x509.ExtensionNotFound:
        return
    for name in names:
        if not _is_below(name, permitted):
            raise AuthorityError(
                f"this CA may not sign for {name.value}: it is bound to private addresses and the names that it was made for; "
                "--force makes a new CA, which each phone has to install"
            )


def _write_server(folder: Path, ca: x509.Certificate, ca_key: Key, names: Names, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    ends = min(now - CLOCKS_DIFFER + SERVER_LASTS, ca.not_valid_after_utc)
    certificate = (
        _certificate(_subject("Dragoman server"), ca.subject, key.public_key(), now, ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(_issuer(ca), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    _write_pair(folder, SERVER, SERVER_KEY, certificate, key)


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, ends: datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key, serial_number=x509.random_serial_number())
    builder = builder.not_valid_before(now - CLOCKS_DIFFER).not_valid_after(ends)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _issuer(ca: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    own = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _read_key(path: Path) -> Key:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise AuthorityError(
            f"{path} cannot be read: {error.strerror}; without it nothing can be signed: bring it back, or --force makes a new CA"
        ) from None
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise AuthorityError(f"{path} is not the key of a CA that was made here")
    return key


def _write_pair(folder: Path, certificate_name: str, key_name: str, certificate: x509.Certificate, key: Key) -> None:
    pem, form, bare = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    _write(folder / key_name, key.private_bytes(pem, form, bare), 0o600)
    _write(folder / certificate_name, certificate.public_bytes(pem), 0o644)


def _make_folder(folder: Path) -> None:
    """And the data folder around it, if need be; both private. What root makes belongs to whom the data belong: the server reads it."""
    for made in (folder.parent, folder):
        if not made.exists():
            made.mkdir(mode=0o700, parents=True)
            _give_away(made, folder.parent)


def _give_away(what: int | Path, folder: Path) -> None:
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(what, owner.st_uid, owner.st_gid)


def _write(path: Path, data: bytes, mode: int) -> None:
    """Whole or not at all."""
    partial = path.with_name(path.name + ".new")
    partial.unlink(missing_ok=True)
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        _give_away(fd, path.parent)
        file.flush()
        os.fsync(fd)
    partial.replace(path)
