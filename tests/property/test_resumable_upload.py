"""Any requests, breaks and crashes: a resumable upload gives the chunks, or the fault, of one unbroken upload."""

from __future__ import annotations

import asyncio
import codecs
import gzip
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import CsvPipeError
from csvscan import Strictness
from tests.property.csv_texts import DELIMITERS, csv_texts
from tests.support.examples import examples
from tests.support.uploader.fake_executor import FakeImmediateExecutor
from tests.support.uploader.ingest import Received, form, receive, settings_for, stream
from tests.support.uploader.part_uploads import PartUpload
from tests.support.zstd import zstd
from uploader.domain.cutting import ChunkType, CutOptions
from uploader.errors import UploadAbortedError
from uploader.ingest.chunking import chunk_plan
from uploader.ingest.pipeline import blocks
from uploader.resumable.background_digests import BackgroundDigests

Outcome = Received | tuple[str, str, dict[str, object]]
"""What a file becomes, or the code, the text and the place of its first fault."""
_PLACE = ("reason", "row", "byte", "expected", "found", "hint")


@settings(max_examples=examples(20))
@given(
    data=st.data(),
    delimiter=DELIMITERS,
    declared=st.booleans(),
    ragged=st.booleans(),
    strict=st.sampled_from(Strictness),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be"]),
    option=st.tuples(st.sampled_from(ChunkType), st.integers(1, 9)),
    block_bytes=st.integers(4, 50),
    pack=st.sampled_from([bytes, bytes, gzip.compress, zstd.compress]),
)
def test_result_is_that_of_one_unbroken_upload(
    *,
    data: st.DataObject,
    delimiter: str,
    declared: bool,
    ragged: bool,
    strict: Strictness,
    encoding: str,
    option: tuple[ChunkType, int],
    block_bytes: int,
    pack: Callable[[bytes], bytes],
) -> None:
    text = data.draw(csv_texts(delimiter, ragged=ragged))
    source = pack((codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b"") + text.encode(encoding))
    options = CutOptions(
        dataset_name="d",
        chunk_type=option[0],
        chunk_size=option[1],
        delimiter=delimiter.encode() if declared else None,
        strict=strict,
    )
    with tempfile.TemporaryDirectory() as temp_dir, _small(block_bytes):
        plain = _outcome(lambda: _send_plainly(source, options, Path(temp_dir)))
        resumed = _outcome(lambda: _send_in_pieces(source, options, Path(temp_dir), data))
    assert resumed == plain


async def _send_plainly(source: bytes, options: CutOptions, temp_dir: Path) -> Received:
    fields = {
        "dataset_name": options.dataset_name,
        "chunk_type": options.chunk_type.value,
        "chunk_size": str(options.chunk_size),
        "strict": options.strict.value,
        "delimiter": (options.delimiter or b"").decode(),
    }
    body = form([*((name, value.encode()) for name, value in fields.items()), ("file", source)])
    return await receive(stream([body]), temp_dir=temp_dir, settings=settings_for(temp_dir))


async def _send_in_pieces(source: bytes, options: CutOptions, temp_dir: Path, data: st.DataObject) -> Received:
    upload = PartUpload(temp_dir, options, length=len(source))
    workers = _start_workers()
    while (offset := upload.offset) < len(source):
        size = data.draw(st.integers(1, max(1, min(80, len(source) - offset))), label="bytes of the request")
        before = upload.save_copy()
        breaks = data.draw(st.booleans(), label="the connection breaks")
        try:
            worker = data.draw(st.sampled_from(workers), label="worker")
            await upload.send(source[offset : offset + size], pieces=(7, 3), breaks=breaks, worker=worker)
        except UploadAbortedError:
            assert breaks
        assert upload.offset == offset + size  # what has arrived is kept
        if data.draw(st.sampled_from([False, False, True]), label="and the process is killed before it has saved"):
            upload.crash_to(before)
            workers = _start_workers()
            assert upload.offset == offset
    return await upload.finish(worker=data.draw(st.sampled_from(workers), label="worker that finishes"))


def _start_workers() -> list[BackgroundDigests]:
    """Return two workers that hash what is durable at once."""
    return [BackgroundDigests(threads=FakeImmediateExecutor()) for _ in range(2)]


def _outcome(send: Callable[[], Coroutine[None, None, Received]]) -> Outcome:
    try:
        return asyncio.run(send())
    except CsvPipeError as error:
        # Others than the first fault are found as far as the bytes have come.
        return error.code, error.detail, {name: error.extra[name] for name in _PLACE if name in error.extra}


@contextmanager
def _small(block_bytes: int) -> Iterator[None]:
    """Let blocks and "megabytes" be of a few bytes, so that everything happens in small files."""
    with (
        patch.object(blocks.BlockPool.__init__, "__kwdefaults__", {"count": 3, "size_bytes": block_bytes}),
        patch("uploader.ingest.chunking.spool_file.DEFAULT_BLOCK_BYTES", block_bytes),
        patch("uploader.resumable.part_cutting.DEFAULT_BLOCK_BYTES", block_bytes),
        patch("uploader.resumable.content_follower.DEFAULT_BLOCK_BYTES", block_bytes),
        patch("uploader.resumable.part_digests.DEFAULT_BLOCK_BYTES", block_bytes),
        patch("csvscan.header.PROBE_BYTES", 8),
        patch("csvscan.header.SAMPLE_BYTES", 16),
        patch.object(chunk_plan, "BYTES_PER_MB", 3),
    ):
        yield
