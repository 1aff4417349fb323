from __future__ import annotations

import string
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidRecipient
from service.numbers import mask, normalise, normalise_sender, vendor_form

ROWS: list[tuple[str, str | None, str]] = [
    # international by a sign: the shape is enough
    ("+32495898697", None, "+32495898697"),
    ("+32495898697", "US", "+32495898697"),
    ("+15551234567", None, "+15551234567"),
    ("+1234567", None, "+1234567"),
    ("+123456789012345", None, "+123456789012345"),
    ("+32 495 89 86 97", None, "+32495898697"),
    ("(+32) 495/89.86-97", None, "+32495898697"),
    ("+32 (0)495 89 86 97", "US", "+32495898697"),
    ("0032 (0) 495 89 86 97", None, "+32495898697"),
    ("\t+32495898697\r\n", None, "+32495898697"),
    ("0032495898697", None, "+32495898697"),
    ("0032495898697", "BE", "+32495898697"),
    ("0032495898697", "US", "+32495898697"),
    ("00999123456789", "BE", "+999123456789"),
    # a raw plus that a form decoded to a space
    (" 32495898697", None, "+32495898697"),
    (" 32495898697", "BE", "+32495898697"),
    (" 32495898697", "US", "+32495898697"),
    (" 32495898697", "DE", "+32495898697"),
    (" 999123456789", "BE", "+999123456789"),
    # the space of "a, b" all the same where only the national reading is a mobile number
    (" 2065959696", "US", "+12065959696"),
    (" 0495898697", "BE", "+32495898697"),
    # digits alone, no country
    ("32495898697", None, "+32495898697"),
    ("919391060967", None, "+919391060967"),
    ("123456789", None, "+123456789"),
    # digits alone, with a country
    ("32495898697", "BE", "+32495898697"),
    ("32495898697", "US", "+32495898697"),
    ("0495898697", "BE", "+32495898697"),
    ("0495/89.86.97", "be", "+32495898697"),
    ("495898697", "BE", "+32495898697"),
    ("2065959696", "US", "+12065959696"),
    ("(206) 595-9696", "US", "+12065959696"),
    ("12065959696", "US", "+12065959696"),
    ("5551234567", "US", "+15551234567"),  # not in use, but of the right length
    ("33612345678", "BE", "+33612345678"),
    ("32495898697", "DE", "+32495898697"),  # a landline there, a mobile number in Belgium
    ("16012345678", "DE", "+4916012345678"),  # a mobile number in both: the account's country
    ("4915112345678", "DE", "+4915112345678"),
    ("8613812345678", "CN", "+8613812345678"),
    ("0612345678", "IT", "+390612345678"),  # Italy keeps the zero
    ("33612345678", "XX", "+33612345678"),  # no such country
    # other ways to dial out
    ("01132495898697", "US", "+32495898697"),
    ("001132495898697", "AU", "+32495898697"),
    ("005511987654321", "BR", "+5511987654321"),
    # short codes
    ("112", None, "112"),
    ("10001", None, "10001"),
    ("10001", "BE", "10001"),
    ("31234", "ZA", "31234"),
    ("12035", "AT", "12035"),  # fits a Viennese landline too
    (" 10001", "US", "10001"),
    ("12345678", None, "12345678"),
    ("12345678", "SG", "12345678"),
    ("22334455", "NO", "+4722334455"),
    ("211234", "FO", "+298211234"),  # a mobile number of six digits
    ("5551234", "US", "5551234"),
    # other scripts, and what comes along when a contact is copied
    ("٣٢٤٩٥٨٩٨٦٩٧", None, "+32495898697"),
    ("+３２４９５８９８６９７", None, "+32495898697"),
    ("\uff0b32495898697", None, "+32495898697"),
    ("\u202a+32\u00a0495\u201389\u201186 97\u202c", None, "+32495898697"),
]

