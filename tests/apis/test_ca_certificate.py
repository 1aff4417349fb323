"""GET /tls/ca.pem: the certificate and nothing else, without a key."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters import authority
from adapters.apis import ApiSettings, ca_certificate
from tests.apis.gateway import MemoryGateway
from tests.fakes import on_the_loop

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)


def at(file: Path | None) -> MemoryGateway:
    return MemoryGateway(ca_certificate.api, ApiSettings(ca_file=file))


@on_the_loop
async def test_a_phone_is_given_the_certificate_as_one_to_install(tmp_path: Path) -> None:
    authority.make(tmp_path, [], now=NOW)
    answer = await at(tmp_path / "ca.pem").get("/tls/ca.pem")
    assert (answer.status, answer.body) == (200, (tmp_path / "ca.pem").read_bytes())
    assert answer.headers["content-type"] == "application/x-x509-ca-cert"
    assert answer.headers["content-disposition"] == 'attachment; filename="dragoman-ca.crt"'


@on_the_loop
async def test_a_key_that_somebody_put_into_the_same_file_does_not_leave(tmp_path: Path) -> None:
    authority.make(tmp_path, [], now=NOW)
    together, alone = tmp_path / "both.pem", (tmp_path / "ca.pem").read_bytes()
    together.write_bytes((tmp_path / "ca.key").read_bytes() + alone)
    assert (await at(together).get("/tls/ca.pem")).body == alone


@pytest.mark.parametrize("content", [None, "no certificate"])
@on_the_loop
async def test_where_there_is_none(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    for settings in (file, None):
        answer = await at(settings).get("/tls/ca.pem")
        assert (answer.status, answer.body) == (404, b"there is no CA certificate here\n")


@on_the_loop
async def test_it_is_only_read(tmp_path: Path) -> None:
    assert (await at(None).post("/tls/ca.pem", b"")).status == 405
