"""Shared parts of tests: real services, fakes, clients and data, by subject."""
