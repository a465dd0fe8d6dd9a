"""Errors of the command line that no other package raises."""

from __future__ import annotations

from contracts.errors import CsvPipeError
from contracts.exit_codes import ExitCode


class CommandError(CsvPipeError):
    """Base of the command line's own errors."""

    code = "command_failed"
    title = "Command failed"


class UnavailableError(CommandError):
    """A service does not answer, or the connection broke during its response."""

    code = "service_unreachable"
    status = 503
    exit_code = ExitCode.UNAVAILABLE
    title = "Service unreachable"


class ResponseLostError(UnavailableError):
    """The connection broke after a request was sent: whether the service processed it is unknown."""

    code = "response_lost"
    title = "Response lost"


class UploaderFailedError(CommandError):
    """The uploader, or a proxy in front of it, reported an internal failure."""

    code = "uploader_failed"
    title = "Uploader failed"


class RefusedError(CommandError):
    """The uploader refused the request and will refuse it again: the request has to change."""

    code = "refused"
    exit_code = ExitCode.INVALID_INPUT
    title = "Refused"


class NotLandedError(CommandError):
    """An upload ended in a state other than landed."""

    code = "not_landed"
    title = "Not landed"
