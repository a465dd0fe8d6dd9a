"""Clients of AWS and of S3 object stores, what their errors mean, and a reader of S3 objects."""
