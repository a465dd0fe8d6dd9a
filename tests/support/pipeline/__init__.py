"""The whole ingestion pipeline, its input and the check of its output."""
