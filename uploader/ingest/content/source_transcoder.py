"""UTF-16 to UTF-8, block by block, with a hash of the source."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from csvscan import Transcoder
from uploader.domain.cutting import TranscodedFrom
from uploader.ingest.content.csv_errors import csv_errors


class SourceTranscoder:
    """Turns UTF-16 with a byte order mark into UTF-8 and hashes the source; passes other bytes through.

    Args:
        current_row: returns the row that an error names.
    """

    def __init__(self, *, current_row: Callable[[], int]) -> None:
        self._transcoder = Transcoder(current_row=current_row)
        self._source = hashlib.sha256()

    @property
    def transcoded_from(self) -> TranscodedFrom | None:
        """Encoding of the source, or None if it is not transcoded."""
        match self._transcoder.transcoded_from:
            case "utf-16-le":
                return "utf-16-le"
            case "utf-16-be":
                return "utf-16-be"
            case _:
                return None

    @property
    def source_sha256(self) -> str | None:
        """SHA-256 of the source, or None if it is not transcoded, so that the content is the source."""
        return None if self.transcoded_from is None else self._source.hexdigest()

    def feed(self, data: memoryview) -> memoryview:
        """Return the content that is complete with ``data``; a view of ``data`` if it is not transcoded.

        Raises:
            InvalidCsvError: the UTF-16 is not valid.
        """
        is_start = not self._transcoder.has_started
        with csv_errors():
            content = self._transcoder.feed(data)
        if is_start or self.transcoded_from is not None:  # the first bytes count in any case
            self._source.update(data)
        return content

    def finish(self) -> memoryview:
        """Return the remaining content.

        Raises:
            InvalidCsvError: the UTF-16 ends within a character.
        """
        with csv_errors():
            return self._transcoder.finish()

    def check(self) -> None:
        """Raise the error of :meth:`feed` or :meth:`finish` again, after all valid text was scanned.

        Raises:
            InvalidCsvError: as these do, with the row that is current now.
        """
        with csv_errors():
            self._transcoder.check()
