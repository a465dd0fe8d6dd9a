from __future__ import annotations

import pytest

from csvpipe.option_names import in_options
from csvscan.errors import CsvFormatError, invalid_encoding
from uploader.ingest.content.csv_errors import explain

RAGGED = CsvFormatError("ragged_row", row=2, byte=8, expected="2 fields", found="1 field")


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        (RAGGED, ["name it with --delimiter", "use --no-strict, or --lenient if only"]),
        (invalid_encoding(2, 10, "utf-8"), ["name the file's encoding with --encoding"]),
    ],
    ids=["ragged row", "encoding"],
)
def test_advice_of_the_uploader_names_options(fault: CsvFormatError, options: list[str]) -> None:
    text = in_options(explain(fault, delimiter=","))
    assert [option for option in options if option not in text] == []
    assert "=" not in text
    assert "before the file" not in text


def test_other_text_stays() -> None:
    assert in_options("row 2: expected text, found a NUL byte") == "row 2: expected text, found a NUL byte"
