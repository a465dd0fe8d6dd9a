"""Finds where the records of a CSV end, at memory speed, and what is wrong with it."""

from csvscan.delimiters import DelimiterError, parse_delimiter
from csvscan.dialect import BOM, Dialect
from csvscan.encoding import UNKNOWN_8BIT, UnsupportedEncodingError, check_encoding
from csvscan.errors import CsvFormatError
from csvscan.fields import split_record
from csvscan.header import MAX_HEADER_BYTES, Header, HeaderFinder
from csvscan.scan import Scan
from csvscan.scanner import Scanner
from csvscan.sniff import sniff_delimiter
from csvscan.transcode import BOM_PROBE_BYTES, MultibyteTranscoder, Utf16Transcoder, detect_bom

__all__ = [
    "BOM",
    "BOM_PROBE_BYTES",
    "MAX_HEADER_BYTES",
    "UNKNOWN_8BIT",
    "CsvFormatError",
    "DelimiterError",
    "Dialect",
    "Header",
    "HeaderFinder",
    "MultibyteTranscoder",
    "Scan",
    "Scanner",
    "UnsupportedEncodingError",
    "Utf16Transcoder",
    "check_encoding",
    "detect_bom",
    "parse_delimiter",
    "sniff_delimiter",
    "split_record",
]
