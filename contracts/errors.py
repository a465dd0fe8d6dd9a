"""The base of every error that a user may see, and the errors that several packages raise."""

from __future__ import annotations

from typing import ClassVar

from contracts.exit_codes import ExitCode


class CsvPipeError(Exception):
    """An error with a stable code, an HTTP status, an exit code and a message that says what to do.

    ``code`` is part of the public interface: clients may branch on it, and one class has it. ``detail`` is for
    people. ``extra`` holds the place of the fault in a form that programs can read (``row``, ``byte``, ``field``);
    it becomes extension members of the RFC 9457 problem document.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    exit_code: ClassVar[ExitCode] = ExitCode.CHECK_FAILED
    title: ClassVar[str] = "Internal error"
    has_lines: ClassVar[bool] = False
    """Whether ``detail`` has line ends of ours, such as the tail of a program's log, and may be printed with them."""

    def __init__(self, detail: str, **extra: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra


class StoppedError(Exception):
    """Ends work in a thread after a request to stop. Never shown to a user."""


class SettingsError(CsvPipeError):
    """A setting is missing or invalid; the message names its variable."""

    code = "invalid_settings"
    status = 500
    exit_code = ExitCode.CONFIGURATION
    title = "Invalid settings"


class TemporaryFailureError(CsvPipeError):
    """A service was unavailable, or did not finish in time; the same command may succeed later."""

    code = "temporary_failure"
    status = 503
    exit_code = ExitCode.TEMPORARY_FAILURE
    title = "Temporary failure"


class SourceNotFoundError(CsvPipeError):
    """The file, object, prefix or bucket does not exist, or cannot be read as it is stored."""

    code = "source_not_found"
    exit_code = ExitCode.SOURCE_MISSING
    title = "Source not found"


class SourceChangedError(CsvPipeError):
    """The source is no longer the one that was read first."""

    code = "source_changed"
    exit_code = ExitCode.SOURCE_MISSING
    title = "Source changed"


class NotAllowedError(CsvPipeError):
    """Kafka or an AWS service denies access, or there are no credentials."""

    code = "not_allowed"
    exit_code = ExitCode.PERMISSION_DENIED
    title = "Permission denied"


class StoreResponseError(CsvPipeError):
    """The object store, or a cache in front of it, returned another range, version or encoding than requested."""

    code = "store_response_invalid"
    exit_code = ExitCode.PROTOCOL
    title = "Unexpected response from the object store"


class InvalidDatasetNameError(CsvPipeError):
    """A dataset name that breaks the rule of :mod:`contracts.names`."""

    code = "invalid_dataset_name"
    status = 422
    title = "Invalid dataset name"


class InvalidMessageError(CsvPipeError):
    """A chunk message that does not match the schema, or that names an address that is not allowed."""

    code = "invalid_message"
    status = 422
    title = "Invalid chunk message"


class IllegalStateChangeError(CsvPipeError):
    """A change of state that the table in :mod:`contracts.states` does not allow."""

    code = "illegal_state_change"
    status = 409
    title = "Illegal change of state"
