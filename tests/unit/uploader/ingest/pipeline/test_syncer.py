"""Files that are made durable in the background."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from unittest.mock import patch

import pytest

from uploader.ingest.pipeline.syncer import GrowingFile, Syncer
from uploader.ingest.pipeline.worker import Worker

FILES = 40
"""More than may be unsynced at a time."""


@pytest.mark.parametrize("writeback_bytes", [1, 2])
def test_failed_close_is_reported_and_the_other_files_are_closed(tmp_path: Path, writeback_bytes: int) -> None:
    failures: list[BaseException] = []
    real_close, closed = os.close, []

    def close(fd: int) -> None:
        real_close(fd)
        closed.append(fd)
        if len(closed) == 1:
            raise OSError(errno.EIO, "Input/output error")

    async def write_files() -> None:
        syncer = Syncer(on_failure=failures.append)

        def write() -> None:
            for number in range(FILES):
                file = GrowingFile(tmp_path / str(number), syncer=syncer)
                file.write(b"x")
                file.close()

        writer = Worker(name="writer", on_failure=failures.append)
        writer.submit(write)
        await asyncio.wait_for(writer.join(), 20)
        await syncer.finish()

    with (
        patch("uploader.ingest.pipeline.syncer.os.close", close),
        patch("uploader.ingest.pipeline.syncer._WRITEBACK_BYTES", writeback_bytes),
    ):
        asyncio.run(write_files())
    assert [str(failure) for failure in failures] == ["[Errno 5] Input/output error"]
    assert len(closed) >= FILES
