from __future__ import annotations

import io
from pathlib import Path

import pytest

from csvpipe.errors import SlowDownError
from csvpipe.repeated_upload import repeat_upload
from csvpipe.upload_source import PipeSource, UploadSource, open_source


def read_all(source: UploadSource, *, size: int) -> bytes:
    blocks = []
    while block := source.read(size):
        blocks.append(block)
    return b"".join(blocks)


@pytest.mark.parametrize("read_before", [0, 3, 4, 8])
def test_pipe_is_read_again_from_its_beginning(read_before: int) -> None:
    source = PipeSource(io.BytesIO(b"0123456789"), kept_bytes=8)
    for _ in range(2):
        source.read(read_before)
        assert source.rewind()
    assert read_all(source, size=4) == b"0123456789"


def test_pipe_read_beyond_what_is_kept_cannot_be_rewound() -> None:
    source = PipeSource(io.BytesIO(b"0123456789"), kept_bytes=8)
    assert source.read(9) == b"012345678"
    assert not source.rewind()


def test_file_is_read_again_from_its_beginning(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"0123456789")
    with open_source(tmp_path / "x.csv") as source:
        assert source.size_bytes == 10
        source.read(7)
        assert source.rewind()
        assert read_all(source, size=4) == b"0123456789"


def test_refused_upload_of_a_pipe_that_is_gone_says_that_nothing_was_accepted() -> None:
    def refused() -> None:
        raise SlowDownError("10 a minute", wait_s=6)

    with pytest.raises(SlowDownError, match="Nothing was accepted; repeat the command"):
        repeat_upload(
            refused,
            rewind=lambda: False,
            idempotency_key="k",
            patience_s=60,
            say=lambda _: None,
            sleep=lambda _: pytest.fail("there is nothing to wait for"),
        )
