"""The command line: upload, follow and prove, and run the local stack."""
