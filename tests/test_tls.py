"""Which certificate is served, why one cannot be, and the warning before its end. The handshakes are in test_listening_tls.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from adapters import authority
from adapters.tls import CertificateUnusable, ServerCertificate, files
from tests.fakes import RecordingLog, on_the_loop

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)


def key_of(password: bytes | None = None) -> bytes:
    form = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, form)


def certificate(folder: Path, now: datetime = NOW, seconds: float = 0) -> tuple[ServerCertificate, RecordingLog]:
    log = RecordingLog()
    return ServerCertificate(folder / "server.pem", folder / "server.key", log=log, seconds=lambda: seconds, clock=lambda: now), log


def test_what_is_set_comes_before_what_tls_init_made(tmp_path: Path) -> None:
    authority.make(tmp_path / "tls", [], now=NOW)
    assert files(Path("a"), Path("b"), tmp_path) == (Path("a"), Path("b"))
    assert files(None, None, tmp_path) == (tmp_path / "tls" / "server.pem", tmp_path / "tls" / "server.key")


def test_without_a_certificate_the_way_to_one_is_said(tmp_path: Path) -> None:
    with pytest.raises(CertificateUnusable, match="`dragoman tls init`"):
        files(None, None, tmp_path)
    for given in ((Path("a"), None), (None, Path("b"))):
        with pytest.raises(CertificateUnusable, match="must be set together"):
            files(*given, tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("server.pem", None, "server.pem cannot be read: No such file"),
        ("server.key", None, "server.key cannot be read: No such file"),
        ("server.pem", b"", "server.pem has no certificate in PEM form"),
        ("server.pem", key_of(), "server.pem has no certificate in PEM form"),
        ("server.key", b"x", "server.key has no private key in PEM form"),
        ("server.key", key_of(b"secret"), "server.key is protected by a passphrase"),
        ("server.key", key_of(), "server.key is not the key of the first certificate in .*server.pem"),
    ],
)
def test_what_cannot_be_served(tmp_path: Path, file: str, content: bytes | None, why: str) -> None:
    authority.make(tmp_path, [], now=NOW)
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(CertificateUnusable, match=why):
        certificate(tmp_path)


@pytest.mark.parametrize(
    ("days", "said"),
    [(0, []), (366, []), (367, [(29, "renew it in time; a restart is not needed")]), (397, [(-1, "it has ended: clients refuse it")])],
)
@on_the_loop
async def test_thirty_days_before_the_end_the_log_warns_once_a_day(tmp_path: Path, days: int, said: list[tuple[int, str]]) -> None:
    authority.make(tmp_path, [], now=NOW)
    served, log = certificate(tmp_path, NOW + timedelta(days=days))
    assert [(fields["days"], fields["why"]) for event, fields in log.lines if event == "certificate_ends"] == said
    await served.remind()
    assert log.events == ["certificate_ends"] * len(said) * 2


@on_the_loop
async def test_a_reminder_is_about_the_certificate_that_is_there_now(tmp_path: Path) -> None:
    authority.make(tmp_path, [], now=NOW)
    served, log = certificate(tmp_path, NOW + timedelta(days=390))
    authority.renew(tmp_path, [], now=NOW + timedelta(days=390))
    await served.remind()
    assert log.events == ["certificate_ends", "certificate_changed"]
