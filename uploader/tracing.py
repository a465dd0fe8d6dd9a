"""Optional tracing of the uploader."""

from __future__ import annotations

from contracts.errors import SettingsError
from contracts.spans import NoSpans, Spans
from uploader.settings import Settings

SERVICE = "csvpipe-uploader"


def check_tracing(settings: Settings) -> None:
    """Check before the start that tracing is available if the settings enable it.

    Raises:
        SettingsError: tracing is enabled, but its packages are not installed.
    """
    if settings.otel_exporter_otlp_endpoint is None:
        return
    from telemetry.errors import TracingUnavailableError
    from telemetry.otlp import check_installed

    try:
        check_installed()
    except TracingUnavailableError as error:
        raise SettingsError(error.detail) from error


def open_spans(settings: Settings) -> Spans:
    """Return the source of spans for ``settings``. It has a thread, so each process opens its own.

    Raises:
        TracingUnavailableError: tracing is enabled, but its packages are not installed.
    """
    if settings.otel_exporter_otlp_endpoint is None:
        return NoSpans()
    from telemetry.otlp import open_otlp

    return open_otlp(endpoint=settings.otel_exporter_otlp_endpoint, service=SERVICE)
