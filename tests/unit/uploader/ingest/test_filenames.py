"""File names in every form that clients send."""

from __future__ import annotations

import encodings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uploader.ingest.filenames import LONGEST_NAME, parse_filename


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        ('filename="a.csv"', "a.csv"),
        ("filename=a.csv", "a.csv"),
        ('FileName="a.csv"', "a.csv"),
        ('filename="größe.csv"', "größe.csv"),
        ('filename="r\\"q\\".csv"', 'r"q".csv'),
        ('filename="a;b=c.csv"', "a;b=c.csv"),
        ('filename=""', ""),
        # RFC 8187
        ("filename*=UTF-8''gr%C3%B6%C3%9Fe.csv", "größe.csv"),
        ("filename*=utf-8'de'gr%C3%B6%C3%9Fe.csv", "größe.csv"),
        ("filename*=iso-8859-1''gr%F6%DFe.csv", "größe.csv"),
        ("filename=\"groesse.csv\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.csv", "größe.csv"),
        ("filename*=UTF-8''gr%C3%B6%C3%9Fe.csv; filename=\"groesse.csv\"", "größe.csv"),
        ("filename*=\"UTF-8''gr%C3%B6.csv\"", "grö.csv"),
        ("filename=\"a.csv\"; filename*=no-such''x.csv", "a.csv"),
        ("filename=\"a.csv\"; filename*=UTF-8''%FF%FE", "a.csv"),
        ('filename="a.csv"; filename*=broken', "a.csv"),
        ("filename*=broken.csv", "broken.csv"),
        ("filename*=hex''6162", "hex''6162"),
        # RFC 2047
        ('filename="=?utf-8?B?Z3LDtsOfZS5jc3Y=?="', "größe.csv"),
        ('filename="=?utf-8?Q?gr=C3=B6=C3=9Fe.csv?="', "größe.csv"),
        ('filename="=?iso-8859-1?q?gr=F6=DFe.csv?="', "größe.csv"),
        ('filename="=?utf-8?B?Z3LDtg==?= =?utf-8?B?w59lLmNzdg==?="', "größe.csv"),
        ('filename="=?no-such?B?Z3LDtg==?="', "=?no-such?B?Z3LDtg==?="),
        ('filename="=?utf-8?B?/w==?="', "\ufffd"),
        ('filename="=?utf-8?B?abcde?="', "=?utf-8?B?abcde?="),
        # Percent-encoded
        ('filename="gr%C3%B6%C3%9Fe.csv"', "größe.csv"),
        ('filename="a%22b.csv"', 'a"b.csv'),
        ('filename="100%.csv"', "100%.csv"),
        ('filename="50%zz.csv"', "50%zz.csv"),
        ('filename="%FF.csv"', "%FF.csv"),
        # Directories
        (r'filename="C:\Users\me\a.csv"', "a.csv"),
        (r'filename="C:\\Users\\me\\a.csv"', "a.csv"),
        (r'filename="\\server\share\a.csv"', "a.csv"),
        ('filename="dir/sub/a.csv"', "a.csv"),
        ('filename="../../etc/passwd"', "passwd"),
        ('filename="..%2F..%2Fetc%2Fpasswd"', "passwd"),
        ("filename*=UTF-8''..%5C..%5Ca.csv", "a.csv"),
        ('filename=".."', ""),
        ('filename="dir/"', ""),
    ],
)
def test_file_name_is_decoded(parameter: str, name: str) -> None:
    assert parse_filename(f'form-data; name="file"; {parameter}'.encode()) == name


@pytest.mark.parametrize(
    "parameter",
    ["filename*={charset}''x.csv", 'filename="=?{charset}?q?x.csv?="', 'filename="=?{charset}?b?eC5jc3Y=?="'],
    ids=["RFC 8187", "RFC 2047 Q", "RFC 2047 B"],
)
def test_unknown_charsets_take_no_memory(parameter: str) -> None:
    kept = vars(encodings)["_cache"]  # every name that Python was ever asked for
    known = len(kept)
    for number in range(20):
        charset = f"no-such-{len(parameter)}-{number}-{'a' * 3_000}"
        parse_filename(f'form-data; name="file"; {parameter.format(charset=charset)}'.encode())
    assert len(kept) == known


@pytest.mark.parametrize("charset", ["punycode", "idna", "unicode_escape", "raw_unicode_escape", "hex", "undefined"])
def test_charset_that_is_none_of_text_files_is_not_decoded(charset: str) -> None:
    """Punycode takes time for long names, and escapes make halves of characters."""
    name = parse_filename(f"form-data; name=file; filename*={charset}''%5Cud800-a.csv".encode())
    assert name == "ud800-a.csv", "the name is percent-encoded, and the backslash is that of a directory"


def test_latin_1_name_is_decoded() -> None:
    assert parse_filename('form-data; name="file"; filename="größe.csv"'.encode("latin-1")) == "größe.csv"


@pytest.mark.parametrize(
    "disposition", [b'form-data; name="filename"', b"form-data", b'form-data; name="a; filename=b"']
)
def test_field_without_a_file_name_is_a_field(disposition: bytes) -> None:
    assert parse_filename(disposition) is None


def test_long_name_is_truncated() -> None:
    assert parse_filename(b'form-data; name="file"; filename="' + b"x" * 9999 + b'"') == "x" * LONGEST_NAME


BEGINNINGS = [b"filename=", b"filename*=", b'filename="', b"filename*=utf-8''", b'filename="=?utf-8?B?']


@given(st.binary(max_size=100), st.sampled_from(BEGINNINGS))
def test_missing_name_is_an_error(value: bytes, begin: bytes) -> None:
    name = parse_filename(b'form-data; name="file"; ' + begin + value)
    assert name is None or not set(name) & {"/", "\\"}
