"""Kafka clients: sending to one partition, reading it, and checking its topic."""
