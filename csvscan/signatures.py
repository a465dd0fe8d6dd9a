"""Recognises files that are not CSV by their first bytes, so that an error can name their format."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

PROBE_BYTES = 1024
"""Number of first bytes that are examined."""
_UNPACK = "unpack it and send the CSV file inside"
_EXPORT = "export it as CSV"
_NOT_A_TABLE = "send the CSV file itself"
_BZIP2 = (b"1AY&SY", b"\x17rE8P\x90")
_SAVE_AS_UTF8 = "save it as UTF-8, or as UTF-16 with a byte order mark"


@dataclass(frozen=True)
class Signature:
    """The format of a file, with its article, and what to do."""

    name: str
    advice: str


def _table(names: dict[bytes, str], advice: str) -> dict[bytes, Signature]:
    return {magic: Signature(name, advice) for magic, name in names.items()}


_MAGIC = {
    **_table(
        {
            b"\x1f\x8b": "a gzip file",
            **dict.fromkeys(
                (b"BZh%d%b" % (level, block) for level in range(1, 10) for block in _BZIP2), "a bzip2 file"
            ),
            b"\xfd7zXZ\0": "an xz file",
            b"\x5d\0\0": "an LZMA file",
            b"\x28\xb5\x2f\xfd": "a Zstandard file",
            b"\x04\x22\x4d\x18": "an LZ4 file",
            b"\x1f\x9d": "a file compressed with compress (.Z)",
            b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
            b"Rar!\x1a\x07": "a RAR archive",
            b"\xff\x06\0\0sNaPpY": "a Snappy file",
            b"PK\x05\x06": "an empty ZIP archive",
            b"PK\x03\x04": "a ZIP archive",
            b"MSCF": "a Microsoft cabinet",
        },
        _UNPACK,
    ),
    **_table(
        {
            b"PAR1": "a Parquet file",
            b"PARE": "an encrypted Parquet file",
            b"Obj\x01": "an Avro file",
            b"ORC": "an ORC file",
            b"ARROW1": "an Arrow (Feather) file",
            b"FEA1": "a Feather file",
            b"SQLite format 3\0": "an SQLite database",
            b"\x89HDF\r\n\x1a\n": "an HDF5 file",
            b"PGDMP": "a PostgreSQL dump in custom format",
            b"PGCOPY\n": "a PostgreSQL COPY file in binary format",
            b"SEQ\x06": "a Hadoop sequence file",
            b"\x93NUMPY": "a NumPy array",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an old Microsoft Office document (xls)",
        },
        _EXPORT,
    ),
    **_table(
        {
            b"%PDF-": "a PDF document",
            b"\x89PNG\r\n\x1a\n": "a PNG image",
            b"\xff\xd8\xff": "a JPEG image",
            b"GIF87a": "a GIF image",
            b"GIF89a": "a GIF image",
            b"II*\0": "a TIFF image",
            b"MM\0*": "a TIFF image",
            b"RIFF": "a RIFF file (WebP, WAV, AVI)",
            b"{\\rtf": "an RTF document",
            b"\x7fELF": "a program",
            b"\xca\xfe\xba\xbe": "a Java class",
            b"-----BEGIN PGP MESSAGE": "a PGP message",
            b"version https://git-lfs.github.com/": "a Git LFS pointer instead of the file",
        },
        _NOT_A_TABLE,
    ),
}
_NEEDS_BINARY = frozenset({b"ORC", b"PAR1", b"PARE", b"RIFF", b"MSCF", b"FEA1", b"ARROW1"})
"""Letters that a header could start with: they count only if the bytes after them are not text."""
_ZIPPED = (
    (b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "an OpenDocument spreadsheet (ods)"),
    (b"mimetypeapplication/vnd.oasis.opendocument", "an OpenDocument file"),
    (b"xl/", "an Excel workbook (xlsx)"),
    (b"word/", "a Word document (docx)"),
    (b"[Content_Types].xml", "an Office document (such as xlsx)"),
)
_TEXTS = (
    (re.compile(rb"<!doctype\s+html|<html[\s>]|<head[\s>]|<body[\s>]", re.IGNORECASE), "an HTML page"),
    (re.compile(rb"<\?xml\s"), "an XML document"),
    (
        re.compile(rb"--\s*(?:mysql|mariadb|postgresql)\b.*\bdump|insert\s+into\s|create\s+table\s", re.IGNORECASE),
        "SQL",
    ),
    (re.compile(rb'\{\s*(?:"(?:[^"\\]|\\.)*"\s*:|\}\s*$)|\[\s*(?:[\[{"]|\]\s*$)', re.DOTALL), "JSON"),
)
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32 (little-endian)"),
    (codecs.BOM_UTF32_BE, "UTF-32 (big-endian)"),
)
_LEAST_ASCII = 8
"""At least one character in this many is ASCII, even in Chinese: delimiters, digits and line ends."""
_TAR_MAGIC, _TAR_AT = b"ustar", 257


def find_signature(start: bytes) -> Signature | None:
    """Return the format of a content that is not CSV, or None if it may be CSV.

    Args:
        start: the first :data:`PROBE_BYTES` of the content, or all of it.
    """
    return _marked(start) or _binary(start) or _wide(start) or _text(start)


def _marked(start: bytes) -> Signature | None:
    name = next((name for mark, name in _MARKS if start.startswith(mark)), None)
    return None if name is None else Signature(name, _SAVE_AS_UTF8)


def _binary(start: bytes) -> Signature | None:
    if start[_TAR_AT:].startswith(_TAR_MAGIC):
        return Signature("a tar archive", _UNPACK)
    magic = next((magic for magic in _MAGIC if start.startswith(magic)), None)
    if magic is None or (magic in _NEEDS_BINARY and _is_text(start)):
        return None
    if magic == b"PK\x03\x04":
        kind = next((name for mark, name in _ZIPPED if mark in start), None)
        return _MAGIC[magic] if kind is None else Signature(kind, _EXPORT)
    return _MAGIC[magic]


def _is_text(start: bytes) -> bool:
    return not any(byte < 0x20 and byte not in b"\t\n\r\f" for byte in start[:512])


def _wide(start: bytes) -> Signature | None:
    """Recognise UTF-16 and UTF-32 without a mark: ASCII has NULs in them, always at the same offsets modulo 4."""
    probe = start[: min(len(start), 512) // 4 * 4]
    nuls = [probe[at::4].count(0) for at in range(4)]
    quarter = len(probe) // 4
    if quarter < 2:
        return None
    for nul_offsets, name in (
        ((1, 2, 3), "UTF-32 (little-endian) without a byte order mark"),
        ((0, 1, 2), "UTF-32 (big-endian) without a byte order mark"),
        ((1, 3), "UTF-16 (little-endian) without a byte order mark"),
        ((0, 2), "UTF-16 (big-endian) without a byte order mark"),
    ):
        elsewhere = sum(count for at, count in enumerate(nuls) if at not in nul_offsets)
        if not elsewhere and all(nuls[at] * _LEAST_ASCII >= quarter for at in nul_offsets):
            return Signature(name, _SAVE_AS_UTF8)
    return None


def _text(start: bytes) -> Signature | None:
    text = start.removeprefix(codecs.BOM_UTF8).lstrip()
    name = next((name for pattern, name in _TEXTS if pattern.match(text)), None)
    return None if name is None else Signature(name, _EXPORT if name in ("JSON", "SQL") else _NOT_A_TABLE)
