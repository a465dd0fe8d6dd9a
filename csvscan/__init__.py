"""Finds record ends and format violations in a CSV, at memory speed.

Other packages import these names only; the modules inside are not an interface.
"""

from csvscan.block_scanner import BlockScanner, WholeRows, scan_rows
from csvscan.content_check import ContentCheck, FileFacts
from csvscan.delimiter_detection import detect_delimiter
from csvscan.delimiter_spelling import DelimiterError, parse_delimiter
from csvscan.deviations import Deviations
from csvscan.dialect import Dialect
from csvscan.encoding import UNKNOWN_8BIT, UnsupportedEncodingError, check_encoding
from csvscan.errors import BACKSLASH_HINT, CsvFormatError
from csvscan.fault_log import MOST_FAULTS, FaultLog
from csvscan.fields import split_record
from csvscan.first_rows import FirstRows
from csvscan.header import Header, HeaderFinder
from csvscan.scan import Scan
from csvscan.scanner import Scanner
from csvscan.scanner_state import HeaderState, ScannerState
from csvscan.strictness import Strictness
from csvscan.text_traits import TextTraits
from csvscan.transcoder import UTF_16, Transcoder, check_declared
from csvscan.unpacking import (
    COMPRESSION_PROBE_BYTES,
    LEAST_MEMBER_BYTES,
    UNPACKED_PIECE_BYTES,
    Compression,
    Unpacker,
    UnpackingError,
    detect_compression,
)

__all__ = [
    "BACKSLASH_HINT",
    "COMPRESSION_PROBE_BYTES",
    "LEAST_MEMBER_BYTES",
    "MOST_FAULTS",
    "UNKNOWN_8BIT",
    "UNPACKED_PIECE_BYTES",
    "UTF_16",
    "BlockScanner",
    "Compression",
    "ContentCheck",
    "CsvFormatError",
    "DelimiterError",
    "Deviations",
    "Dialect",
    "FaultLog",
    "FileFacts",
    "FirstRows",
    "Header",
    "HeaderFinder",
    "HeaderState",
    "Scan",
    "Scanner",
    "ScannerState",
    "Strictness",
    "TextTraits",
    "Transcoder",
    "Unpacker",
    "UnpackingError",
    "UnsupportedEncodingError",
    "WholeRows",
    "check_declared",
    "check_encoding",
    "detect_compression",
    "detect_delimiter",
    "parse_delimiter",
    "scan_rows",
    "split_record",
]
