"""Waiting until the chunks of an upload have landed."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console

from contracts.api import UploadStatus
from contracts.errors import CsvPipeError, TemporaryFailureError
from contracts.number_text import counted
from contracts.states import ChunkState, UploadState
from csvpipe.client import UploaderClient
from csvpipe.console import chunk_progress, shown
from csvpipe.errors import NotLandedError, UnavailableError

POLL_INTERVAL_S = 0.5


def follow(
    client: UploaderClient,
    upload_id: str,
    *,
    timeout_s: float,
    on_status: Callable[[UploadStatus], None] = lambda _: None,
    on_no_answer: Callable[[CsvPipeError], None] = lambda _: None,
    interval_s: float = POLL_INTERVAL_S,
) -> UploadStatus:
    """Poll the status until it is final, and return it.

    If the uploader is unavailable in the meantime, polling continues: announced chunks land without it.

    Raises:
        TemporaryFailureError: ``timeout_s`` passed first; the upload itself continues.
        UnavailableError: ``timeout_s`` passed, and the uploader does not answer.
    """
    deadline_s = time.monotonic() + timeout_s
    while True:
        is_last = time.monotonic() >= deadline_s
        try:
            status = client.status(upload_id)
        except (UnavailableError, TemporaryFailureError) as error:
            if is_last:
                raise
            on_no_answer(error)
        else:
            on_status(status)
            if status.final:
                return status
            if is_last:
                raise TemporaryFailureError(
                    f"{status.landed_chunks} of {counted(status.total_chunks, 'chunk')} "
                    f"{'has' if status.total_chunks == 1 else 'have'} landed after {timeout_s:.0f} s "
                    f"({describe_states(status)}). The upload continues; failed chunks will be announced again. "
                    f"Check it with: csvpipe status {upload_id}"
                )
        time.sleep(interval_s)


def wait_until_landed(
    client: UploaderClient, upload_id: str, *, timeout_s: float, console: Console, description: str = "landing"
) -> UploadStatus:
    """Show a progress bar of the chunks with ``description``, and return when all have landed.

    Raises:
        NotLandedError: the upload ended otherwise; the text names the first chunk that failed.
        TemporaryFailureError: not within ``timeout_s``.
        UnavailableError: the uploader does not answer at the end of ``timeout_s``.
    """
    with chunk_progress(console) as bar:
        task = bar.add_task(shown(description), total=None, states="")

        def show(status: UploadStatus) -> None:
            bar.update(task, total=status.total_chunks, completed=status.landed_chunks, states=describe_states(status))

        def show_no_answer(_: CsvPipeError) -> None:
            bar.update(task, states="the uploader does not answer, asking again")

        status = follow(client, upload_id, timeout_s=timeout_s, on_status=show, on_no_answer=show_no_answer)
    check_landed(status)
    return status


def check_landed(status: UploadStatus) -> None:
    """Check that all chunks have landed.

    Raises:
        NotLandedError: the upload ended otherwise.
    """
    if status.state is UploadState.LANDED:
        return
    failed = next((chunk for chunk in status.chunks if chunk.state is ChunkState.FAILED), None)
    why = (
        f"chunk {failed.chunk_id} ({failed.filename}): {failed.error}" if failed else status.error or "no reason given"
    )
    what_to_do = (
        f"When the cause is fixed, send what is missing again with: csvpipe announce {status.upload_id}"
        if status.state is UploadState.FAILED
        else "Send the file again"
    )
    raise NotLandedError(
        f"upload {status.upload_id} is {status.state}: {why}. {what_to_do}", upload_id=status.upload_id
    )


def describe_states(status: UploadStatus) -> str:
    """Return the number of chunks by state, in the order of a chunk's life: ``3 announced, 1 landed``."""
    counts = [(state, status.chunk_counts.get(state, 0)) for state in ChunkState]
    return ", ".join(f"{count} {state}" for state, count in counts if count)
