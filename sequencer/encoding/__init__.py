"""Encoding rows as JSON records."""
