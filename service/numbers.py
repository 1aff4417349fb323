"""Numbers: E.164 (+ and 7 to 15 digits) or a short code (3 to 8 digits, no plus). Nothing behind this file sees another form.

Whether a number is in use is the network's question, so one that is written internationally needs only the right shape. Digits
without a plus can be read in more than one way:

    "+32..." "(+32) 495/89.86.97" "0032..."    international
    " 32..."                                   likewise: in a form, a raw plus decodes to a space
    "10001"                                    a short code, unless 3 to 6 digits are a mobile number, or 7 and 8 any number,
                                               of the account's country
    "32..." with no country                    international
    "0495..." "495..." "32..." with a country  as that country's or as international, whichever fits its numbering plan better: a
                                               mobile number, a number of another kind, at least the length; at a tie that country's
"""

from __future__ import annotations

import re
import unicodedata
from enum import IntEnum

from service.errors import InvalidRecipient

MOST_CHARACTERS = 64

_is_e164 = re.compile(r"\+[1-9][0-9]{6,14}").fullmatch
_is_short = re.compile(r"[1-9][0-9]{2,7}").fullmatch
_is_dialled = re.compile(r"\+?[0-9]+").fullmatch
_PUNCTUATION = re.compile(r"[ \t\r\n()\[\]./-]")
_TRUNK = re.compile(r"(?<=[0-9]) *\(0\)")


class _Fit(IntEnum):
    """How well a reading of digits fits the numbering plan."""

    NOT = 0
    LENGTH = 1
    KNOWN = 2
    MOBILE = 3


def normalise(raw: str, default_country: str | None) -> str:
    """E.164 or a short code. `default_country` is ISO 3166 alpha-2. Raises InvalidRecipient."""
    if _is_e164(raw):
        return raw
    dialled = _dialled(raw)
    if dialled.startswith("+"):
        number: str | None = dialled
    elif default_country is None:
        number = _without_country(dialled)
    else:
        number = _with_country(dialled, default_country.upper(), plus_lost=raw.startswith(" "))
    if number is None or not (_is_e164(number) or _is_short(number)):
        raise InvalidRecipient(raw)
    return number


def normalise_sender(raw: str, default_country: str | None) -> str:
    """As `normalise`, but a name ("MPESA") or anything else that a network shows as a sender is kept; never raises."""
    try:
        return normalise(raw, default_country)
    except InvalidRecipient:
        return "".join(c for c in raw if c.isprintable()).strip()


def vendor_form(number: str) -> str:
    """Without the plus."""
    return number.removeprefix("+")


def mask(number: str) -> str:
    """For logs: +3249****97."""
    return f"{number[:5]}****{number[-2:]}" if len(number) > 8 else f"{number[:2]}****"


def _dialled(raw: str) -> str:
    """Digits, perhaps after a plus; punctuation is gone. Digits of any script count: an address book may hold them."""
    if len(raw) > MOST_CHARACTERS:
        raise InvalidRecipient(raw[:MOST_CHARACTERS])
    text = raw if raw.isascii() else "".join(map(_ascii, raw))
    if text.lstrip(" (").startswith(("+", "00")):
        text = _TRUNK.sub("", text)
    dialled = _PUNCTUATION.sub("", text)
    if not _is_dialled(dialled):
        raise InvalidRecipient(raw)
    return dialled


def _ascii(c: str) -> str:
    digit = unicodedata.decimal(c, None)
    if digit is not None:
        return str(digit)
    if c == "\N{FULLWIDTH PLUS SIGN}":
        return "+"
    # no-break spaces, dashes, and the direction marks that come along when a contact is copied
    return "" if unicodedata.category(c) in ("Zs", "Pd", "Cf") and c != " " else c


def _without_country(digits: str) -> str:
    if digits.startswith("00"):
        return "+" + digits[2:]
    return digits if _is_short(digits) else "+" + digits


def _with_country(digits: str, country: str, *, plus_lost: bool) -> str | None:
    """Only a number with a sign that it is international may fit no plan: plans change faster than tables of them."""
    national = _read(digits, country)
    if _is_short(digits):
        return national[1] if national[0] >= (_Fit.MOBILE if len(digits) <= 6 else _Fit.KNOWN) else digits
    if digits.startswith("00"):
        # the national reading may be dialled out of the country: 0011 in Australia, carrier codes in Brazil
        return _best(_read("+" + digits[2:], None), national) or "+" + digits[2:]
    if digits.startswith("0"):
        return _best(national)
    international = _read("+" + digits, None)
    if plus_lost:
        return _best(international, national) or "+" + digits
    return _best(national, international)


_Reading = tuple[_Fit, str]


def _best(*readings: _Reading) -> str | None:
    fit, number = max(readings, key=lambda reading: reading[0])
    return number if fit > _Fit.NOT else None


def _read(digits: str, country: str | None) -> _Reading:
    # it takes 10 MB and more, and most callers write E.164
    import phonenumbers as plan

    try:
        number = plan.parse(digits, country)
    except plan.NumberParseException:
        return _Fit.NOT, ""
    kind = plan.number_type(number)
    if kind in (plan.PhoneNumberType.MOBILE, plan.PhoneNumberType.FIXED_LINE_OR_MOBILE):
        fit = _Fit.MOBILE
    elif kind != plan.PhoneNumberType.UNKNOWN:
        fit = _Fit.KNOWN
    elif plan.is_possible_number_with_reason(number) == plan.ValidationResult.IS_POSSIBLE:
        fit = _Fit.LENGTH
    else:
        fit = _Fit.NOT
    return fit, plan.format_number(number, plan.PhoneNumberFormat.E164)
