"""Uploads that fail on the uploader's side, stall, or send their fields late."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

from contracts.names import BYTES_PER_MB
from csvscan.bits import MaskMaker
from tests.support.uploader.ingest import Part, cut_up, form, receive, settings_for, stream
from tests.support.waiting import wait_until
from uploader.disk.directories import STAGING
from uploader.domain.cutting import CutOptions, CutResult
from uploader.errors import (
    DiskFailedError,
    DiskFullError,
    FileTooLargeError,
    InvalidFieldError,
    MalformedMultipartError,
    UploadAbortedError,
    UploadStalledError,
)
from uploader.ingest import upload_receiver
from uploader.ingest.chunking.chunk_builder import ChunkBuilder
from uploader.ingest.chunking.chunking_job import ChunkingJob
from uploader.ingest.chunking.spool_file import SpoolFile
from uploader.ingest.pipeline.blocks import Block, BlockPool
from uploader.ingest.pipeline.file_io import write_all
from uploader.ingest.pipeline.syncer import GrowingFile
from uploader.settings import UPLOAD_WINDOW_S

FIELDS: list[Part] = [("dataset_name", b"people"), ("chunk_type", b"rows"), ("chunk_size", b"2")]
ROWS: Part = ("file", b"id\n1\n2\n3\n4\n5\n")
BIG: Part = ("file", b"id\n" + b"1\n" * (6 * BYTES_PER_MB))
BIG_FIELDS: list[Part] = [("dataset_name", b"people"), ("chunk_size", b"1")]
WAYS = {"cut while it comes": [*BIG_FIELDS, BIG], "kept, then cut": [BIG, *BIG_FIELDS]}


def body_of(parts: list[Part], piece_bytes: int = 65536) -> AsyncIterator[bytes]:
    return stream(cut_up(form(parts), [piece_bytes]))


class SkippingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock can be put forward."""

    skipped_s = 0.0

    def time(self) -> float:
        return super().time() + self.skipped_s


@pytest.fixture
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """Check that no file and no thread is left."""
    threads = threading.active_count()
    yield
    assert list((tmp_path / STAGING).iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == [STAGING]
    wait_until(lambda: threading.active_count() <= threads, what="no thread is left", deadline_s=20, poll_s=0.01)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("call", ["os.write", "os.fsync"])
def test_full_disk_is_reported_and_leaves_no_files(tmp_path: Path, way: str, call: str) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    with (
        patch(f"uploader.ingest.pipeline.file_io.{call}", side_effect=full),
        pytest.raises(DiskFullError),
    ):
        asyncio.run(receive(body_of(WAYS[way]), temp_dir=tmp_path))


@pytest.mark.usefixtures("nothing_left")
def test_disk_without_room_for_spool_and_chunks_is_reported_before_building(tmp_path: Path) -> None:
    def disk_usage(directory: Path) -> SimpleNamespace:
        used = sum(path.stat().st_size for path in directory.iterdir())
        return SimpleNamespace(free=20 * BYTES_PER_MB - used)

    settings = settings_for(tmp_path, min_free_disk_mb=1, low_disk_mb=1)
    with (
        patch("uploader.ingest.size_limits.shutil.disk_usage", disk_usage),
        patch.object(ChunkBuilder, "build", side_effect=AssertionError),
        pytest.raises(DiskFullError, match="MIN_FREE_DISK_MB"),
    ):
        asyncio.run(receive(body_of(WAYS["kept, then cut"]), temp_dir=tmp_path, settings=settings))


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS])
@pytest.mark.parametrize("way", WAYS)
def test_failing_disk_is_reported_as_failed_not_full(tmp_path: Path, way: str, number: int) -> None:
    broken = OSError(number, os.strerror(number))
    with (
        patch("uploader.ingest.pipeline.file_io.os.write", side_effect=broken),
        pytest.raises(DiskFailedError, match=os.strerror(number)),
    ):
        asyncio.run(receive(body_of(WAYS[way]), temp_dir=tmp_path))


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("way", WAYS)
def test_cancelled_upload_leaves_no_files(tmp_path: Path, way: str) -> None:
    async def cancel_when_it_waits_for_more() -> None:
        waits = asyncio.Event()

        async def never_ending() -> AsyncIterator[bytes]:
            async for piece in body_of(WAYS[way]):
                if len(piece) < 65536:
                    waits.set()
                    await asyncio.Event().wait()
                yield piece

        task = asyncio.create_task(receive(never_ending(), temp_dir=tmp_path))
        await waits.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel_when_it_waits_for_more())


