"""S3 servers and buckets for tests."""
