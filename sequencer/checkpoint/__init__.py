"""Checkpoint stores and the lease of a job."""
