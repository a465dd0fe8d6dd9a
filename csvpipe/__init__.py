"""The command line: upload, follow and verify, and run the local stack."""
