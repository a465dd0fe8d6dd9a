"""What can go wrong with tracing; all of it at the start."""

from __future__ import annotations

from contracts.errors import CsvPipeError


class TracingUnavailableError(CsvPipeError):
    """Tracing is asked for, and its packages are not installed."""

    code = "tracing_unavailable"
    status = 500
    title = "Tracing is not installed"
