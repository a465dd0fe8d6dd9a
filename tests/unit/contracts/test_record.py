from __future__ import annotations

import json

import pytest

from contracts.record import SOURCE_FILE, SOURCE_LINE, SOURCE_LINE_PREFIX, parse_record_end


@pytest.mark.parametrize("name", ["s3://bucket/a.csv", 'quoted "name".csv', "back\\slash.csv", "größe.csv", "x" * 1024])
def test_end_of_a_record_has_its_line_and_file(name: str) -> None:
    value = json.dumps({"id": "1", SOURCE_LINE: 42, SOURCE_FILE: name}, separators=(",", ":")).encode()
    end = parse_record_end(value)
    assert end is not None
    assert (end.line, end.file) == (42, name)
    assert value.endswith(SOURCE_LINE_PREFIX + b"42" + end.after_line)


@pytest.mark.parametrize("value", [b"", b"{}", b'{"_source_line":1}', b'{"_source_line":1,"_source_file":"a"} '])
def test_other_records_have_no_such_end(value: bytes) -> None:
    assert parse_record_end(value) is None
