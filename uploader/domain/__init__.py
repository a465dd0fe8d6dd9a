"""Uploads and chunks as values, states and messages, without I/O."""
