"""Bytes to an XML tree, or a Malformed that says why not. SOAP is not known here.

Whatever arrives becomes UTF-8 first, so that each limit below sees the bytes that the parser sees. A document type declaration is
refused even when it declares nothing: without one there are no entities, and nothing is ever fetched. The cheap counts come
before the parser, the exact ones after it and only where the cheap ones leave a doubt: 1 MiB of the worst stays below 35 ms.
"""

from __future__ import annotations

import codecs
import re

from lxml import etree

MOST_DEPTH = 32
MOST_ELEMENTS = 256
MOST_ATTRIBUTES = 64
"""on one element, the namespaces that it can use included"""
_MOST_TAGS = 4096
"""`<` in the whole body: far above what 256 elements and their comments need, far below what costs memory"""

_PARSER = etree.XMLParser(
    encoding="utf-8",
    resolve_entities=False,
    load_dtd=False,
    no_network=True,
    huge_tree=False,
    remove_comments=True,
    remove_pis=True,
)
_DTD = re.compile(rb"(?:\xef\xbb\xbf)?(?>\s+|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE", re.DOTALL)
_DECLARED = re.compile(rb"""(?:\xef\xbb\xbf)?\s*<\?xml[^>?]{1,100}?encoding\s*=\s*["']([\w.:-]{1,40})["']""")
_CHARSET = re.compile(r"""charset\s*=\s*["']?([\w.:-]{1,40})""", re.ASCII | re.IGNORECASE)
_READABLE = re.compile(
    r"utf-16([bl]e)?|iso-?8859-\d\d?|windows-125\d|cp125\d|koi8-[ru]|gb2312|gbk|gb18030|big5|shift_jis|euc-(jp|kr)", re.ASCII
)
_LATIN1 = frozenset({"iso-8859-1", "iso8859-1", "latin1", "latin-1", "us-ascii", "ascii", "windows-1252", "cp1252"})


class Malformed(Exception):
    """The body is not a call that we can read. `code` is for programs, `why` for people, in ASCII and without the body's own words."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.why = why


def parse(body: bytes, content_type: str) -> etree._Element:
    """The root element, its comments and processing instructions dropped. Raises Malformed."""
    text = _as_utf8(body, content_type)
    if b"<!DOCTYPE" in text and _DTD.match(text):
        raise Malformed("invalid_xml", "a document type declaration is not allowed")
    tags = text.count(b"<")
    if tags > _MOST_TAGS or text.count(b"xmlns") > MOST_ELEMENTS:
        raise _too_large()
    try:
        root = etree.fromstring(text, _PARSER)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        raise Malformed("invalid_xml", f"the body is not well-formed XML, at line {line}, column {column}") from None
    # an element at depth 33 takes 65 tags, an element with 65 attributes 65 equal signs
    if tags > 2 * MOST_DEPTH or text.count(b"=") > MOST_ATTRIBUTES:
        _measure(root)
    return root


def _measure(root: etree._Element) -> None:
    depth = elements = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        if event == "end":
            depth -= 1
            continue
        depth += 1
        elements += 1
        if depth > MOST_DEPTH or elements > MOST_ELEMENTS or len(element.attrib) + len(element.nsmap) > MOST_ATTRIBUTES:
            raise _too_large()


def _too_large() -> Malformed:
    return Malformed("invalid_xml", f"more than {MOST_ELEMENTS} elements, {MOST_ATTRIBUTES} attributes on one, or a depth of {MOST_DEPTH}")


def _as_utf8(body: bytes, content_type: str) -> bytes:
    """By the byte order mark, else the label of HTTP, else that of the XML declaration."""
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _converted(body, "utf-16")
    charset = _CHARSET.search(content_type)
    if charset:
        label = charset[1].lower()
    else:
        declared = _DECLARED.match(body)
        label = declared[1].decode().lower() if declared else "utf-8"
        # .NET writes this word into a declaration that it then sends as UTF-8; we could not read it here if it were true
        if label == "utf-16":
            return body
    if label in ("utf-8", "utf8"):
        return body
    if label in _LATIN1:
        # nusoap puts this label on whatever bytes PHP holds, and those are UTF-8 nearly always
        return body if _is_utf8(body) else _converted(body, "cp1252")
    if not _READABLE.fullmatch(label):
        raise Malformed("unsupported_charset", "the charset of the body is not known here: use utf-8")
    if label == "utf-16":
        label = "utf-16-be" if body[:1] == b"\0" else "utf-16-le"
    return _converted(body, label)


def _is_utf8(body: bytes) -> bool:
    try:
        codecs.utf_8_decode(body, "strict", True)
    except UnicodeDecodeError:
        return False
    return True


def _converted(body: bytes, codec: str) -> bytes:
    try:
        return body.decode(codec).encode()
    except (UnicodeError, LookupError):
        raise Malformed("unsupported_charset", "the body is not in the charset that it names") from None
