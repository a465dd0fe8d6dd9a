from __future__ import annotations

from csvscan import Dialect, FaultLog, Scanner


def scan(content: bytes, *, encoding: str | None = None, block_bytes: int = 1 << 20) -> FaultLog:
    log = FaultLog()
    scanner = Scanner(dialect=Dialect(), expected_fields=2, encoding=encoding, faults=log)
    for start in range(0, len(content), block_bytes):
        scanner.feed(content[start : start + block_bytes])
    scanner.finish()
    return log


def test_first_faults_are_described_and_all_are_counted() -> None:
    log = scan(b"1,2\n" + b"1\n1,\0\n" * 50_000, block_bytes=77_777)
    assert log.counts == {"ragged_row": 50_000, "nul_byte": 50_000}
    assert [fault.code for fault in log.first] == ["ragged_row", "nul_byte"] * 10
    assert [fault.row for fault in log.first] == list(range(2, 22))


def test_row_has_at_most_one_fault_of_each_kind() -> None:
    content = b"1,2\n\xff\0\xff\0\xff\n" + b"\xff" * 300 + b"\n1,2\n"
    log = scan(content, encoding="utf-8", block_bytes=100)
    assert log.counts == {"invalid_encoding": 2, "nul_byte": 1, "ragged_row": 2}
    assert [(fault.code, fault.row, fault.byte) for fault in log.first] == [
        ("invalid_encoding", 2, 4),
        ("nul_byte", 2, 5),
        ("ragged_row", 2, 4),
        ("invalid_encoding", 3, 10),
        ("ragged_row", 3, 10),
    ]


def test_every_row_in_another_encoding_is_counted() -> None:
    log = scan("é,2\n".encode("latin-1") * 200_000, encoding="utf-8")
    assert log.counts == {"invalid_encoding": 200_000}


def test_undefined_bytes_of_a_single_byte_encoding_are_counted_by_row() -> None:
    log = scan(b"\x81\x81,2\n1,2\n" * 100_000, encoding="cp1252")
    assert log.counts == {"invalid_encoding": 100_000}


def test_invalid_rows_of_a_multibyte_encoding_do_not_hide_later_ones() -> None:
    log = scan(b"\x81\n\x83\x5c,2\n\x81\x0a\x81 ,2\n", encoding="cp932")
    assert [(fault.code, fault.row) for fault in log.first] == [
        ("invalid_encoding", 1),
        ("ragged_row", 1),
        ("invalid_encoding", 3),
        ("ragged_row", 3),
        ("invalid_encoding", 4),
    ]


def test_fault_after_an_unterminated_quote_is_not_looked_for() -> None:
    log = scan(b'1\n1,"2\n3\n4\n')
    assert [(fault.code, fault.row, fault.byte) for fault in log.first] == [
        ("ragged_row", 1, 0),
        ("unterminated_quote", 2, 4),
    ]
