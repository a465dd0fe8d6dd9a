"""Metrics of a job, for CloudWatch and Prometheus."""
