"""Sends spans to an OpenTelemetry collector; imported by a service only where tracing is asked for."""