REFUSED: list[tuple[str, str | None]] = [
    ("", None),
    (" ", "BE"),
    ("+", None),
    ("++32495898697", None),
    ("32+495898697", None),
    ("+0495898697", None),
    ("+123456", None),
    ("+1234567890123456", None),
    ("1234567890123456", None),
    ("1234567890123456", "US"),
    ("111111111111111", "US"),
    ("12", None),
    ("0495898697", None),
    ("0495", "BE"),
    ("012", None),
    ("000123456789", None),
    ("0495898697", "XX"),
    ("0800-FLOWERS", "US"),
    ("tel:+32495898697", None),
    ("MPESA", None),
    ("32495898697x5", None),
    ("32495898697\0", None),
    ("+3249589\x1c8697", None),
    ("²²²²²²²²²²", None),
    ("+32495898697,+32495898698", None),
    ("\ud83d32495898697", None),
    ("1" * 1_000_000, "US"),
    ("+32495898697" + " " * 60, None),
]


@pytest.mark.parametrize(("raw", "country", "number"), ROWS, ids=ascii)
def test_normalise(raw: str, country: str | None, number: str) -> None:
    assert normalise(raw, country) == number


@pytest.mark.parametrize(("raw", "country"), REFUSED, ids=lambda value: ascii(value)[:24])
def test_what_is_no_number_is_refused_by_name(raw: str, country: str | None) -> None:
    with pytest.raises(InvalidRecipient) as refused:
        normalise(raw, country)
    assert refused.value.recipient == raw[:64]


anything = st.one_of(
    st.text(max_size=30), st.text(string.digits + "+ ()-./", max_size=20), st.from_regex(r"[ +]?[0-9]{3,15}", fullmatch=True)
)
countries = st.sampled_from([None, "BE", "US", "DE", "DK", "IT", "AU", "BR", "XX"])


@given(anything, countries, countries)
def test_a_normal_number_stays_as_it_is_and_has_one_of_two_shapes(raw: str, country: str | None, other: str | None) -> None:
    try:
        number = normalise(raw, country)
    except InvalidRecipient:
        return
    assert number.isascii()
    assert normalise(number, country) == number
    if number.startswith("+"):
        assert number[1:].isdigit() and 7 <= len(number) - 1 <= 15
        assert normalise(number, other) == number
    else:
        assert number.isdigit() and 3 <= len(number) <= 8


@pytest.mark.parametrize(
    ("raw", "country", "sender"),
    [
        ("MPESA", None, "MPESA"),
        ("JD-EKARTL-S", "IN", "JD-EKARTL-S"),
        ("10001", None, "10001"),
        ("919391060967", None, "+919391060967"),
        ("0495898697", "BE", "+32495898697"),
        ("0495898697", None, "0495898697"),
        ("  MPESA\0\n", None, "MPESA"),
        ("Caf\u00e9 \ud83d", None, "Caf\u00e9"),
        ("", None, ""),
    ],
    ids=ascii,
)
def test_a_sender_may_be_a_name(raw: str, country: str | None, sender: str) -> None:
    assert normalise_sender(raw, country) == sender


@given(st.text(), countries)
def test_every_sender_is_kept_in_a_form_that_can_be_stored(raw: str, country: str | None) -> None:
    sender = normalise_sender(raw, country)
    assert "\0" not in sender
    sender.encode()


def test_mask_hides_the_middle() -> None:
    assert mask("+32495898697") == "+3249****97"
    assert mask("+1234567") == "+1****"
    assert mask("10001") == "10****"
    assert mask("MPESA") == "MP****"
    assert mask("") == "****"


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_mask_never_shows_more_than_half_of_a_number(number: str) -> None:
    assert sum(c.isdigit() for c in mask(number)) <= 6
    assert sum(c.isdigit() for c in mask(number)) < len(number) - 1


def test_vendor_form_has_no_plus() -> None:
    assert vendor_form("+32495898697") == "32495898697"
    assert vendor_form("10001") == "10001"


def test_numbering_plans_are_loaded_only_for_numbers_that_need_them() -> None:
    code = (
        "import sys; from service.numbers import normalise as n; n('+32 495898697', 'BE'); n('32495898697', None);"
        "assert 'phonenumbers' not in sys.modules; n('0495898697', 'BE'); assert 'phonenumbers' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
