"""An uploader that receives bodies directly, and one that gets them by ASGI."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from csvpipe.commands.serve import HTTP_PROTOCOL
from tests.support.uploader.server import RunningUploader, running_uploader
from tests.support.waiting import wait_until


@pytest.fixture(scope="module", params=[HTTP_PROTOCOL, "httptools"], ids=["direct", "by ASGI"])
def uploader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUploader]:
    directory = tmp_path_factory.mktemp("chunks")
    with running_uploader(directory, http=request.param, max_file_size_mb=100, max_chunks=50) as server:
        yield server


@pytest.fixture
def untouched(uploader: RunningUploader) -> Iterator[None]:
    """Check that the test leaves no file and no message."""
    files, messages = uploader.files(), len(uploader.publisher.messages)
    yield
    wait_until(lambda: uploader.files() <= files, what="nothing remains", deadline_s=60, poll_s=0.02)
    assert len(uploader.publisher.messages) == messages
