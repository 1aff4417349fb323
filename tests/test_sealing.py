"""Sealed secrets: readable with the key and for the purpose only; the key is made once, private, and a bad one is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.sealing import KeyUnusable, Sealing, secret_key
from service.errors import SealBroken

KEY = bytes(32)


def test_what_is_sealed_is_opened_again_and_seals_differ() -> None:
    sealing = Sealing(KEY, "a")
    one, two = sealing.seal("secret é"), sealing.seal("secret é")
    assert (sealing.open(one), sealing.open(two)) == ("secret é", "secret é")
    assert one != two
    assert b"secret" not in one


def test_another_key_purpose_or_a_changed_byte_opens_nothing() -> None:
    sealed = Sealing(KEY, "a").seal("secret")
    for sealing, text in (
        (Sealing(bytes([1] * 32), "a"), sealed),
        (Sealing(KEY, "b"), sealed),
        (Sealing(KEY, "a"), sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (Sealing(KEY, "a"), b"\x02" + sealed[1:]),
        (Sealing(KEY, "a"), b""),
    ):
        with pytest.raises(SealBroken):
            sealing.open(text)


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    key = secret_key(path, make=True)
    assert (len(key), path.stat().st_mode & 0o777) == (32, 0o600)
    assert secret_key(path, make=True) == key
    assert [p.name for p in tmp_path.iterdir()] == ["secret.key"]


@pytest.mark.parametrize(
    ("text", "mode", "why"), [("00" * 32, 0o640, "chmod 600"), ("00" * 31, 0o600, "64 hex digits"), ("é", 0o600, "cannot be read")]
)
def test_a_key_that_cannot_be_used_is_said(tmp_path: Path, text: str, mode: int, why: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(KeyUnusable, match=why):
        secret_key(path, make=True)


def test_a_key_that_the_operator_named_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="cannot be read"):
        secret_key(tmp_path / "key", make=False)
