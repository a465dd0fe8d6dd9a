"""The NiFi flow: its definition, its deployment, and the stand-in for Apache's S3 processors."""
