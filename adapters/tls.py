"""Serving HTTPS: the certificate as it is on disk now, and what a client must be able to do.

    creator = ServerCertificate(certificate_file, key_file, log=log)
    reactor.listen(address, door, tls=creator)

A renewed certificate needs no restart: a new connection, every LOOK_S at most, finds the files changed. What has become unusable changes
nothing but a line in the log. TLS 1.2 and 1.3, and in 1.2 only suites with forward secrecy and authenticated encryption (RFC 9325, 4.2),
which Android has had since 5.0.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator, IProtocol
from zope.interface import implementer

from adapters import authority
from adapters.reactor import utc_now

LOOK_S = 10.0
WARN_BEFORE = timedelta(days=30)
REMIND_S = 86_400.0
_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20"
_PROTOCOL = b"http/1.1"
_OPTIONS = SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE

_Seen = tuple[tuple[int, int, int], ...]


class CertificateUnusable(Exception):
    """HTTPS cannot be served with it; the text says why."""


def files(certificate: Path | None, key: Path | None, data: Path) -> tuple[Path, Path]:
    """Of the certificate and its key: what is set, else what `dragoman tls init` makes. Raises CertificateUnusable."""
    if (certificate is None) != (key is None):
        raise CertificateUnusable("tls_certificate and tls_key must be set together")
    if certificate is not None and key is not None:
        return certificate, key
    made = data / authority.FOLDER / authority.SERVER, data / authority.FOLDER / authority.SERVER_KEY
    if not made[0].exists():
        raise CertificateUnusable(
            "listen_tls needs a certificate: make one with `dragoman tls init`, or set tls_certificate and tls_key to the files of yours"
        )
    return made


@implementer(IOpenSSLServerConnectionCreator)
class ServerCertificate:
    """What each new connection is served with. Raises CertificateUnusable when it is made."""

    def __init__(
        self,
        certificate: Path,
        key: Path,
        *,
        log: Any,
        seconds: Callable[[], float] = time.monotonic,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._files = certificate, key
        self._log, self._seconds, self._clock = log, seconds, clock
        self._seen = self._look()
        self._looked = seconds()
        self._context, self._ends = _load(certificate, key)
        self._warn()

    def serverConnectionForTLS(self, protocol: IProtocol) -> SSL.Connection:
        if self._seconds() - self._looked >= LOOK_S:
            self._looked = self._seconds()
            self._reload()
        return SSL.Connection(self._context, None)

    async def remind(self) -> None:
        """A line in the log when the end is near; for once a day."""
        self._reload()
        self._warn()

    def _warn(self) -> None:
        left = self._ends - self._clock()
        if left < WARN_BEFORE:
            why = "it has ended: clients refuse it" if left < timedelta(0) else "renew it in time; a restart is not needed"
            self._log.warning("certificate_ends", file=str(self._files[0]), ends=self._ends.isoformat(), days=left.days, why=why)

    def _look(self) -> _Seen | None:
        try:
            found = [file.stat() for file in self._files]
        except OSError:
            return None
        return tuple((each.st_mtime_ns, each.st_size, each.st_ino) for each in found)

    def _reload(self) -> None:
        seen = self._look()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._context, self._ends = _load(*self._files)
        except CertificateUnusable as unusable:
            self._log.error("certificate_unusable", why=str(unusable), instead="the one from before is served")
            return
        self._log.info("certificate_changed", file=str(self._files[0]), ends=self._ends.isoformat())
        self._warn()


def _load(certificate_file: Path, key_file: Path) -> tuple[SSL.Context, datetime]:
    """And when it ends."""
    try:
        certificates = x509.load_pem_x509_certificates(_read(certificate_file))
    except ValueError:
        raise CertificateUnusable(f"{certificate_file} has no certificate in PEM form") from None
    key = _key(key_file)
    if certificates[0].public_key() != key.public_key():
        raise CertificateUnusable(f"{key_file} is not the key of the first certificate in {certificate_file}")
    try:
        return _context(certificates, key), certificates[0].not_valid_after_utc
    except SSL.Error as error:
        reasons = ", ".join(str(each[-1]) for each in error.args[0]) if error.args else "no reason given"
        raise CertificateUnusable(f"{certificate_file} cannot be served: {reasons}") from None


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CertificateUnusable(f"{file} cannot be read: {error.strerror}") from None


def _key(file: Path) -> Any:
    try:
        return serialization.load_pem_private_key(_read(file), password=None)
    except TypeError:
        raise CertificateUnusable(f"the key in {file} is protected by a passphrase; a server needs one without") from None
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateUnusable(f"{file} has no private key in PEM form") from None


def _context(certificates: list[x509.Certificate], key: Any) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(_CIPHERS)
    context.set_options(_OPTIONS)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_session_id(b"dragoman")
    context.set_alpn_select_callback(_choose)
    context.use_certificate(certificates[0])
    for issuer in certificates[1:]:
        context.add_extra_chain_cert(issuer)
    context.use_privatekey(key)
    context.check_privatekey()
    return context


def _choose(connection: SSL.Connection, offered: list[bytes]) -> bytes | Any:
    return _PROTOCOL if _PROTOCOL in offered else SSL.NO_OVERLAPPING_PROTOCOLS
