"""Manifests on disk: what the service needs of a database, and the one adapter that gives it."""
