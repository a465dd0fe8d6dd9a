"""East Asian encodings: the second byte of a character is not a delimiter."""

from __future__ import annotations

import codecs

import pytest

from csvscan import CsvFormatError, Dialect, FaultLog, HeaderFinder, Scanner, check_encoding, split_record
from csvscan.bits import Block, positions
from csvscan.encoding import encoding_check
from csvscan.multibyte import MULTIBYTE_ENCODINGS, TrailMask, needs_trail_mask
from csvscan.transcoder import MultibyteTranscoder

MASKED = [name for name in MULTIBYTE_ENCODINGS if needs_trail_mask(name, b"|")]
TRICKY = {  # second bytes 0x5C, 0x7C and 0x5E
    "shift_jis": "ソ表能|ポ",
    "cp932": "ソ表能ー①ポ",
    "gbk": "乗俓倈亅",
    "gb18030": "乗俓\U00020000亅倈",
    "cp949": "힣가갂똠",
    "big5": "功許蓋",
    "cp950": "功許蓋育",
    "big5hkscs": "功許蓋",
}


def pairs(encoding: str) -> list[bytes]:
    """Return every character of two bytes."""
    found = []
    for lead in range(0x81, 0xFF):
        for trail in range(0x30, 0xFF):
            data = bytes((lead, trail))
            try:
                text = data.decode(encoding)
            except UnicodeDecodeError:
                continue
            if len(text) == 1 or encoding == "big5hkscs":  # which has pairs of code points as one character
                found.append(data)
    return found


def trail_places(data: bytes, encoding: str, cut: int) -> list[int]:
    mask = TrailMask(encoding)
    return [base + at for base, part in ((0, data[:cut]), (cut, data[cut:])) if part for at in _places(mask, part)]


@pytest.mark.parametrize("encoding", MASKED)
def test_second_byte_of_every_character_is_found(encoding: str) -> None:
    mask = TrailMask(encoding)
    first, *others = pairs(encoding)
    assert _places(mask, first[:1]) == []
    rest = first[1:]
    for data in (*others, first):  # each once more cut by the border of two blocks
        assert _places(mask, rest + b"a" + data + b"b" + data + data[:1]) == [0, 3, 6], data
        rest = data[1:]
    assert _places(mask, rest) == [0]


def _places(mask: TrailMask, block: bytes) -> list[int]:
    trails = mask.feed(Block(block))
    return [] if trails is None else positions(trails).tolist()


@pytest.mark.parametrize("encoding", MASKED)
def test_trail_bytes_do_not_depend_on_the_cut(encoding: str) -> None:
    data = (TRICKY[encoding] + "a|b" + TRICKY[encoding] * 20).encode(encoding)
    wanted = []
    decoder = codecs.getincrementaldecoder(encoding)()
    for at in range(len(data)):
        held = bool(decoder.getstate()[0])
        decoder.decode(data[at : at + 1])
        if held and not (encoding == "gb18030" and decoder.getstate()[0] and at % 2):
            wanted.append(at)
    if encoding == "gb18030":  # the third byte of four begins a pair
        wanted = trail_places(data, encoding, 0)
    assert {tuple(trail_places(data, encoding, cut)) for cut in range(len(data) + 1)} == {tuple(wanted)}


