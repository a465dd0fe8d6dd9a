"""Byte order marks, declared encodings, and the UTF-8 that results."""

from __future__ import annotations

import pytest

from csvscan import CsvFormatError, Transcoder

TEXT = "a,ü\n1,東京\n" * 3


def transcode(source: bytes, *, declared: str | None, block_bytes: int) -> tuple[bytes, str | None]:
    transcoder = Transcoder(declared=declared)
    parts = [transcoder.feed(source[at : at + block_bytes]) for at in range(0, len(source), block_bytes)]
    return b"".join([*parts, transcoder.finish()]), transcoder.transcoded_from


@pytest.mark.parametrize("block_bytes", [1, 3, 1000])
@pytest.mark.parametrize(
    ("source", "declared", "transcoded_from"),
    [
        (TEXT.encode("utf-16"), None, "utf-16-le"),
        (TEXT.encode("utf-16"), "utf-16", "utf-16-le"),
        (("\ufeff" + TEXT).encode("utf-16-be"), "utf-16-be", "utf-16-be"),
        (TEXT.encode("shift_jis", "replace"), "shift_jis", "shift_jis"),
    ],
)
def test_source_becomes_utf8(source: bytes, declared: str | None, transcoded_from: str, block_bytes: int) -> None:
    text = source.decode("utf-16" if transcoded_from.startswith("utf-16") else transcoded_from)
    assert transcode(source, declared=declared, block_bytes=block_bytes) == (
        text.removeprefix("\ufeff").encode(),
        transcoded_from,
    )


@pytest.mark.parametrize("block_bytes", [1, 3, 1000])
@pytest.mark.parametrize(
    ("source", "declared"),
    [
        (b"", None),
        (b"a", None),
        (b"\xff\xfe\0\0", None),
        (TEXT.encode("utf-8-sig"), None),
        (TEXT.encode("cp1252", "replace"), "cp1252"),
    ],
)
def test_other_bytes_pass_through(source: bytes, declared: str | None, block_bytes: int) -> None:
    assert transcode(source, declared=declared, block_bytes=block_bytes) == (source, None)


@pytest.mark.parametrize(
    ("source", "declared"),
    [
        (TEXT.encode("utf-16-le"), "utf-16-le"),
        (TEXT.encode(), "utf-16"),
        (TEXT.encode("utf-16"), "utf-16-be"),
        (TEXT.encode("utf-16"), "cp1252"),
        (b"", "utf-16"),
    ],
)
def test_declared_encoding_that_contradicts_the_byte_order_mark_is_refused(source: bytes, declared: str) -> None:
    with pytest.raises(CsvFormatError) as raised:
        transcode(source, declared=declared, block_bytes=1000)
    assert (raised.value.code, raised.value.row, raised.value.byte) == ("invalid_encoding", 0, 0)


def test_check_repeats_the_error_with_the_row_that_is_current_now() -> None:
    rows = iter([1, 2])
    transcoder = Transcoder(current_row=lambda: next(rows))
    assert bytes(transcoder.feed(b"\xff\xfea\0\x00\xd8b\0")) == b"a"
    for row in (1, 2):
        with pytest.raises(CsvFormatError) as raised:
            transcoder.check()
        assert (raised.value.row, raised.value.byte) == (row, 4)


def test_check_of_a_content_that_has_not_ended_passes() -> None:
    transcoder = Transcoder()
    transcoder.feed(b"\xff\xfea\0b")
    transcoder.check()
