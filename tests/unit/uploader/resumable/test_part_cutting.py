"""The end of a resumable upload whose bytes were hashed while they arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock, patch

import pytest

from csvscan import Strictness
from tests.support.uploader.fake_executor import FakeImmediateExecutor
from tests.support.uploader.ingest import Received
from tests.support.uploader.part_uploads import PartUpload
from uploader.domain.cutting import ChunkType, CutOptions
from uploader.ingest.pipeline.file_io import hash_file
from uploader.resumable.background_digests import BackgroundDigests

CONTENT = b"id\n" + b"".join(b"%d\n" % row for row in range(1000))


def _options(chunk_type: ChunkType, chunk_size: int) -> CutOptions:
    return CutOptions(
        dataset_name="d",
        chunk_type=chunk_type,
        chunk_size=chunk_size,
        delimiter=b",",
        strict=Strictness.STRICT,
    )


def _receive(
    temp_dir: Path,
    options: CutOptions,
    *,
    content: bytes = CONTENT,
    receiver: BackgroundDigests | None = None,
    at_end: Callable[[], BackgroundDigests | None] = lambda: None,
) -> Received:
    async def run() -> Received:
        upload = PartUpload(temp_dir, options, length=len(content))
        for start in range(0, len(content), 700):
            await upload.send(content[start : start + 700], worker=receiver)
        return await upload.finish(worker=at_end())

    return asyncio.run(run())


@pytest.fixture
def worker() -> BackgroundDigests:
    return BackgroundDigests(threads=FakeImmediateExecutor())


@pytest.mark.parametrize("tail", [b"", b"\n\n\n"])
@pytest.mark.parametrize(
    "options",
    [
        _options(ChunkType.ROWS, 100),
        _options(ChunkType.ROWS, 10_000),
        _options(ChunkType.SIZE, 1),
        _options(ChunkType.COUNT, 5),
    ],
)
def test_what_was_hashed_is_not_read_again(
    tmp_path: Path, worker: BackgroundDigests, options: CutOptions, tail: bytes
) -> None:
    """Only one chunk that blank lines were added to. Those by count are hashed while they are copied."""
    content = CONTENT + tail
    expected = _receive(tmp_path / "plain", options, content=content)
    with (
        patch("uploader.ingest.chunking.chunk_builder.hash_file", Mock(side_effect=hash_file)) as of_chunks,
        patch("uploader.resumable.part_cutting.hash_file", Mock(side_effect=AssertionError)),
    ):
        found = _receive(tmp_path / "hashed", options, content=content, receiver=worker, at_end=lambda: worker)
    assert found == expected
    assert of_chunks.call_count == (options == _options(ChunkType.ROWS, 100) and bool(tail))


def test_upload_that_another_process_finishes_is_hashed_there(tmp_path: Path, worker: BackgroundDigests) -> None:
    options = _options(ChunkType.ROWS, 100)
    expected = _receive(tmp_path / "plain", options)
    assert _receive(tmp_path / "hashed", options, receiver=worker) == expected


def test_lost_hashes_are_computed_from_the_file(tmp_path: Path, worker: BackgroundDigests) -> None:
    options = _options(ChunkType.ROWS, 100)
    expected = _receive(tmp_path / "plain", options)
    lost = Mock(find=Mock(return_value=Mock(is_lost=False, position=len(CONTENT), finish=Mock(return_value=None))))
    assert _receive(tmp_path / "hashed", options, receiver=worker, at_end=lambda: lost) == expected
