"""A QR code as a terminal shows it, read back: from its characters to light and dark, and that by another hand's decoder."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
import segno
from purepix import qr

from adapters.qr import QUIET, qr_lines

URL = "https://192.168.1.5:8443/mobile/v1"
_PIXEL = 4


def modules(text: str) -> list[list[bool]]:
    """True is dark. Each line must say both of its colours, and end with the terminal's own."""
    rows: list[list[bool]] = []
    for line in qr_lines(text):
        found = re.fullmatch("\x1b\\[38;5;16m\x1b\\[48;5;231m([ ▀▄█]+)\x1b\\[0m", line)
        assert found, line
        rows += [[cell in "▀█" for cell in found[1]], [cell in "▄█" for cell in found[1]]]
    return rows


def decoded(rows: list[list[bool]]) -> str:
    picture = [0 if dark else 255 for row in rows for _ in range(_PIXEL) for dark in row for _ in range(_PIXEL)]
    return str(qr.decode_text(SimpleNamespace(mode="L", width=len(rows[0]) * _PIXEL, height=len(rows) * _PIXEL, data=picture)))


# shorter than 150 bytes: longer codes have several blocks of two lengths, which this decoder mistakes
@pytest.mark.parametrize("text", [URL, "x", "hé €😀", "https://[fd00::5]:8443/mobile/v1#" + "k" * 90])
def test_what_is_shown_can_be_read(text: str) -> None:
    assert decoded(modules(text)) == text


def test_it_is_the_code_of_the_library_module_by_module() -> None:
    rows = modules(URL)
    width = len(rows[0])
    inner = [[int(dark) for dark in row[QUIET:-QUIET]] for row in rows[QUIET : QUIET + width - 2 * QUIET]]
    assert inner == [list(row) for row in segno.make_qr(URL, error="L").matrix]


def test_light_is_all_around() -> None:
    rows = modules(URL)
    assert len({len(row) for row in rows}) == 1
    edges = [*rows[:QUIET], *rows[-QUIET:], *(row[:QUIET] + row[-QUIET:] for row in rows)]
    assert not any(dark for edge in edges for dark in edge) and any(rows[QUIET])


@pytest.mark.parametrize(("text", "why"), [("", "nothing to show"), ("a" * 3000, "too long for a QR code")])
def test_what_fits_into_no_code(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        qr_lines(text)
