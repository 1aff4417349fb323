"""Sealed messages: only the key opens one, only the same caller gets it again, and nothing that is kept tells the text."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from adapters.aes_gcm import AesGcm
from service import sealed
from service.errors import Conflict, InDoubt, Invalid
from service.messages import Channel, SealedKey
from service.sealed import Replay
from tests.fakes import on_the_loop
from tests.service.test_submission import PHONE, SUBMIT, Desk

TEXT = "The gate opens at seven: é€😀"
CODE = "abcDEF12345"
CIPHER = AesGcm()


def test_hkdf_is_that_of_rfc_5869() -> None:
    """Its first test vector; the first block of it."""
    made = sealed.hkdf(b"\x0b" * 22, salt=bytes(range(13)), info=bytes(range(0xF0, 0xFA)))
    assert made.hex() == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"


def test_a_key_is_a_hundred_random_bits_in_groups() -> None:
    keys = {sealed.new_key() for _ in range(1000)}
    assert len(keys) == 1000
    assert all(re.fullmatch("[A-Z2-7]{5}(-[A-Z2-7]{5}){3}", key) for key in keys)
    assert len(sealed.ALPHABET) ** sealed.KEY_LENGTH == 1 << 100


def test_a_text_is_opened_by_its_key_under_its_code_alone() -> None:
    key = sealed.new_key()
    box = sealed.seal(CIPHER, key, TEXT, CODE)
    assert sealed.unseal(CIPHER, key, box, CODE) == TEXT
    assert sealed.unseal(CIPHER, key.replace("-", "").lower(), box, CODE) == TEXT
    assert sealed.seal(CIPHER, key, TEXT, CODE) != box
    assert TEXT.encode()[:9] not in box
    changed = box[:-1] + bytes([box[-1] ^ 1])
    for wrong in ((sealed.new_key(), box, CODE), (key, box, "zbcDEF12345"), (key, changed, CODE), (key, b"", CODE)):
        with pytest.raises(ValueError):
            sealed.unseal(CIPHER, *wrong)


def test_a_receipt_is_opened_by_the_same_caller_with_the_same_idempotency_key_alone() -> None:
    first = Replay(cipher=CIPHER, caller_secret="secret", idempotency_key="order 1")
    kept = first.seal(SealedKey(key="AAAAA", url="https://sms.test/m/x"))
    assert replace(first).open(kept) == SealedKey(key="AAAAA", url="https://sms.test/m/x")
    assert "AAAAA" not in kept
    for other in (replace(first, caller_secret="secreu"), replace(first, idempotency_key="order 2")):
        with pytest.raises(ValueError):
            other.open(kept)
        assert other.fingerprint(b"x") != first.fingerprint(b"x")
    assert first.fingerprint(b"x") not in (b"x", first.fingerprint(b"y"))


# as it is submitted

SEAL: dict[str, Any] = {"text": TEXT, "seal": True, "caller_secret": "raw-key", "idempotency_key": "order 1"}


def kept(desk: Desk) -> str:
    """All that the store was given and holds."""
    return repr((desk.store.accepted, vars(desk.store)))


@on_the_loop
async def test_a_sealed_message_is_sent_as_a_link_and_its_text_and_key_are_kept_nowhere() -> None:
    desk = Desk()
    receipt = await desk.submit(**SEAL)
    told = receipt.sealed_key
    assert told is not None
    (row,) = await desk.rows()
    assert row.text == f"Encrypted message: {told.url}"
    assert row.segments == 1
    found = await desk.store.find_sealed(told.url.rsplit("/", 1)[1])
    assert found is not None
    assert sealed.unseal(CIPHER, told.key, found.box, found.code) == TEXT
    everything = kept(desk)
    for secret in (TEXT, told.key, told.key.replace("-", ""), "raw-key", "order 1"):
        assert secret not in everything
    assert told.key not in repr(receipt)
    assert "raw-key" not in repr(replace(SUBMIT, **SEAL))


@on_the_loop
async def test_a_repeated_submit_gets_the_same_key_and_is_no_second_message() -> None:
    desk = Desk()
    first = await desk.submit(**SEAL)
    again = await desk.submit(**SEAL)
    assert (again.sealed_key, again.guids, again.replayed) == (first.sealed_key, first.guids, True)
    assert first.sealed_key
    assert len(await desk.rows()) == len(desk.store._sealed) == 1


@pytest.mark.parametrize("change", [{"text": "other"}, {"caller_secret": "other"}, {"seal": False}])
@on_the_loop
async def test_another_text_caller_or_wish_under_the_same_key_is_a_conflict(change: dict[str, Any]) -> None:
    desk = Desk()
    await desk.submit(**SEAL)
    assert isinstance(await desk.refused(**{**SEAL, **change}), Conflict)
    assert len(await desk.rows()) == 1


@on_the_loop
async def test_what_is_stored_after_all_still_has_its_key() -> None:
    desk = Desk()
    desk.store.after = [InDoubt("gone")]
    receipt = await desk.submit(**SEAL)
    assert receipt.sealed_key
    assert (await desk.submit(**SEAL)).sealed_key == receipt.sealed_key


@on_the_loop
async def test_the_text_of_a_refused_sealed_message_is_not_kept_either() -> None:
    desk = Desk()
    await desk.refused(**SEAL, sim=1, device="nowhere")
    await desk.refused(**{**SEAL, "text": TEXT * 5000})
    assert [row.text for row in await desk.rows()] == ["", ""]
    assert TEXT not in kept(desk)


@on_the_loop
async def test_without_the_callers_secret_no_key_can_be_given_again() -> None:
    desk = Desk()
    refused = await desk.refused(**{**SEAL, "caller_secret": ""})
    assert isinstance(refused, Invalid)
    assert refused.field == "idempotency_key"
    assert (await desk.submit(**{**SEAL, "caller_secret": "", "idempotency_key": None})).sealed_key


@on_the_loop
async def test_links_in_a_sealed_text_are_not_shortened_because_they_would_be_kept() -> None:
    desk = Desk()
    receipt = await desk.submit(**{**SEAL, "text": "https://private.test/", "shorten": True})
    assert receipt.sealed_key
    assert desk.store._links == {}
    assert "private.test" not in kept(desk)


@on_the_loop
async def test_links_are_stored_with_the_message_or_not_at_all() -> None:
    desk = Desk(trial_limit=1)
    await desk.submit(text="https://a.test/", shorten=True, idempotency_key="k")
    await desk.submit(text="https://a.test/", shorten=True, idempotency_key="k")
    await desk.refused(text="https://a.test/", shorten=True)
    await desk.refused(**SEAL)
    assert (len(desk.store._links), len(desk.store._sealed)) == (1, 0)
    (row, *_) = await desk.rows()
    assert row.text == f"https://sms.test/s/{next(iter(desk.store._links))}"


@on_the_loop
async def test_what_counts_as_segments_is_what_is_sent() -> None:
    desk = Desk()
    await desk.submit(text="https://a.test/" + "x" * 300, shorten=True)
    await desk.submit(text="https://a.test/ " + "x" * 140, shorten=True)
    assert [row.segments for row in await desk.rows()] == [1, 2]


@pytest.mark.parametrize("change", [{"shorten": True}, {"channels": (Channel.WHATSAPP,)}, {"channels": (Channel.SMS, Channel.WHATSAPP)}])
@on_the_loop
async def test_another_wish_is_another_request(change: dict[str, Any]) -> None:
    desk = Desk()
    desk.connect(replace(PHONE, whatsapp=True))
    await desk.submit(idempotency_key="k")
    assert isinstance(await desk.refused(idempotency_key="k", **change), Conflict)
    assert len({replace(SUBMIT, **wish).fingerprint() for wish in ({}, change, {"seal": True})}) == 3
