"""Metrics, alert rules and traces as a test reads them."""
