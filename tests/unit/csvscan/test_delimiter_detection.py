"""Delimiters detected in real-world dialects."""

from __future__ import annotations

import pytest

from csvscan import CsvFormatError, HeaderFinder, detect_delimiter
from csvscan.delimiter_detection import SAMPLE_BYTES

DIALECTS: dict[str, tuple[str, str]] = {
    # European decimals
    "prices with blanks in the names": ("Preis, netto;Preis, brutto\n1,5;2,5\n3,25;4,0\n", ";"),
    "prices, one row": ("Preis, netto;Preis, brutto\n1,5;2,5\n", ";"),
    "prices without blanks": ("netto,EUR;brutto,EUR\n1,50;2,50\n10,00;20,00\n", ";"),
    "thousands and decimals": ("Umsatz, EUR;Kosten, EUR\n1.234,50;99,00\n12.345.678,90;1,00\n", ";"),
    "decimals in one column only": ("Artikel;Preis, netto\nSchraube;0,05\nMutter;0,10\n", ";"),
    "decimals with tabs": ("Datum\tWert, kWh\n01.02.2024\t1,5\n02.02.2024\t2,5\n", "\t"),
    "decimals with pipes": ("a,x|b,y\n1,5|2,5\n3,5|4,5\n", "|"),
    "quoted decimals in a comma file": ('preis,menge\n"1,5",2\n"2,5",3\n', ","),
    "currency behind the number": ("netto, Summe;brutto, Summe\n1,50 EUR;2,50 EUR\n1,00 EUR;2,00 EUR\n", ";"),
    # Text with other delimiters
    "tsv with commas": ("name\taddress\nSmith, John\tMain St 1, Springfield\nDoe, Jane\tElm St 2, Shelbyville\n", "\t"),
    "tsv with commas in the names": ("Name, Vorname\tOrt, Land\nMeier, Hans\tBern, CH\nRossi, Ada\tRom, IT\n", "\t"),
    "semicolons with places": ("Name; Ort, Land\nMeier; Bern, CH\nRossi; Rom, IT\n", ";"),
    "comma file with semicolons in text": ("id,note\n1,first; second\n2,third; fourth\n", ","),
    "comma file with a list in each row": ("id,tags (a;b)\n1,3;5\n2,4;6\n", ","),
    "comma file with coordinates": ("id,point [lat;lon]\n7,52.5;13.4\n8,48.1;11.6\n", ","),
    "comma file with pipes in text": ("id,path,x\n1,a|b,2\n2,c|d,3\n", ","),
    "pipes with commas in text": ("id|text\n1|one, two\n2|three\n", "|"),
    "pipes with commas in every text": ("id, no|text, long\n1|one, two\n2|three, four\n", "|"),
    "more commas in the header than semicolons": ("a, b, c;d, e, f\nx;y\nz;w\n", ";"),
    "semicolons in the header only": ("a;b;c,d\n1,2\n3,4\n", ","),
    # Dates and times
    "moments with colons": ("time,value\n2024-01-01 10:00:00,1\n2024-01-01 10:05:00,2\n", ","),
    "milliseconds behind a comma": ("time, UTC;value, V\n10:00:00,123;5\n10:00:00,456;6\n", ";"),
    "dates with dots": ("Datum;Zeit;Text\n01.02.2024;10:00;ja, nein\n02.02.2024;11:00;nein\n", ";"),
    "semicolons in the text of a log": ("time,text\n10:00,a; b; c\n11:00,d\n", ","),
    # Quotes
    "quoted fields with semicolons": ('"a;b","c;d"\n"1;2","3;4"\n', ","),
    "quoted fields with commas": ('"a,b";"c,d"\n"1,2";"3,4"\n', ";"),
    "quoted fields with line ends": ('id;text\n1;"one\ntwo, three"\n2;"four\n\nfive"\n', ";"),
    "quoted header with all of them": ('"a,b;c|d\te"|"f"\n"1,2"|3\n', "|"),
    "doubled quotes": ('id,quote\n1,"he said ""a;b"""\n2,"c;d"\n', ","),
    "inch marks": ('size,name\n5",pipe; long\n7",tube; short\n', ","),
    # One column
    "one column": ("name\nAda\nBob\n", ","),
    "one column of decimals": ("preis\n1,5\n2,5\n3,5\n", ";"),
    "one column of sentences": ("text\nHello, world, again\nOne; two\nnothing\nyes, no\n", "\t"),
    "one column, one row": ("text\nHello, world\n", ";"),
    # Header only, very short
    "header only": ("a,b,c\n", ","),
    "header only with semicolons": ("a;b;c\n", ";"),
    "header only with punctuation": ("Preis, netto;Preis, brutto\n", ";"),
    "header only and a tie": ("a,b;c\n", ","),
    "header without a line end": ("a;b", ";"),
    "one row without a line end": ("a;b,c\n1;2,5", ";"),
    "two letters": ("a,b\n1,2", ","),
    # Ragged
    "a row too long": ("a;b;c\n1;2;3\n1;2;3;4\n1;2;3\n", ";"),
    "a row too short beside decimals": ("a, x;b, y;c\n" + "1,5;2,5;3\n" * 12 + "1,5;2,5\n", ";"),
    "all rows too short": ("a,b,c\n1,2\n3,4\n", ","),
    "blank lines between": ("a;b, c\n\n1;2\n\n3;4\n", ";"),
    # Exports
    "Excel, German": ("Nr;Name;Preis\r\n1;Müller, Söhne;1.234,50\r\n2;Café;0,99\r\n", ";"),
    "Excel with trailing empty columns": ("Nr;Name;;\r\n1;a, b;;\r\n2;c;;\r\n", ";"),
    "Excel, unicode text": ("Nr\tName\r\n1\ta;b,c\r\n", "\t"),
    "SAP": ("|Nr|Name|\n|1|a, b|\n|2|c|\n", "|"),
    "MySQL": ("id\tname\n1\tNULL\n2\ta,b\n", "\t"),
    "negative numbers and percent": ("a, %;b, %\n-1,5 %;2,5 %\n+3,0 %;4,0 %\n", ";"),
    "comma file with blanks behind commas": ("a, b, c\n1, 2, 3\n4, 5, 6\n", ","),
    "lone CR": ("a;b, c\r1;2\r3;4\r", ";"),
}  # fmt: skip


