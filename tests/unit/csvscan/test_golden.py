"""The pairs in tests/data: a file and the expected result of its scan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from csvscan import CsvFormatError, HeaderFinder, Transcoder, split_record

DATA = Path(__file__).parents[2] / "data"
PAIRS = sorted(DATA.glob("*.json"))
GOOD = [path for path in PAIRS if "rows" in json.loads(path.read_text(encoding="utf-8"))]
BAD = [path for path in PAIRS if path not in GOOD]


def content_of(golden: Path) -> bytes:
    """Return the bytes that are scanned, which are UTF-8 if the file is UTF-16."""
    source = golden.with_suffix(".csv").read_bytes()
    transcoder = Transcoder()
    return bytes(transcoder.feed(source)) + bytes(transcoder.finish())


def scan(content: bytes, expected: dict[str, Any]) -> dict[str, Any]:
    """Scan a content and return the result in the form of the golden files."""
    encoding = expected.get("encoding", "utf-8")
    readable = "utf-8" if encoding.startswith("utf-16") else encoding
    finder = HeaderFinder(encoding=readable)
    header = finder.feed(content) or finder.finish()
    body, scanner, base = finder.remainder, header.scanner(), len(header.prefix)
    ends = [base + int(end) for end in scanner.feed(body).row_ends()]
    ends += [len(content) + int(end) for end in scanner.finish().row_ends()]
    starts = [base, *ends]
    return {
        "note": expected["note"],
        "encoding": encoding,
        "delimiter": header.dialect.delimiter.decode(),
        "header": [name.decode(readable) for name in header.fields],
        "header_bytes": base,
        "rows": [
            [part.decode(readable) for part in split_record(content[start:end], header.dialect)]
            for start, end in zip(starts, ends, strict=False)
        ],
        "row_ends": ends,
    }


@pytest.mark.parametrize("golden", GOOD, ids=lambda path: path.stem)
def test_file_is_read_as_in_its_golden_pair(golden: Path) -> None:
    expected = json.loads(golden.read_text(encoding="utf-8"))
    assert scan(content_of(golden), expected) == expected


@pytest.mark.parametrize("golden", BAD, ids=lambda path: path.stem)
def test_file_is_refused_at_the_place_in_its_golden_pair(golden: Path) -> None:
    expected = json.loads(golden.read_text(encoding="utf-8"))
    with pytest.raises(CsvFormatError) as raised:
        scan(content_of(golden), expected)
    error = raised.value
    assert {"code": error.code, "row": error.row, "byte": error.byte} == expected["violation"]


def test_every_file_has_its_pair() -> None:
    assert {path.stem for path in DATA.glob("*.csv")} == {path.stem for path in PAIRS}
