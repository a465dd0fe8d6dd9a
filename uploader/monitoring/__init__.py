"""Metrics, readiness, and the text that Prometheus scrapes."""
