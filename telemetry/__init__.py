"""Logging, and trace spans for an OpenTelemetry collector."""
