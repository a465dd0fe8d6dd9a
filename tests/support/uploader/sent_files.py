"""Files sent by the code of ``csvpipe upload``, in this process."""

from __future__ import annotations

from pathlib import Path

from contracts.api import UploadAccepted
from csvpipe.client import UploaderClient
from csvpipe.upload.saved_uploads import SavedUploads
from csvpipe.upload.sender import Sender, SendOptions


class CountingView:
    """Counts the bytes that are sent, and keeps what is said."""

    def __init__(self) -> None:
        self.sent_bytes = 0
        self.said: list[str] = []

    def restart_at(self, offset: int, *, doing: str = "") -> None:
        """Note nothing."""

    def advance(self, size_bytes: int) -> None:
        self.sent_bytes += size_bytes

    def say(self, text: str) -> None:
        self.said.append(text)


def send_file(
    client: UploaderClient, path: Path, *, dataset: str = "people", view: CountingView | None = None
) -> UploadAccepted:
    """Send a file once, without a second attempt."""
    options = SendOptions(fields={"dataset_name": dataset}, retry_for_s=0)
    return Sender(client, SavedUploads(None), options).send(path, view or CountingView())
