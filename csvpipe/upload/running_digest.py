"""SHA-256 of what was sent, also if some of it is sent twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from contracts.errors import SourceChangedError
from csvpipe.upload.source import Part

BLOCK_BYTES = 1024 * 1024


class RunningDigest:
    """The digest of the first ``position`` bytes."""

    def __init__(self) -> None:
        self.position = 0
        self._hash = hashlib.sha256()

    def feed(self, block: bytes, *, offset: int) -> None:
        """Add the bytes at ``offset``, which is not beyond :attr:`position`; what was added before is skipped."""
        new = memoryview(block)[self.position - offset :]
        self._hash.update(new)
        self.position += len(new)

    def catch_up(self, part: Part, offset: int, *, on_read: Callable[[int], None]) -> None:
        """Read what is missing before ``offset``: bytes that another process, or another run, has sent.

        Raises:
            SourceChangedError: the part is shorter.
        """
        while self.position < offset:
            block = part.read(self.position, min(BLOCK_BYTES, offset - self.position))
            if not block:
                part.check_unchanged()
                raise SourceChangedError(
                    f"the file ends after {self.position} bytes, of which {offset} were sent before"
                )
            self.feed(block, offset=self.position)
            on_read(len(block))

    @property
    def sha256(self) -> str:
        """The digest, as hex digits."""
        return self._hash.hexdigest()
