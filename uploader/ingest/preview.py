"""What an upload of a file would find in its first bytes. Nothing is stored."""

from __future__ import annotations

from contracts.deviations import AcceptedDeviations
from contracts.previews import (
    MAX_PREVIEW_BYTES,
    MAX_PREVIEW_ROWS,
    LineEnding,
    Preview,
    PreviewDialect,
    PreviewFault,
)
from csvscan import (
    LEAST_MEMBER_BYTES,
    MOST_FAULTS,
    ContentCheck,
    CsvFormatError,
    FileFacts,
    FirstRows,
    Header,
    Strictness,
    TextTraits,
    Unpacker,
    UnpackingError,
    UnsupportedEncodingError,
    detect_compression,
)
from uploader.domain.csv_header_limits import check_header
from uploader.domain.shown_cells import shown_cells
from uploader.errors import InvalidFieldError
from uploader.ingest.content.csv_errors import explain
from uploader.ingest.form_fields import ReadingOptions


def preview_file(data: bytes | memoryview, options: ReadingOptions, *, is_whole: bool) -> Preview:
    """Read the first bytes of a file, at most 1 MiB of its content, as an upload would (blocks, for milliseconds).

    Args:
        data: the first bytes of the file.
        options: how to read it.
        is_whole: whether this is the whole file. If not, what is incomplete at its end is no fault.

    Raises:
        InvalidFieldError: the declared encoding cannot be checked.
    """
    rows = FirstRows(limit=MAX_PREVIEW_ROWS)
    try:
        check = ContentCheck(
            delimiter=options.delimiter,
            encoding=options.encoding,
            strictness=options.strict,
            most_faults=MOST_FAULTS,
            on_rows=rows.take,
        )
    except UnsupportedEncodingError as error:
        raise InvalidFieldError(f"encoding: {error}", field="encoding") from error
    compression = detect_compression(bytes(data[:16]))
    if compression is None:
        check.feed(data)
    else:
        is_whole = _feed_unpacked(
            check, Unpacker(compression, least_member_bytes=LEAST_MEMBER_BYTES), data, is_whole=is_whole
        )
    facts = check.finish() if is_whole else check.cut_off()
    names = _check_names(facts)
    preview = Preview(
        dialect=None,
        compression=compression,
        header=names,
        rows=[],
        row_count=facts.rows,
        complete=is_whole,
        faults=[_fault(each, facts.header) for each in facts.faults.first],
        fault_counts=dict(facts.faults.counts),
        deviations=_deviations(facts, options.strict),
        drift=None,
    )
    if facts.header is None:
        return preview
    shown = [_cells(row, facts.header, facts.encoding) for row in rows.rows]
    dialect = _dialect(facts.header, facts, is_whole=is_whole)
    return preview.model_copy(update={"dialect": dialect, "rows": shown})


def _feed_unpacked(check: ContentCheck, unpacker: Unpacker, data: bytes | memoryview, *, is_whole: bool) -> bool:
    """Scan the first MiB of the content; return whether that is all of it."""
    left_bytes = MAX_PREVIEW_BYTES
    try:
        for piece in unpacker.feed(data):
            check.feed(piece[:left_bytes])
            left_bytes -= len(piece)
            if left_bytes < 0:
                return False
        if is_whole:
            unpacker.finish()
    except UnpackingError as error:
        check.end_with_damage(error)
    return is_whole


def _check_names(facts: FileFacts) -> list[str]:
    """Return the names of the columns; if they are too many for a message, a fault is added, and none is returned."""
    if facts.header is None:
        return []
    try:
        check_header(facts.names, header_bytes=len(facts.header.prefix))
    except CsvFormatError as fault:
        facts.faults.add_error(fault)
        return []
    return facts.names


def _fault(fault: CsvFormatError, header: Header | None) -> PreviewFault:
    delimiter = None if header is None else header.dialect.delimiter.decode("ascii")
    return PreviewFault(row=fault.row, byte=fault.byte, code=fault.code, reason=explain(fault, delimiter=delimiter))


def _deviations(facts: FileFacts, strictness: Strictness) -> AcceptedDeviations | None:
    if strictness is not Strictness.LENIENT:
        return None
    return AcceptedDeviations(surplus_empty_cells=facts.surplus_empty_rows, blank_last_lines=facts.blank_last_lines)


def _dialect(header: Header, facts: FileFacts, *, is_whole: bool) -> PreviewDialect:
    return PreviewDialect(
        delimiter=header.dialect.delimiter.decode("ascii"),
        encoding=facts.encoding,
        line_ending=_line_ending(facts.traits, is_whole=is_whole),
        bom=header.has_bom or facts.transcoded_from is not None,
        quoted=facts.traits.quotes > 0,
    )


def _line_ending(traits: TextTraits, *, is_whole: bool) -> LineEnding | None:
    unknown = int(traits.ends_in_cr and not is_whole)
    counts: dict[LineEnding, int] = {"LF": traits.lf, "CRLF": traits.crlf, "CR": traits.cr - unknown}
    kinds = [kind for kind, count in counts.items() if count]
    return None if not kinds else kinds[0] if len(kinds) == 1 else "mixed"


def _cells(row: bytes, header: Header, encoding: str) -> list[str]:
    return shown_cells(row, header.dialect, "utf-8" if encoding.startswith("utf-16") else encoding)
