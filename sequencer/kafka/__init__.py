"""Kafka clients: producing to one partition, reading it, and checking its topic."""
