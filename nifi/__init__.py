"""The NiFi side: the flow definition, its deployment, and the stand-in for the S3 processors."""
