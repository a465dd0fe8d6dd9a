"""The name of an uploaded file, in the various forms in which clients send it in Content-Disposition.

Browsers and curl send raw UTF-8 (RFC 7578, 4.2); older ones Latin-1 or a whole path; requests and urllib3 ``filename*``
(RFC 8187); .NET an encoded word (RFC 2047); others percent-encode. A name that cannot be decoded is kept as sent:
names are only displayed, and never a reason to refuse a file.
"""

from __future__ import annotations

import re
from email.errors import MessageError
from email.header import decode_header
from urllib.parse import unquote_to_bytes

from uploader.ingest.text_encodings import find_codec_name

_PARAMETER = re.compile(rb""";\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;"]*))""", re.DOTALL)
_EXTENDED = re.compile(rb"([\w!#$%&+^`{}~-]+)'[\w-]*'(.*)", re.DOTALL)
"""charset'language'value, with the value percent-encoded (RFC 8187, 3.2.1)."""
_ENCODED_WORD = re.compile(r"=\?[\w.+-]+(?:\*[\w-]+)?\?[bBqQ]\?[^?]*\?=")
_ESCAPED = re.compile(rb'\\(["\\])')
_BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
LONGEST_NAME = 255
"""Characters; file systems allow as many bytes."""


def parse_filename(disposition: bytes) -> str | None:
    """Return the base name of the file in a part, or None if the part has no file name and is a field.

    Args:
        disposition: the value of the part's Content-Disposition, as sent.
    """
    parameters = _parameters(disposition)
    plain, extended = parameters.get(b"filename"), parameters.get(b"filename*")
    if plain is None and extended is None:
        return None
    name = None if extended is None else _extended(extended)
    if name is None:
        name = _plain(extended or b"" if plain is None else plain)
    return base_name(name)


def _parameters(disposition: bytes) -> dict[bytes, bytes]:
    """Return the parameters by lower-case name; the first of several with one name counts."""
    found: dict[bytes, bytes] = {}
    for name, quoted, token in _PARAMETER.findall(disposition):
        found.setdefault(name.lower(), _ESCAPED.sub(rb"\1", quoted) if quoted else token.strip())
    return found


def _extended(value: bytes) -> str | None:
    match = _EXTENDED.fullmatch(value)
    if match is None:
        return None
    codec = find_codec_name(match[1].decode("ascii"))
    try:
        return None if codec is None else unquote_to_bytes(match[2]).decode(codec)
    except ValueError:
        return None


def _plain(value: bytes) -> str:
    text = _text(value)
    if _ENCODED_WORD.search(text):
        return _without_encoded_words(text)
    if "%" in text and not _BROKEN_PERCENT.search(text):
        try:
            return unquote_to_bytes(text.encode()).decode()
        except UnicodeDecodeError:
            return text
    return text


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _without_encoded_words(text: str) -> str:
    try:
        return "".join(_decoded_part(part, charset) for part, charset in decode_header(text))
    except (LookupError, ValueError, MessageError):
        return text


def _decoded_part(part: bytes | str, charset: str | None) -> str:
    """Return one part of a header; raises LookupError if its charset is unknown."""
    if isinstance(part, str):
        return part
    codec = find_codec_name(charset or "ascii")
    if codec is None:
        raise LookupError(charset)
    return part.decode(codec, "replace")


def base_name(name: str) -> str:
    """Return what follows the last slash or backslash, without surrounding blanks; empty for ``.`` and ``..``."""
    base = re.split(r"[/\\]", name)[-1].strip()
    return "" if base in (".", "..") else base[:LONGEST_NAME]