@pytest.mark.parametrize("delimiter", [b"|", b"^", b"\\", b"~", b",", b";", b"\t"])
@pytest.mark.parametrize("encoding", MULTIBYTE_ENCODINGS)
def test_rows_are_those_that_python_reads_from_the_text(encoding: str, delimiter: bytes) -> None:
    word = TRICKY.get(encoding, "가나" if "kr" in encoding else "表示" if "jp" in encoding else "中文")
    word = word.replace(delimiter.decode(), "")
    sign = delimiter.decode()
    line = f'{word}{sign}{word}{sign}"{word}{sign}""\n{word}"\n'
    count = 1024 // len(line.encode(encoding)) + 1  # more than the first line is looked for in
    content = (f'{word}{sign}b{sign}"{word}{sign}"\n' + line * count).encode(encoding)
    for block_bytes in (1, 2, 3, 64, 1000, len(content)):
        finder = HeaderFinder(delimiter=delimiter, encoding=encoding)
        for begin in range(0, len(content), block_bytes):
            assert finder.feed(content[begin : begin + block_bytes]) is None or len(content) > 1024
            if finder.remainder:
                break
        header = finder.finish()
        assert [name.decode(encoding) for name in header.fields] == [word, "b", f"{word}{sign}"]
        body = content[len(header.prefix) :]
        scanner = header.scanner()
        rows = sum(scanner.feed(body[at : at + block_bytes]).rows for at in range(0, len(body), block_bytes))
        assert rows + scanner.finish().rows == count
        assert scanner.encoding == check_encoding(encoding)
        row = split_record(body[: len(body) // count], header.dialect)
        assert [field.decode(encoding) for field in row] == [word, word, f'{word}{sign}"\n{word}']


def test_quote_after_a_second_byte_does_not_open_a_field() -> None:
    content = 'a|b\nソ表"x|y\n1|2\n'.encode("cp932")
    header = HeaderFinder(delimiter=b"|", encoding="cp932")
    found = header.feed(content) or header.finish()
    scanner = found.scanner()
    assert scanner.feed(header.remainder).rows == 2
    scanner.finish()


@pytest.mark.parametrize("encoding", MULTIBYTE_ENCODINGS)
@pytest.mark.parametrize("bad", [b"\x81\n", b"\xff", b"\x81\x00", b"\xfd\x20", b"\x81"])
def test_invalid_bytes_have_the_offset_that_python_reports(encoding: str, bad: bytes) -> None:
    good = TRICKY.get(encoding, "").encode(encoding)
    data = good + bad
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        place = error.start
    else:
        pytest.fail("this must not be valid") if bad == b"\x81\n" else None
        return
    found = set()
    for cut in range(len(data) + 1):
        check = encoding_check(encoding)
        places = [
            base + at
            for base, part in ((0, data[:cut]), (cut, data[cut:]))
            if (at := check.feed(Block(part))) is not None
        ]
        at = check.finish()
        found.add(places[0] if places else None if at is None else len(data) + at)
    assert found == {place}


@pytest.mark.parametrize(("encoding", "bad"), [("gb18030", b"\xc31"), ("euc_jp", b"\x8f"), ("euc_kr", b"\xa4\xd4")])
@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"])
def test_row_of_a_character_that_a_line_end_cuts_off_is_the_one_that_it_begins_in(
    encoding: str, bad: bytes, line_end: bytes
) -> None:
    """Python's decoders of these wait for one or two more bytes before they say so."""
    data = b"1,2" + line_end + b"3," + bad + line_end + b"5,6" + line_end
    places = set()
    for first in range(len(data) + 1):
        for second in range(first, len(data) + 1):
            log = FaultLog(most=9)
            scanner = Scanner(dialect=Dialect(), expected_fields=2, encoding=encoding, faults=log)
            for part in (data[:first], data[first:second], data[second:]):
                scanner.feed(part)
            scanner.finish()
            places.add(tuple((each.row, each.byte) for each in log.first))
    assert places == {((2, data.index(bad)),)}


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("Shift-JIS", "shift_jis"),
        ("sjis", "shift_jis"),
        ("mskanji", "cp932"),
        ("ms932", "cp932"),
        ("GBK", "gbk"),
        ("cp936", "gbk"),
        ("gb18030-2000", "gb18030"),
        ("EUC-KR", "euc_kr"),
        ("uhc", "cp949"),
        ("ms949", "cp949"),
        ("EUC-JP", "euc_jp"),
        ("Big5", "big5"),
        ("ms950", "cp950"),
    ],
)
def test_encoding_has_its_name_in_python(alias: str, name: str) -> None:
    assert check_encoding(alias) == name


@pytest.mark.parametrize("encoding", MULTIBYTE_ENCODINGS)
@pytest.mark.parametrize("block_bytes", [1, 3, 100])
def test_transcoder_returns_the_text_as_utf8(encoding: str, block_bytes: int) -> None:
    text = ("a|b\n" + TRICKY.get(encoding, "plain")) * 5
    source = text.encode(encoding)
    transcoder = MultibyteTranscoder(encoding)
    parts = [transcoder.feed(source[at : at + block_bytes]) for at in range(0, len(source), block_bytes)]
    assert b"".join([*parts, transcoder.finish()]).decode() == source.decode(encoding)


@pytest.mark.parametrize("block_bytes", [1, 2, 100])
def test_transcoder_returns_the_valid_text_before_it_reports_the_fault(block_bytes: int) -> None:
    source = "表ソ,".encode("cp932") + b"\x81\n,more"
    transcoder = MultibyteTranscoder("cp932")
    parts = []
    with pytest.raises(CsvFormatError) as raised:  # noqa: PT012  what came before the error counts
        for at in range(0, len(source), block_bytes):
            parts.append(transcoder.feed(source[at : at + block_bytes]))  # noqa: PERF401
        parts.append(transcoder.finish())
    assert (raised.value.code, raised.value.byte) == ("invalid_encoding", 5)
    assert b"".join(parts).decode() == "表ソ,"
