"""Sending one source into one resumable upload, however often the line breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from contracts.api import UploadAccepted
from contracts.errors import CsvPipeError, SourceChangedError, TemporaryFailureError
from csvpipe.console import format_bytes
from csvpipe.errors import CommandError, InputNotRepeatableError, RefusedError, UnavailableError, UploaderFailedError
from csvpipe.upload.patience import Patience
from csvpipe.upload.running_digest import BLOCK_BYTES, RunningDigest
from csvpipe.upload.saved_uploads import NOT_SAVED, UploadSlot
from csvpipe.upload.source import Part, Source
from csvpipe.upload.tus_uploads import UNFINISHED, Received, TusUploads

_GONE = frozenset({"resumable_upload_gone", "upload_not_found"})
_AGAIN = frozenset({"offset_mismatch", "upload_superseded", "checksum_mismatch", "http_423", UNFINISHED})
"""Codes of refusals after which the offset is asked for, and the rest is sent."""
_MOST_RESTARTS = 3
_Result = TypeVar("_Result")


class TransferView(Protocol):
    """Shows how far a transfer is."""

    def restart_at(self, offset: int, *, doing: str = "") -> None:
        """Show that the next bytes follow ``offset``; ``doing`` names another work than sending."""

    def advance(self, size_bytes: int) -> None:
        """Show that so many more bytes are done."""

    def say(self, text: str) -> None:
        """Tell the user something."""


class Transfer:
    """Sends ``source``; :meth:`run` may be called once."""

    def __init__(
        self,
        tus: TusUploads,
        source: Source,
        *,
        filename: str,
        slot: UploadSlot,
        patience: Patience,
        view: TransferView,
    ) -> None:
        """Prepare to send.

        Args:
            tus: the uploader.
            source: what is sent.
            filename: its name in the manifest.
            slot: has the options, and what to go on with.
            patience: for faults that pass.
            view: shows how far it is.
        """
        self._tus = tus
        self._source = source
        self._metadata = {**slot.current.fields, "filename": filename}
        self._slot = slot
        self._patience = patience
        self._view = view
        self._digest = RunningDigest()
        self._offset: int | None = None
        self._is_accepted = False
        self._furthest = 0
        self._restarts = 0

    def run(self) -> UploadAccepted:
        """Send the source and return what it has become.

        Raises:
            SourceChangedError: the file was written to; the uploader keeps nothing of it.
            InputNotRepeatableError: the uploader has lost what it had of a pipe.
            RefusedError: the content or an option is not accepted.
            CommandError: the uploader received other bytes than were sent.
            CsvPipeError: as :class:`TusUploads` raises, after all patience; the next run goes on.
        """
        try:
            for part in self._source.parts():
                self._patiently(lambda part=part: self._send(part))  # type: ignore[misc]
                if self._is_accepted:
                    break
            accepted = self._patiently(lambda: self._tus.result(self._resumable_id()))
        except (SourceChangedError, InputNotRepeatableError):
            self._abandon()
            raise
        except RefusedError as error:
            if not str(error.extra.get("problem", "")).startswith("http_"):  # what a proxy says may change
                self._abandon()
            raise
        self._compare(accepted)
        return accepted

    def _patiently(self, act: Callable[[], _Result]) -> _Result:
        while True:
            try:
                return act()
            except CsvPipeError as error:
                self._recover(error)

    def _send(self, part: Part) -> None:
        """Send what the uploader does not have of a part."""
        while not self._is_accepted:
            offset = self._locate()
            if self._is_accepted or (offset == part.end and not part.is_last):
                return
            if not part.start <= offset <= part.end:
                raise InputNotRepeatableError(
                    f"the uploader has {offset} bytes, but only those from {part.start} to {part.end} can be sent "
                    "again; run the command again, with the input from its beginning"
                )
            self._append(part, offset)

    def _locate(self) -> int:
        """Return how many bytes the uploader has; the upload is created if there is none."""
        if self._slot.current.resumable_id is None:
            created = self._tus.create(
                metadata=self._metadata,
                size_bytes=self._source.size_bytes,
                idempotency_key=self._slot.current.idempotency_key,
            )
            self._save(created.resumable_id)
            self._note_found(created.received)
        elif self._offset is None:
            self._note_found(self._tus.find(self._resumable_id()))
        assert self._offset is not None  # noqa: S101  both branches set it
        return self._offset

    def _note_found(self, found: Received) -> None:
        self._note(found.offset, is_accepted=found.is_accepted)
        if found.is_accepted:
            if not self._digest.position:
                self._view.say("An earlier run has sent all of it")
        elif found.offset:
            self._view.say(f"Continuing after {format_bytes(found.offset)}")

    def _append(self, part: Part, offset: int) -> None:
        self._catch_up(part, offset)
        self._view.restart_at(offset)
        total_bytes = part.end if part.is_last and self._source.size_bytes is None else None
        self._offset = None  # not known while the request runs
        received = self._tus.append(
            self._resumable_id(),
            self._blocks(part, offset),
            offset=offset,
            size_bytes=part.end - offset,
            total_bytes=total_bytes,
        )
        self._note(received.offset, is_accepted=received.is_accepted)

    def _catch_up(self, part: Part, offset: int) -> None:
        """Hash what was sent before ``offset`` by another run."""
        if self._digest.position < offset:
            self._view.restart_at(self._digest.position, doing="reading what was sent before")
            self._digest.catch_up(part, offset, on_read=self._view.advance)
            self._view.restart_at(offset)

    def _blocks(self, part: Part, offset: int) -> Iterator[bytes]:
        while offset < part.end:
            self._tus.early_answer.check()
            block = part.read(offset, min(BLOCK_BYTES, part.end - offset))
            if not block or offset + len(block) == part.end:
                part.check_unchanged()  # before the uploader has all of it
            if not block:
                raise SourceChangedError(f"the file ends after {offset} bytes, not after {part.end}")
            self._digest.feed(block, offset=offset)
            yield block
            offset += len(block)
            self._view.advance(len(block))

    def _note(self, offset: int, *, is_accepted: bool) -> None:
        self._offset, self._is_accepted = offset, is_accepted
        if offset > self._furthest or is_accepted:
            self._furthest = offset
            self._restarts = 0
            self._patience.note_progress()

    def _recover(self, error: CsvPipeError) -> None:
        """Return after a fault that passes, as soon as another attempt may succeed.

        Raises:
            CsvPipeError: ``error``, if none will, or all patience is gone.
        """
        self._offset = None
        problem = error.extra.get("problem")
        if problem in _GONE and self._slot.current.resumable_id is not None and self._restarts < _MOST_RESTARTS:
            self._restarts += 1
            self._furthest = 0
            self._view.say("The uploader no longer has what was sent; starting afresh")
            self._save(None)
        elif isinstance(error, TemporaryFailureError | UnavailableError | UploaderFailedError) or problem in _AGAIN:
            self._patience.wait(error)
        else:
            raise error

    def _compare(self, accepted: UploadAccepted) -> None:
        """Compare the digest of the uploader with that of what was sent.

        Raises:
            CommandError: they differ.
        """
        if self._source.size_bytes is not None:
            for part in self._source.parts():
                self._catch_up(part, part.end)
        if accepted.sha256 != self._digest.sha256:
            self._slot.forget()
            raise CommandError(
                f"the uploader received other bytes: its SHA-256 is {accepted.sha256}, that of the sent bytes "
                f"{self._digest.sha256}. Delete upload {accepted.upload_id} and send the file again",
                upload_id=accepted.upload_id,
            )

    def _abandon(self) -> None:
        """Give up what was sent, here and at the uploader."""
        if self._slot.current.resumable_id is not None:
            self._tus.remove(self._slot.current.resumable_id)
        self._slot.forget()

    def _save(self, resumable_id: str | None) -> None:
        saved = self._slot.current.model_copy(update={"resumable_id": resumable_id})
        try:
            self._slot.save(saved)
        except OSError as error:
            self._view.say(f"{NOT_SAVED}: {error.strerror}")

    def _resumable_id(self) -> str:
        found = self._slot.current.resumable_id
        assert found is not None  # noqa: S101  it was created before
        return found
