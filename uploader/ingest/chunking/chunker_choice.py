"""The choice between the two chunkers."""

from __future__ import annotations

from collections.abc import Callable

from uploader.domain.cutting import ChunkType, CutOptions
from uploader.ingest.chunking.chunker import Chunker
from uploader.ingest.chunking.chunking_job import ChunkingJob
from uploader.ingest.chunking.spooled_chunker import SpooledChunker
from uploader.ingest.chunking.streaming_chunker import StreamingChunker


def must_spool(options: CutOptions | None) -> bool:
    """Return whether a file has to be kept whole before it is cut: by count, or if the options are not known yet."""
    return options is None or options.chunk_type is ChunkType.COUNT


def new_chunker(
    *, options: CutOptions | None, job: ChunkingJob, on_failure: Callable[[BaseException], None]
) -> Chunker:
    """Return the chunker for ``options``, which are None if they are not known yet."""
    if options is None or must_spool(options):
        return SpooledChunker(options=options, job=job, on_failure=on_failure)
    return StreamingChunker(options=options, job=job, on_failure=on_failure)