@pytest.mark.usefixtures("nothing_left")
def test_cancelled_cut_of_the_spool_leaves_no_files(tmp_path: Path) -> None:
    async def cancel_while_chunks_are_built() -> None:
        loop, building, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

        def copy_range(*_: object, **__: object) -> None:
            loop.call_soon_threadsafe(building.set)
            go_on.wait(20)

        with patch("uploader.ingest.chunking.chunk_builder.copy_range", copy_range):
            task = asyncio.create_task(receive(body_of(WAYS["kept, then cut"]), temp_dir=tmp_path))
            await building.wait()
            task.cancel()
            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(cancel_while_chunks_are_built())


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("harm", [Path.unlink, lambda path: os.truncate(path, 1)], ids=["gone", "cut short"])
def test_damaged_chunk_file_fails_the_upload(tmp_path: Path, way: str, harm: Callable[[Path], None]) -> None:
    describe, described = ChunkingJob.result, []

    def describe_harmed(job: ChunkingJob, **known: Any) -> CutResult:
        harm(job.chunk_path(1))
        described.append(describe(job, **known))
        return described[0]

    with patch.object(ChunkingJob, "result", describe_harmed), pytest.raises(OSError, match="chunk_001"):
        asyncio.run(receive(body_of(WAYS[way]), temp_dir=tmp_path))
    assert described == []


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("way", WAYS)
def test_files_are_closed_off_the_event_loop(tmp_path: Path, way: str) -> None:
    """The last close of a file without a name frees its blocks, which takes half a second for a gigabyte."""
    closed_by = []

    def noting_thread(close: Callable[..., None]) -> Callable[..., None]:
        def note_and_close(file: SpoolFile | GrowingFile) -> None:
            closed_by.append(threading.current_thread())
            close(file)

        return note_and_close

    async def breaks_off() -> AsyncIterator[bytes]:
        async for piece in body_of(WAYS[way]):
            yield piece
            if len(piece) < 65536:
                raise UploadAbortedError("broken off")

    with (
        patch.object(SpoolFile, "close", noting_thread(SpoolFile.close)),
        patch.object(GrowingFile, "abandon", noting_thread(GrowingFile.abandon)),
        pytest.raises(UploadAbortedError),
    ):
        asyncio.run(receive(breaks_off(), temp_dir=tmp_path))
    assert closed_by
    assert threading.main_thread() not in closed_by


CUT_LATE = {"kept, then cut": [ROWS, *FIELDS], "cut again": [FIELDS[0], ROWS, *FIELDS[1:]]}


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("way", CUT_LATE)
def test_long_cut_does_not_block_other_uploads(tmp_path: Path, way: str) -> None:
    async def receive_another_meanwhile() -> None:
        loop, cutting, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
        loop.set_default_executor(ThreadPoolExecutor(max_workers=1))
        cut_at_once = SpoolFile.cut

        def cut(cutter: SpoolFile, options: CutOptions, *, content_sha256: str) -> CutResult:
            loop.call_soon_threadsafe(cutting.set)
            go_on.wait(120)
            return cut_at_once(cutter, options, content_sha256=content_sha256)

        with patch.object(SpoolFile, "cut", cut):
            long = asyncio.create_task(receive(body_of(CUT_LATE[way]), temp_dir=tmp_path))
            await cutting.wait()
            try:
                await asyncio.wait_for(receive(body_of([*FIELDS, ROWS]), temp_dir=tmp_path), 60)
            finally:
                go_on.set()
            assert (await long).content == ROWS[1]

    asyncio.run(receive_another_meanwhile())


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("owner", "name", "way"),
    [
        (upload_receiver, "check_disk", "kept, then cut"),
        (BlockPool, "acquire", "kept, then cut"),
        (BlockPool, "acquire", "cut while it comes"),
    ],
)
def test_client_delayed_by_the_uploader_does_not_time_out(tmp_path: Path, way: str, owner: object, name: str) -> None:
    loop, at_once = SkippingLoop(), getattr(owner, name)
    waited: list[str] = []

    async def late(*args: Any, **kwargs: Any) -> Any:
        if not waited:
            waited.append(name)
            loop.skipped_s += 2 * UPLOAD_WINDOW_S
            for _ in range(3):  # so that a time that is up is noticed
                await asyncio.sleep(0)
        return await at_once(*args, **kwargs)

    with (
        patch.object(owner, name, late),
        asyncio.Runner(loop_factory=lambda: loop) as runner,
    ):
        received = runner.run(receive(body_of(WAYS[way]), temp_dir=tmp_path))
    assert waited
    assert received.content == BIG[1]


@pytest.mark.usefixtures("nothing_left")
def test_stalled_client_times_out(tmp_path: Path) -> None:
    async def stalls() -> AsyncIterator[bytes]:
        yield form([*FIELDS, ROWS])[:-60]
        await asyncio.Event().wait()

    with pytest.raises(UploadStalledError):
        asyncio.run(receive(stalls(), temp_dir=tmp_path, window_s=0.05))


def test_slow_disk_throttles_the_client_instead_of_filling_memory(tmp_path: Path) -> None:
    go_on, sent_bytes = threading.Event(), 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal sent_bytes
        async for piece in body_of([*FIELDS[:1], ("file", b"id\n" + b"1\n" * (10 * BYTES_PER_MB))]):
            sent_bytes += len(piece)
            yield piece

    def write_all_late(fd: int, data: bytes | memoryview) -> None:
        go_on.wait(60)
        write_all(fd, data)

    async def watch() -> int:
        task = asyncio.create_task(receive(counted(), temp_dir=tmp_path))
        before = -1
        while sent_bytes != before or not sent_bytes:
            before = sent_bytes
            for _ in range(2000):
                await asyncio.sleep(0)
        held_at = sent_bytes
        go_on.set()
        await task
        return held_at

    with patch("uploader.ingest.pipeline.syncer.write_all", write_all_late):
        held_at = asyncio.run(watch())
    assert held_at <= 9 * BYTES_PER_MB
    assert sent_bytes > 20 * BYTES_PER_MB


