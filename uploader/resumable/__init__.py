"""Resumable uploads by the tus protocol: creation, reception piece by piece, and acceptance of the whole file."""
