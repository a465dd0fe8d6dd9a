"""Errors of the telemetry set-up."""

from __future__ import annotations

from contracts.errors import CsvPipeError
from contracts.exit_codes import ExitCode


class TracingUnavailableError(CsvPipeError):
    """Tracing is enabled, and its packages are not installed."""

    code = "tracing_unavailable"
    status = 500
    exit_code = ExitCode.CONFIGURATION
    title = "Tracing is not installed"
