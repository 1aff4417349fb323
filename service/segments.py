"""How many radio messages a text takes, and where it is cut: GSM 7 bit where its alphabet suffices, else UCS-2.

A radio message carries 140 octets: 160 septets or 70 UTF-16 units. The parts of a long text give 6 octets each to the header by
which the handset joins them (153 and 67 are left), and its 8-bit part number ends at 255. Alphabet and extension table are those
of 3GPP TS 23.038, section 6.2.1; national shift tables are not used, since too few handsets read them. A cut never falls inside
an escape sequence or a surrogate pair, but it may fall inside a grapheme: the handset joins the parts before it draws anything.
"""

from __future__ import annotations

import re
from enum import Enum

from service.errors import Invalid

MOST_SEGMENTS = 255
GAP = "[...]"
"""what a joined text has in the place of parts that never came"""

BASIC = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
"""one septet each"""
EXTENDED = "\f^{}\\[~]|€"
"""two septets each: an escape and a character"""


class Encoding(Enum):
    GSM7 = "GSM-7"
    UCS2 = "UCS-2"


_ALONE = {Encoding.GSM7: 160, Encoding.UCS2: 70}
_JOINED = {Encoding.GSM7: 153, Encoding.UCS2: 67}

_is_basic = re.compile(f"[{re.escape(BASIC)}]*").fullmatch
_is_gsm = re.compile(f"[{re.escape(BASIC + EXTENDED)}]*").fullmatch
_NOT_GSM = re.compile(f"[^{re.escape(BASIC + EXTENDED)}]")
_UNSENDABLE = re.compile("[\0\ud800-\udfff]")
_DOUBLE = {Encoding.GSM7: re.compile(f"[{re.escape(EXTENDED)}]"), Encoding.UCS2: re.compile("[\U00010000-\U0010ffff]")}


def encoding_of(text: str) -> Encoding:
    return Encoding.GSM7 if _is_gsm(text) else Encoding.UCS2


def forcing(text: str) -> str:
    """The characters that make the text UCS-2, each once, in their order; empty for a GSM text."""
    return "".join(dict.fromkeys(_NOT_GSM.findall(text)))


def count(text: str) -> int:
    """Raises Invalid for a text that cannot be sent: too long, or with a NUL or half a surrogate pair."""
    if len(text) <= 160 and _is_basic(text):
        return 1
    return len(_parts(text))


def split(text: str) -> list[str]:
    """What each radio message carries; joined they are the text. Raises Invalid as `count` does."""
    return [part.replace("\0", "") for part in _parts(text)]


def _parts(text: str) -> list[str]:
    """The parts, with a NUL before each character that takes two units, so that their lengths are in units."""
    if _UNSENDABLE.search(text):
        raise Invalid("text", "contains a NUL or half of a surrogate pair")
    encoding = encoding_of(text)
    units = _DOUBLE[encoding].sub("\0\\g<0>", text)
    if len(units) <= _ALONE[encoding]:
        return [units]
    parts = []
    start = 0
    while start < len(units):
        end = start + _JOINED[encoding]
        if units[end - 1 : end] == "\0":
            end -= 1
        parts.append(units[start:end])
        start = end
    if len(parts) > MOST_SEGMENTS:
        raise Invalid("text", f"is longer than {MOST_SEGMENTS} segments")
    return parts
