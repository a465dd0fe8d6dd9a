"""What the tests on real services share: the services themselves, waiting, and data."""