@pytest.mark.parametrize("name", DIALECTS)
def test_delimiter_fits_the_rows(name: str) -> None:
    text, delimiter = DIALECTS[name]
    content = text.encode()
    assert detect_delimiter(content) == delimiter.encode()
    assert detect_delimiter(b"\xef\xbb\xbf" + content) == delimiter.encode()
    finder = HeaderFinder()
    assert (finder.feed(content) or finder.finish()).dialect.delimiter == delimiter.encode()


def test_table_below_a_title_is_ragged_at_its_first_row() -> None:
    finder = HeaderFinder()
    content = b"Report of 2024\na;b;c\n1;2;3\n"
    header = finder.feed(content) or finder.finish()
    assert header.dialect.delimiter == b";"
    with pytest.raises(CsvFormatError) as raised:
        header.scanner().feed(finder.remainder)
    assert (raised.value.code, raised.value.row) == ("ragged_row", 1)


@pytest.mark.parametrize("block_bytes", [1, 7, 1000, 1 << 16, 1 << 20])
def test_rows_after_the_first_block_count_as_well(block_bytes: int) -> None:
    rows = b"a;b\n" * 3000 if block_bytes == 1 else b"a;b\n" * 100_000
    content = b"one, two;three\n" + rows
    finder = HeaderFinder()
    header = None
    for begin in range(0, len(content), block_bytes):
        header = finder.feed(content[begin : begin + block_bytes])
        if header is not None:
            break
    header = header or finder.finish()
    assert (header.dialect.delimiter, header.fields) == (b";", (b"one, two", b"three"))


def test_content_after_the_sample_does_not_count() -> None:
    """A stream is decided by its first blocks."""
    rows = b"1;2\n" * (SAMPLE_BYTES // 4)
    assert detect_delimiter(b"a, b;c\n" + rows[:SAMPLE_BYTES], is_whole=False) == b";"
    finder = HeaderFinder()
    assert finder.feed(b"a, b;c\n" + rows[:-1]) is None
    header = finder.feed(b"\n")
    assert header is not None
    assert header.dialect.delimiter == b";"


def test_row_that_is_cut_off_by_the_sample_does_not_count() -> None:
    assert detect_delimiter(b"a, b;c\n1;2\n1", is_whole=False) == b";"
    assert detect_delimiter(b"a, b;c\n" + b"x" * 1000, is_whole=False) == b";"
