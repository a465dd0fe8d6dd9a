"""The sequencer's record: one row as a JSON object that ends with its place in the source."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

SOURCE_LINE = "_source_line"
"""Key of the row's number, from 1, over all files of the source; the last key but one."""
SOURCE_FILE = "_source_file"
"""Key of the row's file, as ``s3://bucket/key`` or the path as given; the last key."""
SOURCE_LINE_PREFIX = f'"{SOURCE_LINE}":'.encode()
"""The bytes before the number."""
SOURCE_LINE_DIGITS = 18
"""The most digits of a number, so that it fits in 64 bits."""

_END = re.compile(rb'"_source_line":([0-9]{1,18})(,"_source_file":("(?:[^"\\]|\\.)*")\})\Z')
_END_BYTES = 8 * 1024
"""The longest end that is searched: a key of S3 has up to 1,024 bytes, and JSON may escape each to six."""


class RecordEnd(NamedTuple):
    """The last two keys of a record.

    Attributes:
        line: the row's number.
        after_line: the bytes after the number, up to the end of the record.
        file_json: the file's name as JSON.
    """

    line: int
    after_line: bytes
    file_json: bytes

    @property
    def file(self) -> str:
        """The file's name."""
        return str(json.loads(self.file_json))


def parse_record_end(value: bytes) -> RecordEnd | None:
    """Return the end of a record's ``value``, or None if a sequencer did not write it."""
    found = _END.search(value, max(0, len(value) - _END_BYTES))
    return None if found is None else RecordEnd(int(found[1]), found[2], found[3])
