"""Reception of one body of a resumable upload."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from unittest.mock import patch

import pytest

from csvscan import Strictness
from csvscan.bits import MaskMaker
from tests.support.uploader.ingest import form, receive, stream
from tests.support.uploader.part_uploads import PartUpload
from uploader.domain.cutting import ChunkType, CutOptions
from uploader.errors import InvalidCsvError
from uploader.ingest.content import content_scanner
from uploader.ingest.pipeline import blocks
from uploader.ingest.pipeline.blocks import Block
from uploader.resumable import reception

OPTIONS = CutOptions(
    dataset_name="d", chunk_type=ChunkType.ROWS, chunk_size=1000, delimiter=b",", strict=Strictness.STRICT
)
ROWS = b"id,name\n" + b"".join(b"%d,a\n" % row if row % 100 else b"%d\n" % row for row in range(1, 1500))
"""Every hundredth row is too short."""


@pytest.mark.parametrize("window_bytes", [500, 2000, 10**9])
def test_faults_after_the_first_are_those_of_a_plain_upload(tmp_path: Path, window_bytes: int) -> None:
    """However often the request saves: a state with a fault in it cannot be saved."""
    with (
        patch.object(blocks.BlockPool.__init__, "__kwdefaults__", {"count": 3, "size_bytes": 50}),
        patch.object(content_scanner, "MAX_BYTES_AFTER_FAULT", window_bytes),
        patch.object(reception, "_SAVE_BYTES", 1),
    ):
        with pytest.raises(InvalidCsvError) as plain:
            asyncio.run(_send_plainly(tmp_path))
        with pytest.raises(InvalidCsvError) as resumed:
            asyncio.run(PartUpload(tmp_path, OPTIONS, length=len(ROWS)).send(ROWS))
    assert resumed.value.extra == plain.value.extra
    assert isinstance(faults := resumed.value.extra["faults"], list)
    assert len(faults) > 1


async def _send_plainly(temp_dir: Path) -> None:
    fields = [("dataset_name", b"d"), ("chunk_type", b"rows"), ("chunk_size", b"1000"), ("delimiter", b",")]
    await receive(stream([form([*fields, ("file", ROWS)])]), temp_dir=temp_dir)


def test_buffers_are_freed_without_garbage_collection(tmp_path: Path) -> None:
    """Otherwise each request of an upload would leave some megabytes until the next collection."""
    content = ROWS[:400]
    upload = PartUpload(tmp_path, OPTIONS, length=len(content))
    gc.collect()
    gc.disable()
    try:
        with patch.object(blocks.BlockPool.__init__, "__kwdefaults__", {"count": 3, "size_bytes": 50}):
            asyncio.run(upload.send(content[:200]))  # whole blocks
            asyncio.run(upload.send(content[200:]))
        assert not [found for found in gc.get_objects() if type(found) in (Block, MaskMaker, reception.Reception)]
    finally:
        gc.enable()
