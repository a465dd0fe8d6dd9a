"""Progress of running jobs: bars on a terminal, otherwise a log line every few seconds."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import TaskID

from contracts.number_text import format_count
from csvpipe.console import byte_progress, messages
from sequencer.model.progress import Progress

_log = logging.getLogger("sequencer.progress")
_BAR_S, _LOG_S = 0.5, 10.0


class JobProgress:
    """Shows the counters of jobs until it is closed."""

    def __init__(self) -> None:
        console = messages()
        self._bars = byte_progress(console) if console.is_terminal else None
        self._shown: list[tuple[str, Progress, TaskID | None]] = []
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def add(self, job_id: str, progress: Progress) -> None:
        """Add the counters of a job."""
        task = self._bars.add_task(job_id, total=progress.total_bytes) if self._bars else None
        self._shown.append((job_id, progress, task))

    def start(self) -> None:
        """Start to show them."""
        if self._bars:
            self._bars.start()
        self._thread.start()

    def close(self) -> None:
        """Show the last state and stop."""
        self._closed.set()
        self._thread.join()
        self._show()
        if self._bars:
            self._bars.stop()

    def _run(self) -> None:
        while not self._closed.wait(_BAR_S if self._bars else _LOG_S):
            self._show()

    def _show(self) -> None:
        for job_id, progress, task in self._shown:
            if self._bars and task is not None:
                text = f"{job_id} row {format_count(progress.last_line)}"
                self._bars.update(task, total=progress.total_bytes, completed=progress.bytes_read, description=text)
            elif progress.records_sent:
                _log.info("Sending", extra=progress_fields(job_id, progress))


def progress_fields(job_id: str, progress: Progress) -> dict[str, object]:
    """Return the counters as fields of a log line; the rate is the average since sending started."""
    seconds = max(progress.sending_s, 1e-3)
    percent = 100 * progress.bytes_read / progress.total_bytes if progress.total_bytes else 100.0
    return {
        "job_id": job_id,
        "row": progress.last_line,
        "records": progress.records_sent,
        "duration_s": round(seconds),
        "records_per_s": round(progress.records_sent / seconds),
        "source_percent": round(percent, 1),
    }


@contextmanager
def showing() -> Iterator[JobProgress]:
    """Show the counters of the added jobs as long as the context lasts."""
    shown = JobProgress()
    shown.start()
    try:
        yield shown
    finally:
        shown.close()
