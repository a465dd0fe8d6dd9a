"""Hashes of a resumable upload that are computed while its bytes arrive."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.uploader.fake_executor import FakeImmediateExecutor
from uploader.resumable.part_digests import Cuts, FileDigests, PartDigests

HEADER = b"id\n"
CONTENT = HEADER + b"".join(b"%d\n" % row for row in range(500))
END = len(CONTENT)
ENDS = (103, 203, 1003)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def digests(path: Path) -> PartDigests:
    return PartDigests(path, threads=FakeImmediateExecutor())


def _known_at(position: int) -> Cuts:
    return Cuts(HEADER, [end for end in ENDS if end <= position])


def _finish(digests: PartDigests, *, size: int = END) -> FileDigests | None:
    return digests.finish(size, _known_at(size), check_stopped=lambda: None)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


EXPECTED = {
    (len(HEADER), 103): _sha256(CONTENT[:103]),
    (103, 203): _sha256(HEADER + CONTENT[103:203]),
    (203, 1003): _sha256(HEADER + CONTENT[203:1003]),
    (1003, END): _sha256(HEADER + CONTENT[1003:]),
}


@pytest.mark.parametrize("step", [1, 50, 100, 103, 10_000])
@pytest.mark.parametrize("left", [0, 1, 700])
def test_hashes_are_those_of_the_file_and_its_chunks(digests: PartDigests, step: int, left: int) -> None:
    for end in range(step, END - left, step):
        digests.follow(end, _known_at(end))
        assert digests.position == end
    assert _finish(digests) == FileDigests(_sha256(CONTENT), EXPECTED)
    assert _finish(digests) == FileDigests(_sha256(CONTENT), EXPECTED)  # again, with the chunks under other names


def test_end_of_a_chunk_may_be_found_after_its_last_byte_was_hashed(digests: PartDigests) -> None:
    """A CR at the end of a block ends a row if no LF follows."""
    digests.follow(103, Cuts(HEADER, []))
    digests.follow(150, _known_at(150))
    assert _finish(digests) == FileDigests(_sha256(CONTENT), EXPECTED)


def test_end_of_a_chunk_that_has_passed_loses_the_hashes(digests: PartDigests) -> None:
    digests.follow(104, Cuts(HEADER, []))
    digests.follow(150, _known_at(150))
    assert digests.is_lost
    assert _finish(digests) is None


def test_file_that_is_gone_loses_the_hashes(digests: PartDigests, path: Path) -> None:
    digests.follow(150, _known_at(150))
    path.unlink()
    digests.follow(300, _known_at(300))
    assert digests.is_lost
    assert _finish(digests) is None


def test_file_that_is_too_short_loses_the_hashes(digests: PartDigests) -> None:
    assert _finish(digests, size=END + 1) is None


def test_stopped_hashes_follow_no_more(digests: PartDigests) -> None:
    digests.follow(150, _known_at(150))
    digests.stop()
    digests.follow(300, _known_at(300))
    assert digests.position == 150
    assert _finish(digests) is None


def test_stopped_threads_lose_the_hashes(path: Path) -> None:
    threads = ThreadPoolExecutor()
    threads.shutdown()
    digests = PartDigests(path, threads=threads)
    digests.follow(150, _known_at(150))
    assert digests.is_lost


def test_abandoned_end_may_be_repeated(digests: PartDigests) -> None:
    class _AbandonedError(Exception):
        pass

    def stop() -> None:
        raise _AbandonedError

    digests.follow(150, _known_at(150))
    with pytest.raises(_AbandonedError):
        digests.finish(END, _known_at(END), check_stopped=stop)
    assert _finish(digests) == FileDigests(_sha256(CONTENT), EXPECTED)


def test_bytes_are_hashed_in_the_background(path: Path) -> None:
    with ThreadPoolExecutor() as threads:
        digests = PartDigests(path, threads=threads)
        for end in range(1, END):
            digests.follow(end, _known_at(end))
    assert digests.position == END - 1
    assert _finish(digests) == FileDigests(_sha256(CONTENT), EXPECTED)
