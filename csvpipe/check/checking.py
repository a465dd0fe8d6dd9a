"""From a source to a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from contracts.deviations import AcceptedDeviations
from csvpipe.check.reader_rules import find_misreadings
from csvpipe.check.report import CheckReport, Fault, LineEnds, Reader
from csvpipe.check.source import CheckedSource
from csvpipe.check.unpacked_content import UnpackedContent
from csvscan import ContentCheck, CsvFormatError, FileFacts, Strictness, UnpackingError


def check_source(
    source: CheckedSource, check: ContentCheck, *, readers: Iterable[Reader], on_bytes: Callable[[int], None]
) -> CheckReport:
    """Scan ``source`` to its end, or to a fault that ends the scan.

    Args:
        source: the content.
        check: a fresh scan.
        readers: those whose misreadings are named.
        on_bytes: called with the size of each block, for a progress bar.
    """
    source_bytes, content = 0, UnpackedContent()
    try:
        for block in source.blocks:
            source_bytes += len(block)
            for piece in content.feed(block):
                check.feed(piece)
                if check.has_ended:
                    break
            on_bytes(len(block))
            if check.has_ended:
                break
        else:
            check.feed(content.finish())
    except UnpackingError as error:
        check.end_with_damage(error)
    facts = check.finish()
    report = _report(facts, source.name, source_bytes, check.strictness, readers)
    return report.model_copy(update={"compression": content.compression})


def _report(
    facts: FileFacts, name: str, source_bytes: int, strictness: Strictness, readers: Iterable[Reader]
) -> CheckReport:
    report = CheckReport(
        source=name,
        source_bytes=source_bytes,
        is_valid=not facts.faults,
        fault_counts=dict(facts.faults.counts),
        faults=[_fault(each) for each in facts.faults.first],
    )
    if facts.header is None:
        return report
    header, traits = facts.header, facts.traits
    return report.model_copy(
        update={
            "delimiter": header.dialect.delimiter.decode("ascii"),
            "encoding": facts.encoding,
            "has_bom": header.has_bom or facts.transcoded_from is not None,
            "has_sep_line": header.has_sep_line,
            "headers": facts.names,
            "line_ends": LineEnds(lf=traits.lf, crlf=traits.crlf, cr=traits.cr),
            "row_count": facts.rows,
            "accepted_deviations": AcceptedDeviations(
                surplus_empty_cells=facts.surplus_empty_rows, blank_last_lines=facts.blank_last_lines
            )
            if strictness is Strictness.LENIENT
            else None,
            "findings": list(find_misreadings(facts, readers)),
        }
    )


def _fault(fault: CsvFormatError) -> Fault:
    return Fault(
        reason=fault.code,
        row=fault.row,
        byte=fault.byte,
        expected=fault.expected,
        found=fault.found,
        hint=fault.hint,
    )
