"""Sending files of one command: each its own upload, resumed if an earlier run was interrupted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from contracts.api import UploadAccepted
from contracts.errors import CsvPipeError
from csvpipe.client import UploaderClient
from csvpipe.upload.patience import Patience
from csvpipe.upload.saved_uploads import NOT_SAVED, SavedUpload, SavedUploads, UploadSlot
from csvpipe.upload.source import STDIN, FileSource, PipeSource, open_file, source_of
from csvpipe.upload.transfer import Transfer, TransferView
from csvpipe.upload.tus_uploads import TusUploads


@dataclass(frozen=True, kw_only=True)
class SendOptions:
    """How files are sent.

    Attributes:
        fields: the fields of the upload, such as ``dataset_name``.
        idempotency_key: the user's, for one file; None: one is made up.
        retry_for_s: how long to keep trying without progress.
    """

    fields: Mapping[str, str]
    idempotency_key: str | None = None
    retry_for_s: float


class Sender:
    """Sends one file after the other to one uploader."""

    def __init__(self, client: UploaderClient, saved: SavedUploads, options: SendOptions) -> None:
        self._server = client.base_url
        self._tus = TusUploads(client)
        self._saved = saved
        self._options = options
        self._done: list[UploadSlot] = []

    def send(self, path: Path, view: TransferView) -> UploadAccepted:
        """Send the file at ``path`` (``-``: standard input) and return what it has become.

        What is saved of it stays until :meth:`forget_done`: a run that is repeated because of another file does not
        send this one twice.

        Raises:
            SourceNotFoundError: there is no such file, or it is not readable.
            UploadInUseError: another process is sending it.
            CsvPipeError: see :meth:`Transfer.run`.
        """
        with open_file(path) as file:
            source = source_of(file)
            with self._slot(path, source, view) as slot:
                filename = "stdin.csv" if path == STDIN else path.name
                _resume(slot, self._tus, view, filename=filename)
                transfer = Transfer(
                    self._tus,
                    source,
                    filename=filename,
                    slot=slot,
                    patience=Patience(self._options.retry_for_s, say=view.say),
                    view=view,
                )
                accepted = transfer.run()
                self._done.append(slot)
                return accepted

    def forget_done(self) -> None:
        """Forget the files that were sent, so that the same command sends them again."""
        while self._done:
            self._done.pop().forget()

    @contextmanager
    def _slot(self, path: Path, source: FileSource | PipeSource, view: TransferView) -> Iterator[UploadSlot]:
        """Give the place of the upload: on the disk for a file that a later run finds again."""
        saved = self._saved if isinstance(source, FileSource) and path != STDIN else SavedUploads(None)
        identity = source.identity if isinstance(source, FileSource) else None
        with ExitStack() as stack:

            def enter(uploads: SavedUploads) -> UploadSlot:
                return stack.enter_context(
                    uploads.slot(
                        server=self._server,
                        path=path,
                        file=identity,
                        fields=self._options.fields,
                        idempotency_key=self._options.idempotency_key,
                    )
                )

            try:
                slot = enter(saved)
            except OSError as error:  # a disk that is full or read-only, or without locks
                view.say(f"{NOT_SAVED}: {error.strerror}")
                slot = enter(SavedUploads(None))
            yield slot


def _resume(slot: UploadSlot, tus: TusUploads, view: TransferView, *, filename: str) -> None:
    """Go on with what an earlier run has begun, unless the file has changed since."""
    earlier, wanted = slot.load(), slot.current
    if earlier is not None and earlier.file == wanted.file:
        slot.current = earlier
        return
    if earlier is not None:
        view.say("The file has changed since an earlier run; starting afresh")
        _remove(earlier, tus, filename=filename)
    try:
        slot.save(wanted)
    except OSError as error:
        view.say(f"{NOT_SAVED}: {error.strerror}")


def _remove(earlier: SavedUpload, tus: TusUploads, *, filename: str) -> None:
    """Remove what an earlier run has begun, if the uploader answers.

    If that run has not read the response to the creation, only repeating it says which upload it is.
    """
    resumable_id = earlier.resumable_id
    with suppress(CsvPipeError):
        if resumable_id is None:
            metadata = {**earlier.fields, "filename": filename}
            size_bytes = None if earlier.file is None else earlier.file.size_bytes
            key = earlier.idempotency_key
            resumable_id = tus.create(metadata=metadata, size_bytes=size_bytes, idempotency_key=key).resumable_id
        tus.remove(resumable_id)
