"""The base of every error that a user of this project may see."""

from __future__ import annotations

from typing import ClassVar


class CsvPipeError(Exception):
    """An error with a stable code, an HTTP status and a message that says what to do.

    ``code`` is part of the public interface: clients may branch on it, so it never changes. ``detail`` is for
    people. ``extra`` holds the place of the fault in a form that programs can read (``row``, ``byte``, ``field``);
    it becomes extension members of the RFC 9457 problem document.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    has_lines: ClassVar[bool] = False
    """Whether line ends in ``detail`` are ours, as in the end of a program's log, and may be printed."""

    def __init__(self, detail: str, **extra: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra


class InvalidDatasetNameError(CsvPipeError):
    """A dataset name that breaks the rule of :mod:`contracts.names`."""

    code = "invalid_dataset_name"
    status = 422
    title = "Invalid dataset name"


class InvalidMessageError(CsvPipeError):
    """A chunk message that is not of the published form, or that points where it must not."""

    code = "invalid_message"
    status = 422
    title = "Invalid chunk message"


class IllegalStateChangeError(CsvPipeError):
    """A change of state that the table in :mod:`contracts.states` does not allow."""

    code = "illegal_state_change"
    status = 409
    title = "Illegal change of state"
