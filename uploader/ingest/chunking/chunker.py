"""The two ways to cut an upload, behind one protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from uploader.domain.cutting import CutOptions, CutResult
from uploader.ingest.pipeline.blocks import Block


class Chunker(Protocol):
    """Receives the blocks of a file and makes chunk files of them."""

    def submit(self, block: Block) -> None:
        """Queue ``block``; the chunker releases it when it has been processed."""
        ...

    async def finish(self, *, options: CutOptions, check: Callable[[], None]) -> CutResult:
        """Cut the file by ``options``, and wait until all chunks are durable and hashed.

        Args:
            options: the final options, known once the whole form has been read.
            check: raises the failure of a thread, if there was one.

        Raises:
            InvalidCsvError: the content is not valid CSV.
            HeaderRepeatedError: the headers of all chunks are out of proportion to the file.
            BaseException: raised by ``check``.
        """
        ...

    async def stop(self) -> None:
        """Abandon unfinished work; when this returns, no thread uses a file any more."""
        ...
