from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from csvpipe.client import UploaderClient
from csvpipe.errors import InputNotRepeatableError
from csvpipe.upload.patience import Patience
from csvpipe.upload.saved_uploads import SavedUploads
from csvpipe.upload.source import FileIdentity, Part, PipeSource, Source, open_file, source_of
from csvpipe.upload.transfer import Transfer
from csvpipe.upload.tus_uploads import TusUploads
from tests.support.uploader.fake_uploader import UPLOAD_ID, FakeUploader, run_fake_uploader

CONTENT = b"id,name\n" + b"1,x\n" * 10


class RecordingView:
    """Keeps what was shown, as ``(offset, doing)``, and said."""

    def __init__(self) -> None:
        self.shown: list[tuple[int, str]] = []
        self.said: list[str] = []

    def restart_at(self, offset: int, *, doing: str = "") -> None:
        self.shown.append((offset, doing))

    def advance(self, size_bytes: int) -> None:
        offset, doing = self.shown[-1]
        self.shown[-1] = (offset + size_bytes, doing)

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def fake() -> Iterator[FakeUploader]:
    with run_fake_uploader() as fake:
        fake.accept(CONTENT)
        yield fake


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.csv"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def view() -> RecordingView:
    return RecordingView()


def transfer(fake: FakeUploader, source: Source, view: RecordingView, *, resumable_id: str | None = None) -> str:
    identity = FileIdentity(0, 0, 0, 0)
    wanted = {"fields": {"dataset_name": "flights"}, "idempotency_key": "k"}
    with (
        UploaderClient(fake.url) as client,
        SavedUploads(None).slot(server=fake.url, path=Path("x.csv"), file=identity, **wanted) as slot,  # type: ignore[arg-type]
    ):
        slot.current = slot.current.model_copy(update={"resumable_id": resumable_id})
        patience = Patience(60, say=view.say, sleep=lambda _: None)
        accepted = Transfer(TusUploads(client), source, filename="x.csv", slot=slot, patience=patience, view=view).run()
    return accepted.upload_id


def test_file_is_sent_in_one_request(fake: FakeUploader, file: Path, view: RecordingView) -> None:
    with open_file(file) as opened:
        assert transfer(fake, source_of(opened), view) == UPLOAD_ID
    assert fake.offsets == [0]
    assert view.shown == [(len(CONTENT), "")]
    assert view.said == []


def test_rest_of_a_file_is_sent_after_its_beginning_was_read(
    fake: FakeUploader, file: Path, view: RecordingView
) -> None:
    fake.content, fake.length = bytearray(CONTENT[:13]), len(CONTENT)
    with open_file(file) as opened:
        transfer(fake, source_of(opened), view, resumable_id="r")
    assert (fake.offsets, fake.keys) == ([13], [])
    assert fake.content == CONTENT
    reading = (13, "reading what was sent before")
    assert (view.shown[0], view.shown[-1]) == (reading, (len(CONTENT), ""))


def test_finished_upload_of_an_earlier_run_is_compared_without_sending(
    fake: FakeUploader, file: Path, view: RecordingView
) -> None:
    fake.content, fake.length = bytearray(CONTENT), len(CONTENT)
    with open_file(file) as opened:
        assert transfer(fake, source_of(opened), view, resumable_id="r") == UPLOAD_ID
    assert (fake.offsets, fake.keys) == ([], [])
    assert view.shown == [(len(CONTENT), "reading what was sent before"), (len(CONTENT), "")]


def pipe_of(content: bytes) -> int:
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    return reading


@pytest.mark.parametrize("block_bytes", [7, len(CONTENT), len(CONTENT) + 1])
def test_pipe_is_sent_block_by_block(fake: FakeUploader, view: RecordingView, block_bytes: int) -> None:
    with os.fdopen(pipe_of(CONTENT), "rb") as pipe:
        transfer(fake, PipeSource(pipe, block_bytes=block_bytes), view)
    assert fake.content == CONTENT
    assert fake.offsets == list(range(0, len(CONTENT) + 1, block_bytes))


def test_lost_response_to_a_block_sends_it_once(fake: FakeUploader, view: RecordingView) -> None:
    fake.lost, fake.lost_method = 2, "PATCH"
    with os.fdopen(pipe_of(CONTENT), "rb") as pipe:
        transfer(fake, PipeSource(pipe, block_bytes=10), view)
    assert fake.offsets == list(range(0, len(CONTENT), 10))
    assert fake.content == CONTENT


def test_pipe_whose_beginning_is_lost_cannot_be_sent_again(fake: FakeUploader, view: RecordingView) -> None:
    class Forgetting(PipeSource):
        """A pipe during whose second block the uploader loses all."""

        def parts(self) -> Iterator[Part]:
            for number, part in enumerate(super().parts()):
                if number == 1:
                    fake.lost, fake.lost_method, fake.gone = 1, "PATCH", 1
                yield part

    with os.fdopen(pipe_of(CONTENT), "rb") as pipe, pytest.raises(InputNotRepeatableError, match="from its beginning"):
        transfer(fake, Forgetting(pipe, block_bytes=10), view)
    assert (len(fake.keys), fake.removed) == (2, 1)


def test_short_pipe_that_is_lost_starts_afresh(fake: FakeUploader, view: RecordingView) -> None:
    fake.lost, fake.lost_method, fake.gone = 1, "PATCH", 1
    with os.fdopen(pipe_of(CONTENT), "rb") as pipe:
        transfer(fake, PipeSource(pipe), view)
    assert fake.content == CONTENT
    assert len(fake.keys) == 2