@pytest.mark.parametrize("way", WAYS)
def test_buffers_are_freed_without_garbage_collection(tmp_path: Path, way: str) -> None:
    gc.collect()
    gc.disable()
    try:
        asyncio.run(receive(body_of(WAYS[way]), temp_dir=tmp_path))
        # By type: to ask isinstance of everything wakes what others load when it is first looked at.
        assert not [found for found in gc.get_objects() if type(found) in (Block, MaskMaker)]
    finally:
        gc.enable()


def test_field_after_the_file_with_the_same_value_is_accepted(tmp_path: Path) -> None:
    parts = [*FIELDS, ROWS, ("chunk_size", b"2"), ("strict", b"true")]
    received = asyncio.run(receive(body_of(parts), temp_dir=tmp_path))
    assert [chunk.row_count for chunk in received.result.chunks] == [2, 2, 1]


@pytest.mark.parametrize(
    ("late", "rows"),
    [(("chunk_size", b"4"), [4, 1]), (("chunk_type", b"count"), [2, 3]), (("strict", b"false"), [2, 2, 1])],
)
def test_field_after_a_file_that_changes_the_options_has_it_cut_again(
    tmp_path: Path, late: Part, rows: list[int]
) -> None:
    fields = [field for field in FIELDS if field[0] != late[0]]
    received = asyncio.run(receive(body_of([*fields, ROWS, late]), temp_dir=tmp_path))
    assert [chunk.row_count for chunk in received.result.chunks] == rows
    assert received.content == ROWS[1]
    assert received.left_over == []


def test_strict_after_a_spooled_file_is_applied(tmp_path: Path) -> None:
    ragged: Part = ("file", b"a,b\n1\n")
    received = asyncio.run(receive(body_of([ragged, *FIELDS, ("strict", b"false")]), temp_dir=tmp_path))
    assert received.result.row_count == 1


@pytest.mark.usefixtures("nothing_left")
def test_second_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidFieldError, match="more than once"):
        asyncio.run(receive(body_of([*FIELDS, ROWS, ROWS]), temp_dir=tmp_path))


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("where", ["fields in front", "fields behind", "behind the end"])
def test_excessive_form_data_besides_the_file_is_refused(tmp_path: Path, where: str) -> None:
    many: list[Part] = FIELDS[:1] * 1000
    parts = [*many, *FIELDS, ROWS] if where == "fields in front" else [*FIELDS, ROWS, *many]
    body = form([*FIELDS, ROWS]) + b"x" * 70_000 if where == "behind the end" else form(parts)
    with pytest.raises(MalformedMultipartError, match="more than 65536 bytes besides the file"):
        asyncio.run(receive(stream(cut_up(body, [4096])), temp_dir=tmp_path))


def test_file_bytes_do_not_count_as_form_overhead(tmp_path: Path) -> None:
    body = form([*BIG_FIELDS, BIG])
    received = asyncio.run(receive(stream(cut_up(body, [1000, 7, 3000])), temp_dir=tmp_path))
    assert received.content == BIG[1]


@pytest.mark.usefixtures("nothing_left")
def test_largest_file_is_accepted_and_one_byte_more_refused(tmp_path: Path) -> None:
    largest = b"id\n" + b"1\n" * (BYTES_PER_MB // 2 - 2) + b"1"
    assert len(largest) == BYTES_PER_MB
    settings = settings_for(tmp_path, max_file_size_mb=1, chunk_size_mb=1)
    received = asyncio.run(receive(body_of([*FIELDS[:1], ("file", largest)]), temp_dir=tmp_path, settings=settings))
    assert received.content == largest
    with pytest.raises(FileTooLargeError):
        asyncio.run(receive(body_of([*FIELDS[:1], ("file", largest + b"\n")]), temp_dir=tmp_path, settings=settings))


def test_declared_encoding_is_used_to_read_headers(tmp_path: Path) -> None:
    source: Part = ("file", "größe\n1\n".encode("latin-1"))
    declared = asyncio.run(receive(body_of([*FIELDS, ("encoding", b"latin-1"), source]), temp_dir=tmp_path)).result
    assert (declared.headers, declared.encoding) == (["größe"], "iso8859-1")
    unknown = asyncio.run(receive(body_of([*FIELDS, source]), temp_dir=tmp_path)).result
    assert (unknown.headers, unknown.encoding) == (["größe"], "unknown-8bit")


def test_directory_part_of_a_file_name_is_dropped(tmp_path: Path) -> None:
    body = form([*FIELDS, ROWS]).replace(b"data.csv", b"../../etc/data.csv")
    assert asyncio.run(receive(stream([body]), temp_dir=tmp_path)).result.source_filename == "data.csv"
