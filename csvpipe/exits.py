"""The exit codes of ``csvpipe``, and the errors that lead to them."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from contracts.errors import CsvPipeError


class ExitCode(IntEnum):
    """What a script may branch on. The numbers from 64 up are those of BSD's ``sysexits.h``."""

    OK = 0
    DIFFERENT = 1
    USAGE = 2
    REFUSED = 65
    UNAVAILABLE = 69
    TRY_AGAIN = 75
    WRONG_ANSWER = 76
    CONFIGURATION = 78


EXIT_CODES_HELP = """\
Exit codes: 0 done · 1 the answer is no (a chunk failed, verify found a difference, a step failed) · 2 wrong usage ·
65 refused (the file or a field is not accepted) · 69 a service cannot be reached · 75 not now or not in time, try
again · 76 the object store answers with something else than what was asked for · 78 a setting is wrong."""


_BY_STATUS = {503: ExitCode.UNAVAILABLE, 504: ExitCode.TRY_AGAIN}


class CommandError(CsvPipeError):
    """Base of the command line's own errors; ``exit_code`` is what the process ends with."""

    code = "command_failed"
    title = "Command failed"
    exit_code: ClassVar[ExitCode] = ExitCode.DIFFERENT


class UnavailableError(CommandError):
    """A service does not answer, or the answer broke off."""

    code = "service_unreachable"
    title = "Service not reachable"
    exit_code = ExitCode.UNAVAILABLE


class AnswerLostError(UnavailableError):
    """The connection broke after something was sent: whether it was taken is not known."""


class UploaderFailedError(CommandError):
    """The uploader, or a proxy before it, answered with a fault of its own."""

    code = "uploader_failed"
    title = "Uploader failed"


class RefusedError(CommandError):
    """The uploader said no, and will say no again: the request has to change."""

    code = "refused"
    title = "Refused"
    exit_code = ExitCode.REFUSED


class TryAgainError(CommandError):
    """Not now, or not in time; the same command may succeed later."""

    code = "try_again"
    title = "Not now"
    exit_code = ExitCode.TRY_AGAIN


class ConfigurationError(CommandError):
    """A setting is missing or wrong; the text names it."""

    code = "configuration"
    title = "Wrong setting"
    exit_code = ExitCode.CONFIGURATION


class StoreAnswerError(CommandError):
    """The object store, or a cache before it, answers with something else than what was asked for."""

    code = "store_answer"
    title = "Wrong answer of the object store"
    exit_code = ExitCode.WRONG_ANSWER


class NotLandedError(CommandError):
    """An upload ended in a state other than landed."""

    code = "not_landed"
    title = "Not landed"


def exit_code_of(error: CsvPipeError) -> int:
    """Return what a command that ends in ``error`` exits with: the error's own ``exit_code``, or by its HTTP status."""
    own = getattr(error, "exit_code", None)
    if isinstance(own, int):
        return own
    return _BY_STATUS.get(error.status, ExitCode.DIFFERENT)
