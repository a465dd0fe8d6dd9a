"""The audit log as a file: each committed audit record as a line of JSON, for programs that collect logs."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from contracts.audit import AuditRecord
from contracts.errors import SettingsError

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
"""Not blocking, as the path may be that of a pipe."""
_log = logging.getLogger(__name__)


class AuditLogFile:
    """Appends records to a file that several workers share: one write for each line, so that lines do not mix.

    The file is opened for each record: after a rotation, the next record creates the new file. The database has the
    records in any case, so a failure fails no request; it is logged, once until a write succeeds, and counted.
    """

    def __init__(self, path: Path, *, on_failure: Callable[[], None] = lambda: None) -> None:
        self._path = path
        self._on_failure = on_failure
        self._failing = False

    def check(self) -> None:
        """Check that the file can be opened, or created.

        Raises:
            SettingsError: it cannot.
        """
        try:
            os.close(self._open())
        except OSError as error:
            raise SettingsError(f"AUDIT_LOG_FILE: {self._path} cannot be written: {error.strerror}") from error

    def write(self, record: AuditRecord) -> None:
        """Append ``record``. Never raises."""
        line = f"{record.model_dump_json()}\n".encode()
        try:
            descriptor = self._open()
            try:
                written = os.write(descriptor, line)
            finally:
                os.close(descriptor)
        except OSError as error:
            self._fail(record, error.strerror or str(error))
            return
        if written < len(line):
            self._fail(record, f"{written} of {len(line)} bytes written")
        else:
            self._failing = False

    def _open(self) -> int:
        return os.open(self._path, _FLAGS, 0o600)

    def _fail(self, record: AuditRecord, error: str) -> None:
        self._on_failure()
        if not self._failing:
            self._failing = True
            _log.error(
                "Audit log not written; the records are in the database",
                extra={"path": str(self._path), "error": error, "sequence": record.sequence},
            )
