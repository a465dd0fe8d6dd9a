"""Several files in one command: what became of each, and the exit code of them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from contracts.api import UploadAccepted
from contracts.errors import CsvPipeError, SourceChangedError, SourceNotFoundError
from contracts.exit_codes import ExitCode
from csvpipe.errors import (
    CommandError,
    KeyRefusedError,
    PermissionMissingError,
    UnavailableError,
    UploadInUseError,
)

_OF_ALL_FILES = (KeyRefusedError, PermissionMissingError, UnavailableError)
_OF_ONE_FILE = (CommandError, SourceChangedError, SourceNotFoundError, UploadInUseError)
_MILDEST_FIRST = (ExitCode.OK, ExitCode.TEMPORARY_FAILURE, ExitCode.CHECK_FAILED, ExitCode.SOURCE_MISSING)
"""75 is returned only if the same command may help for every file that failed."""


@dataclass(frozen=True)
class FileResult:
    """What became of a file: it was accepted, it has an error, or it was not reached."""

    path: Path
    accepted: UploadAccepted | None = None
    error: CsvPipeError | None = None

    def document(self) -> dict[str, object]:
        """Return it for ``--json``."""
        if self.accepted is not None:
            return {"file": str(self.path), **self.accepted.model_dump(mode="json")}
        return {"file": str(self.path), "problem": _problem(self.error)}


def send_all(
    paths: Iterable[Path],
    *,
    send: Callable[[Path], UploadAccepted],
    on_error: Callable[[Path, CsvPipeError], None],
) -> list[FileResult]:
    """Send one file after the other. A fault of one file does not keep the others from being sent.

    Args:
        paths: the files.
        send: sends one.
        on_error: called with each file that failed.
    """
    results: list[FileResult] = []
    stopped = False
    for path in paths:
        if stopped:
            results.append(FileResult(path))
            continue
        try:
            results.append(FileResult(path, accepted=send(path)))
        except CsvPipeError as error:
            results.append(FileResult(path, error=error))
            on_error(path, error)
            stopped = not is_of_one_file(error)
    return results


def is_of_one_file(error: CsvPipeError) -> bool:
    """Return whether other files may still be accepted after ``error``."""
    return isinstance(error, _OF_ONE_FILE) and not isinstance(error, _OF_ALL_FILES)


def worst_exit_code(errors: Iterable[CsvPipeError]) -> ExitCode:
    """Return the exit code for several errors: the one that a repetition of the command helps against the least."""
    codes = [error.exit_code for error in errors]
    others = [code for code in codes if code not in _MILDEST_FIRST]
    return others[0] if others else max(codes, key=_MILDEST_FIRST.index, default=ExitCode.OK)


def _problem(error: CsvPipeError | None) -> dict[str, object]:
    if error is None:
        return {"code": "not_sent", "title": "Not sent", "detail": "the command stopped before this file"}
    return {**error.extra, "code": error.code, "title": error.title, "detail": error.detail}
