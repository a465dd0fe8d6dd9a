from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from contracts.errors import (
    CsvPipeError,
    SettingsError,
    SourceChangedError,
    SourceNotFoundError,
    TemporaryFailureError,
)
from contracts.exit_codes import ExitCode
from csvpipe.errors import (
    CommandError,
    KeyRefusedError,
    RefusedError,
    SlowDownError,
    UnavailableError,
    UploaderFailedError,
    UploadInUseError,
)
from csvpipe.upload.batch import is_of_one_file, send_all, worst_exit_code


@pytest.mark.parametrize(
    "kind", [RefusedError, SourceChangedError, SourceNotFoundError, UploaderFailedError, UploadInUseError, CommandError]
)
def test_fault_of_one_file_is_told_apart(kind: type[CsvPipeError]) -> None:
    assert is_of_one_file(kind("x"))


@pytest.mark.parametrize(
    "kind", [KeyRefusedError, UnavailableError, TemporaryFailureError, SlowDownError, SettingsError]
)
def test_fault_of_the_service_stops_at_its_file(kind: type[CsvPipeError]) -> None:
    tried: list[str] = []
    errors = [RefusedError("first"), kind("second")]

    def send(path: Path) -> NoReturn:
        tried.append(path.name)
        raise errors[len(tried) - 1]

    reported: list[Path] = []
    results = send_all(
        [Path("a"), Path("b"), Path("c")],
        send=send,
        on_error=lambda path, _: reported.append(path),
    )
    assert tried == ["a", "b"]
    assert reported == [Path("a"), Path("b")]
    assert [result.error for result in results] == [*errors, None]
    documents = [result.document() for result in results]
    assert [document["file"] for document in documents] == ["a", "b", "c"]
    assert documents[0]["problem"] == {"code": "refused", "title": "Refused", "detail": "first"}
    assert documents[2]["problem"]["code"] == "not_sent"  # type: ignore[index]


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([], ExitCode.OK),
        ([TemporaryFailureError("")], ExitCode.TEMPORARY_FAILURE),
        ([TemporaryFailureError(""), CommandError("")], ExitCode.CHECK_FAILED),
        ([CommandError(""), SourceChangedError(""), TemporaryFailureError("")], ExitCode.SOURCE_MISSING),
        ([SourceChangedError(""), RefusedError("")], ExitCode.INVALID_INPUT),
        ([TemporaryFailureError(""), UnavailableError("")], ExitCode.UNAVAILABLE),
    ],
)
def test_exit_code_is_that_of_the_worst_fault(errors: list[CsvPipeError], code: ExitCode) -> None:
    assert worst_exit_code(errors) is code
