"""Finds the header record and the dialect at the start of a content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from csvscan.bits import Block
from csvscan.bom import BOM
from csvscan.delimiter_detection import SAMPLE_BYTES, detect_delimiter
from csvscan.dialect import DELIMITERS, Dialect
from csvscan.encoding import encoding_check
from csvscan.errors import (
    BACKSLASH_HINT,
    empty_file,
    header_too_long,
    invalid_encoding,
    not_csv,
    nul_byte,
    unterminated_quote,
)
from csvscan.fault_log import FaultLog
from csvscan.fields import split_record
from csvscan.multibyte import MULTIBYTE_ENCODINGS, needs_trail_mask
from csvscan.record_finder import RecordFinder
from csvscan.scan import Scan
from csvscan.scanner import Scanner
from csvscan.scanner_state import HeaderState
from csvscan.sep_line import find_sep_line
from csvscan.signatures import PROBE_BYTES, find_signature
from csvscan.strictness import Strictness
from csvscan.text_traits import TextTraits

MAX_HEADER_BYTES = 1024 * 1024
"""Size of the longest header record."""


@dataclass(frozen=True)
class Header:
    """The start of a content, up to and including the line end of the first record.

    Attributes:
        prefix: these bytes, verbatim: UTF-8 BOM, ``sep=`` line and blank lines, if any, the record and its line end.
        dialect: the dialect, whose delimiter was given, named by the ``sep=`` line, or detected.
        fields: fields of the header record.
        encoding: the declared encoding; if none, ``utf-8`` if the header is valid UTF-8, else ``unknown-8bit``.
        encoding_declared: whether an encoding was declared.
        record_start: offset of the record, or of blank lines before it, in ``prefix``.
        has_sep_line: whether ``prefix`` contains a ``sep=`` line.
    """

    prefix: bytes
    dialect: Dialect
    fields: tuple[bytes, ...]
    encoding: str
    encoding_declared: bool
    record_start: int = 0
    has_sep_line: bool = False

    @property
    def has_bom(self) -> bool:
        """Whether the content starts with a UTF-8 BOM."""
        return self.prefix.startswith(BOM)

    def scanner(
        self,
        *,
        strictness: Strictness = Strictness.STRICT,
        faults: FaultLog | None = None,
        traits: TextTraits | None = None,
    ) -> Scanner:
        """Return a scanner for the body; the arguments are those of :class:`csvscan.scanner.Scanner`.

        ``traits`` receives what is unusual in the header as well.
        """
        if traits is not None:
            RecordFinder(
                delimiters=self.dialect.delimiter,
                quote=self.dialect.quote,
                multibyte=self.dialect.multibyte,
                traits=traits,
            ).feed(Block(self.prefix[self.record_start :]))
        return Scanner(
            dialect=self.dialect,
            expected_fields=len(self.fields),
            strictness=strictness,
            encoding=self.encoding if self.encoding_declared else None,
            byte_offset=len(self.prefix),
            detected_so_far=self.encoding,
            faults=faults,
            traits=traits,
        )

    def state(self) -> HeaderState:
        """Return everything but the bytes."""
        return HeaderState(
            prefix_bytes=len(self.prefix),
            record_start=self.record_start,
            delimiter=self.dialect.delimiter.decode("ascii"),
            encoding=self.encoding,
            encoding_declared=self.encoding_declared,
            has_sep_line=self.has_sep_line,
        )

    @classmethod
    def restore(cls, state: HeaderState, *, prefix: bytes) -> Self:
        """Return the header that had this ``state``.

        Args:
            state: the result of :meth:`state`.
            prefix: the first ``state.prefix_bytes`` bytes of the content.

        Raises:
            ValueError: ``prefix`` has another size.
        """
        if len(prefix) != state.prefix_bytes:
            raise ValueError(f"prefix must have {state.prefix_bytes} bytes, got {len(prefix)}")
        dialect = Dialect.for_encoding(state.delimiter.encode("ascii"), _multibyte(state.encoding))
        return cls(
            prefix=prefix,
            dialect=dialect,
            fields=tuple(split_record(prefix[state.record_start :], dialect)),
            encoding=state.encoding,
            encoding_declared=state.encoding_declared,
            record_start=state.record_start,
            has_sep_line=state.has_sep_line,
        )


class HeaderFinder:
    """Reads blocks until the header record is complete; it has at most :data:`MAX_HEADER_BYTES`.

    It waits for :data:`csvscan.signatures.PROBE_BYTES` bytes, and to detect the delimiter for another
    :data:`~csvscan.delimiter_detection.SAMPLE_BYTES` after the header, so that the result does not depend on the size
    of the blocks.

    Args:
        delimiter: the delimiter; None to use that of a ``sep=`` line, or else to detect it.
        encoding: encoding in which the bytes must be valid, or None.

    Raises:
        ValueError: the delimiter or the encoding is not supported.
    """

    def __init__(self, *, delimiter: bytes | None = None, encoding: str | None = None) -> None:
        self._encoding = encoding
        self._multibyte = _multibyte(encoding_check(encoding).encoding)
        self._dialect = None if delimiter is None else self._dialect_of(delimiter)
        self._seen = bytearray()
        self._header: Header | None = None
        self._finder: RecordFinder | None = None
        self._begun = False
        self._record_start = 0
        self._sep_line = False
        self._found_upto = 0
        self._end: int | None = None

    @property
    def bytes_fed(self) -> int:
        """Number of bytes fed so far."""
        return len(self._seen)

    @property
    def remainder(self) -> bytes:
        """The bytes fed so far that come after the header."""
        return b"" if self._header is None else bytes(memoryview(self._seen)[len(self._header.prefix) :])

    def feed(self, block: bytes | bytearray | memoryview) -> Header | None:
        """Read the next block; return the header if it is complete, else None. Then no more blocks may be fed.

        Raises:
            CsvFormatError: ``not_csv``, ``header_too_long``, ``nul_byte`` or ``invalid_encoding``.
        """
        self._seen += block
        return self._search(final=False)

    def finish(self) -> Header:
        """End the content, and return the header.

        Raises:
            CsvFormatError: ``empty_file`` or ``unterminated_quote``, or as :meth:`feed` does.
        """
        header = self._search(final=True)
        if header is None:
            self._check(bytes(self._seen), final=True)
            raise empty_file("only blank lines" if self._seen else "no content")
        return header

    def cut_off(self) -> Header | None:
        """Return the header by the bytes so far, of a content that goes on; None if it is incomplete.

        Raises:
            CsvFormatError: as :meth:`feed` does.
        """
        return self._search(final=False, waits=False)

    def _search(self, *, final: bool, waits: bool = True) -> Header | None:
        waits = waits and not final
        if not self._begun:
            if waits and len(self._seen) < PROBE_BYTES:
                return None
            self._begin()
        end = self._record_end(final=final)
        if end is None:
            return None
        if self._dialect is None:
            if waits and len(self._seen) < end + SAMPLE_BYTES:
                return None
            sample = bytes(memoryview(self._seen)[self._record_start : end + SAMPLE_BYTES])
            is_whole = final and len(self._seen) <= end + SAMPLE_BYTES
            self._dialect = self._dialect_of(detect_delimiter(sample, is_whole=is_whole, encoding=self._multibyte))
            self._finder = None
            return self._search(final=final, waits=waits)
        self._header = self._header_of(bytes(memoryview(self._seen)[:end]), self._dialect)
        return self._header

    def _begin(self) -> None:
        """Examine the first bytes for another format, a BOM and a ``sep=`` line."""
        self._begun = True
        start = bytes(memoryview(self._seen)[:PROBE_BYTES])
        signature = find_signature(start)
        if signature is not None:
            raise not_csv(signature.name, signature.advice)
        self._record_start = len(BOM) if start.startswith(BOM) else 0
        sep_line = find_sep_line(start[self._record_start :])
        if sep_line is not None:
            self._sep_line = True
            self._record_start += sep_line[1]
            self._dialect = self._dialect or self._dialect_of(sep_line[0])

    def _header_of(self, prefix: bytes, dialect: Dialect) -> Header:
        return Header(
            prefix=prefix,
            dialect=dialect,
            fields=tuple(split_record(prefix[self._record_start :], dialect)),
            encoding=self._check(prefix, final=True),
            encoding_declared=self._encoding is not None,
            record_start=self._record_start,
            has_sep_line=self._sep_line,
        )

    def _dialect_of(self, delimiter: bytes) -> Dialect:
        return Dialect.for_encoding(delimiter, self._multibyte)

    def _record_end(self, *, final: bool) -> int | None:
        """Return the end of the first record in the bytes so far, or None."""
        if self._finder is None:
            delimiters = DELIMITERS if self._dialect is None else self._dialect.delimiter
            multibyte = self._multibyte if needs_trail_mask(self._multibyte, delimiters) else None
            self._found_upto, self._end = self._record_start, None
            self._finder = RecordFinder(
                delimiters=delimiters, quote=b'"', base_byte=self._found_upto, multibyte=multibyte
            )
        if self._end is None:
            begin, new = self._found_upto, bytes(memoryview(self._seen)[self._found_upto :])
            self._found_upto = len(self._seen)
            ends = self._finder.feed(Block(new))[0] if new else None
            scan = Scan(ends.rows, at_zero=ends.row_at_zero) if ends is not None else Scan(None, at_zero=False)
            self._end = begin + scan.end_of_row(1) if scan.rows else None
        end = self._end
        if len(self._seen) > MAX_HEADER_BYTES and (end is None or end > MAX_HEADER_BYTES):
            self._check(bytes(memoryview(self._seen)[:MAX_HEADER_BYTES]), final=False)
            raise header_too_long(MAX_HEADER_BYTES)
        if end is None and final:
            end = self._end_of_last(self._finder)
        return end

    def _end_of_last(self, finder: RecordFinder) -> int | None:
        opened = finder.open_quote_byte
        if opened is not None and self._dialect is None:
            return len(self._seen)  # once the delimiter is known it may prove not to open a field
        if opened is not None:
            self._check(bytes(self._seen), final=True)
            raise unterminated_quote(0, opened, hint=BACKSLASH_HINT if finder.has_backslash_quote else "")
        return len(self._seen) if finder.finish().row_at_zero else None

    def _check(self, data: bytes, *, final: bool) -> str:
        """Return the encoding of ``data``, or raise for the first byte that is not allowed."""
        check, block = encoding_check(self._encoding), Block(data)
        invalid, nul = check.feed(block), block.first_nul()
        if invalid is None and final:
            cut_off = check.finish()
            invalid = None if cut_off is None else len(data) + cut_off
        if nul is not None and (invalid is None or nul < invalid):
            raise nul_byte(0, nul)
        if invalid is not None:
            raise invalid_encoding(0, invalid, check.encoding)
        return check.encoding


def _multibyte(encoding: str) -> str | None:
    return encoding if encoding in MULTIBYTE_ENCODINGS else None
