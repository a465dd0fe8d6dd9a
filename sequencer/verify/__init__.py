"""Verifying a topic against its source."""
