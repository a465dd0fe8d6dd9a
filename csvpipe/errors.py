"""Errors of the command line that no other package raises."""

from __future__ import annotations

from contracts.errors import CsvPipeError, TemporaryFailureError
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


class KeyRefusedError(CommandError):
    """The uploader needs a key and got none, or one that is unknown, revoked or expired."""

    code = "key_refused"
    status = 401
    exit_code = ExitCode.PERMISSION_DENIED
    title = "Key refused"


class PermissionMissingError(CommandError):
    """The key does not permit the request."""

    code = "permission_missing"
    status = 403
    exit_code = ExitCode.PERMISSION_DENIED
    title = "Permission missing"


class SlowDownError(TemporaryFailureError):
    """The uploader asks to wait: the key has reached one of its limits.

    ``wait_s`` is its Retry-After in seconds; None if it named no time.
    """

    code = "slow_down"
    status = 429
    title = "Limit reached"

    def __init__(self, detail: str, *, wait_s: float | None = None, **extra: object) -> None:
        super().__init__(detail, **extra)
        self.wait_s = wait_s


class ProfileError(CommandError):
    """The configuration file of the command line, or one of its profiles, is not usable."""

    code = "invalid_profile"
    exit_code = ExitCode.CONFIGURATION
    title = "Invalid profile"


class NotLandedError(CommandError):
    """An upload ended in a state other than landed."""

    code = "not_landed"
    title = "Not landed"


class UploadInUseError(TemporaryFailureError):
    """Another process is sending the same file with the same options."""

    code = "upload_in_use"
    title = "Upload in use"


class UploadStoppedError(TemporaryFailureError):
    """A signal has stopped the command; what the uploader has is kept."""

    code = "upload_stopped"
    title = "Stopped"


class InputNotRepeatableError(CommandError):
    """The uploader lost what it had of standard input, which cannot be read twice."""

    code = "input_not_repeatable"
    exit_code = ExitCode.SOURCE_MISSING
    title = "Standard input cannot be read again"
