"""Request bodies for raw connections, and the two ways to frame them."""

from __future__ import annotations

import pytest

from tests.support.uploader.ingest import form

ROWS = b"id,name\r\n" + b"".join(b"%d,name of %d\r\n" % (row, row) for row in range(1, 20_000))
FRAMINGS = pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])


def body_of(rows: bytes = ROWS, *, dataset: bytes = b"people") -> bytes:
    """Return the form of an upload."""
    return form([("dataset_name", dataset), ("file", rows)])
