"""A text as a QR code for a terminal: two modules a character cell, with its quiet zone, both colours said.

A scanner wants dark on light. The terminal's own colours may be the other way round, so none of them is used: black stands on white by
escape sequences (ECMA-48, SGR; 256 colours, since a terminal's theme may repaint the first 16), wherever the code is shown.
"""

from __future__ import annotations

import segno

QUIET = 4
"""modules of light around it, as the standard wants (ISO/IEC 18004)"""
_BLACK_ON_WHITE, _RESET = "\x1b[38;5;16m\x1b[48;5;231m", "\x1b[0m"
_CELLS = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}
"""by whether the upper and the lower module are dark"""


def qr_lines(text: str) -> list[str]:
    """The lines to print, all of one width. Raises ValueError for a text that is empty or too long for any code (about 2,900 bytes)."""
    if not text:
        raise ValueError("there is nothing to show")
    try:
        code = segno.make_qr(text, error="L")
    except segno.DataOverflowError:
        raise ValueError("this is too long for a QR code") from None
    rows = [[bool(module) for module in row] for row in code.matrix_iter(border=QUIET)]
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))
    return [f"{_BLACK_ON_WHITE}{_line(upper, lower)}{_RESET}" for upper, lower in zip(rows[::2], rows[1::2], strict=True)]


def _line(upper: list[bool], lower: list[bool]) -> str:
    return "".join(_CELLS[pair] for pair in zip(upper, lower, strict=True))
